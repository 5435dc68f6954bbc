"""The network between the simulators and processes that die: it keeps what providers send until somebody takes it.

A provider sends once. What was being delivered when its receiver died is lost; what nobody had begun to deliver
reaches the next process.
"""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Letter:
    """One body a provider sent to an address of ours."""

    path: str
    kind: str
    body: bytes = field(repr=False)
    begun: bool = False


class Office:
    """``url`` is where providers post to. A process asks ``GET /next`` for the next call back from a rail."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def clear(self) -> None:
        with self._changed:
            self.letters.clear()

    def post(self, letter: Letter) -> None:
        with self._changed:
            self.letters.append(letter)
            self._changed.notify_all()

    def next(self, seconds: float = 5) -> Letter | None:
        """The oldest call back that nobody has begun to deliver; waits for one."""

        def waiting() -> Letter | None:
            return next((each for each in self.letters if not each.begun and each.path.startswith("/hooks/")), None)

        with self._changed:
            letter = self._changed.wait_for(waiting, seconds)
            if letter is not None:
                letter.begun = True
            return letter

    def deliver(self, post: Callable[[Letter], None], *, again: bool = False) -> None:
        """To the next process: what nobody had begun to deliver, or with ``again`` everything once more."""
        for letter in list(self.letters):
            if again or not letter.begun:
                letter.begun = True
                post(letter)


def _handler(office: Office) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            office.post(Letter(self.path, self.headers.get("Content-Type", ""), self.rfile.read(length)))
            self._say(b'{"ResultCode":0}')

        def do_GET(self) -> None:
            letter = office.next()
            told = letter and {"path": letter.path, "kind": letter.kind, "body": b64encode(letter.body).decode()}
            self._say(json.dumps(told).encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def _say(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
