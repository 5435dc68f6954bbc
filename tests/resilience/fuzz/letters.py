"""The post: everything that the simulated providers send is kept here, and delivered when a test says so."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: What belongs to one connection and not to what was sent over it.
_OF_THE_WIRE = ("host", "connection", "content-length", "accept", "accept-encoding")


@dataclass(frozen=True)
class Letter:
    """One body that a provider really sent, as it sent it."""

    path: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def door(self) -> str:
        """The channel, or the path where there is none."""
        return self.path.rpartition("/")[2] if self.path.startswith("/hooks/") else self.path

    @property
    def token(self) -> str:
        return self.path.split("/")[2] if self.path.startswith("/hooks/") else ""


class PostOffice:
    """``url`` is where providers post to; ``letters`` is what came, oldest first."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.letters))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(letters: list[Letter]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            said = tuple((name, value) for name, value in self.headers.items() if name.lower() not in _OF_THE_WIRE)
            letters.append(Letter(self.path, said, body))
            answer = b'{"ResultCode":"0"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler
