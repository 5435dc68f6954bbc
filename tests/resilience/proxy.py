"""A wire that can be cut: a TCP proxy before PostgreSQL or Redis, for tests of what callers hear meanwhile."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

_CHUNK = 65_536


class Wire:
    """Carries bytes between ``address`` and a server. ``cut`` is the server being away, ``mend`` its return."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._trap: tuple[bytes, bool] | None = None
        self._for_good = True
        self._after = b""
        self._mute: socket.socket | None = None
        self._away = False
        self._decided = threading.Event()
        self.sprung = threading.Event()
        #: What else happens when the trap springs; by default the server stays away.
        self.also: Callable[[], None] = lambda: None
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    def cut(self) -> None:
        """Nobody answers any more, and whoever was talking is cut off."""
        self._away = True  # first of all: a line that is not dropped yet must carry nothing
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept
        self._listener.close()
        self.hang_up()

    def mend(self) -> None:
        self._trap, self.also, self._away = None, lambda: None, False
        self._listener = self._listen(self.port)

    def hang_up(self) -> None:
        """Whoever is talking is cut off, and may call again at once."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            _drop(end)

    def cut_at(self, words: bytes, *, answered: bool, for_good: bool = True, after: bytes = b"") -> None:
        """Cut when a client sends ``words``: before the server hears them, or after it has answered to nobody."""
        self.sprung.clear()
        self._trap, self._for_good, self._after = (words, answered), for_good, after

    def close(self) -> None:
        self.cut()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self._server)
            except OSError:
                return
            with self._lock:
                self._open |= {client, server}
            threading.Thread(target=self._pump, args=(client, server), kwargs={"asks": True}, daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client), kwargs={"asks": False}, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, *, asks: bool) -> None:
        armed = b""
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                if self._after in data:
                    armed = self._after
                if asks and self._trap is not None and self._trap[0] in data and armed == self._after:
                    self._spring(data, sink)
                    return
                if not asks and self._mute is source:
                    self._decided.set()
                    return
                if self._away:
                    break
                sink.sendall(data)
        for end in (source, sink):
            _drop(end)

    def _spring(self, data: bytes, server: socket.socket) -> None:
        answered = self._trap is not None and self._trap[1]
        self._trap = None
        if answered:
            self._decided.clear()
            self._mute = server
            server.sendall(data)
            assert self._decided.wait(5), "the server did not answer"
            self._mute = None
        self.also()
        (self.cut if self._for_good else self.hang_up)()
        self.sprung.set()


def _drop(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
