"""A provider of few words: a loopback HTTP server that answers what it was told to, and remembers what it heard."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl


@dataclass
class Said:
    """One answer. ``hang`` seconds pass before it; ``dead`` closes the line without a word."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    hang: float = 0
    dead: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Heard:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass
class Stub:
    """Answers by path: a list is used up, its last answer stays."""

    answers: dict[str, list[Said]] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def says(self, path: str, *answers: Said) -> None:
        self.answers[path] = list(answers)

    def calls(self, path: str) -> list[Heard]:
        return [request for request in self.heard if request.path.partition("?")[0] == path]

    def wait_for(self, path: str, number: int = 1, seconds: float = 5) -> list[Heard]:
        ends = time.monotonic() + seconds
        while len(self.calls(path)) < number and time.monotonic() < ends:
            time.sleep(0.01)
        assert len(self.calls(path)) >= number, f"{path} was called {len(self.calls(path))} times"
        return self.calls(path)

    def answer(self, request: Heard) -> Said:
        with self.lock:
            self.heard.append(request)
            planned = self.answers.get(request.path.partition("?")[0], [Said(status=404)])
            return planned.pop(0) if len(planned) > 1 else planned[0]


def as_json(body: object, status: int = 200, **more: object) -> Said:
    return Said(json.dumps(body).encode(), status, **more)  # type: ignore[arg-type]


def _handler(stub: Stub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            said = stub.answer(Heard(self.command, self.path, headers, body))
            time.sleep(said.hang)
            if said.dead:
                self.close_connection = True
                return
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", said.content_type)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_POST = _serve

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that has gone away is part of the tests."""


@contextmanager
def serving() -> Iterator[Stub]:
    stub = Stub()
    server = _Server(("127.0.0.1", 0), _handler(stub))
    stub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield stub
    server.shutdown()
    server.server_close()
