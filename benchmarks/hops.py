"""What a hop costs beside its floor: bare Flask, one Redis GET and one SETEX through redis-py, under the same gunicorn.

    python -m benchmarks.hops [--seconds 3] [--rounds 5]

Both servers have one worker on one processor, the callers sit on another; they run in turns, the figures are medians.
*Menu hops* stay in the menus; *a conversation* also dials (the caller's row is read) and names a recipient (another
row). The database is made on the server at DATABASE_URL (default: the loopback port), Redis is REDIS_URL's.
"""

from __future__ import annotations

import argparse
import os
import secrets
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psutil
import psycopg2

from gateway.laptop.children import free_port
from gateway.schema_command import prepare_database

ROOT = Path(__file__).resolve().parent.parent
SERVER = os.environ.get("DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/14")
CALLERS = 8
CALLER = "+254712345678"
FRIEND = "0722000111"
PIN = "8305"

REGISTRATION = ["1", "1", "Jane", PIN, PIN]
CONVERSATION = ["1", FRIEND, "0", "0", "4"]

Hops = Iterator[tuple[str, str]]


def one_call(answers: list[str]) -> Hops:
    """A session, and its transcript hop by hop: dialled, then one more answer each time."""
    session = f"ATUid_{secrets.token_hex(16)}"
    for count in range(len(answers) + 1):
        yield session, "*".join(answers[:count])


def conversations() -> Hops:
    """Calls of six hops each, one after the other."""
    while True:
        yield from one_call(CONVERSATION)


def menu_hops() -> Hops:
    """One call that goes from home to *My account* and back fifteen times, then another."""
    while True:
        yield from one_call(["4", "0"] * 15)


@dataclass(frozen=True)
class Figure:
    """What one round gave: hops a second, and milliseconds of the server's processor per hop."""

    rate: float
    cpu_ms: float


def main() -> None:
    asked = _arguments()
    with _database() as url, _served("benchmarks._floor:app", url) as floor, _served("wsgi:app", url) as ours:
        _register(ours)
        runs: dict[str, Callable[[], Figure]] = {
            "floor": lambda: _measure(floor, menu_hops, asked.seconds),
            "menu hops": lambda: _measure(ours, menu_hops, asked.seconds),
            "a conversation": lambda: _measure(ours, conversations, asked.seconds),
        }
        figures: dict[str, list[Figure]] = {name: [] for name in runs}
        for _ in range(asked.rounds):
            for name, run in runs.items():
                figures[name].append(run())
    _report(figures)


def _report(figures: dict[str, list[Figure]]) -> None:
    print(f"{'':<16}{'hops/s':>9}{'CPU ms':>9}{'ratio':>8}{'by CPU':>8}   (floor 0.75, aim 1.6)")
    floor = figures["floor"]
    for name, found in figures.items():
        ratio = statistics.median(one.rate / base.rate for one, base in zip(found, floor, strict=True))
        by_cpu = statistics.median(base.cpu_ms / one.cpu_ms for one, base in zip(found, floor, strict=True))
        rate, cpu = (statistics.median(getattr(one, key) for one in found) for key in ("rate", "cpu_ms"))
        print(f"{name:<16}{rate:>9,.0f}{cpu:>9.3f}{ratio:>8.2f}{by_cpu:>8.2f}")


def _measure(server: Server, hops_of: Callable[[], Hops], seconds: float) -> Figure:
    """Callers that hop as fast as they are answered."""
    callers = [_Caller(server.port, hops_of()) for _ in range(CALLERS)]
    for caller in callers:
        for _ in range(12):
            caller.send()
            caller.receive()
    before, began = server.cpu_seconds(), time.perf_counter()
    hops = _run(callers, began + seconds)
    took, cpu = time.perf_counter() - began, server.cpu_seconds() - before
    for caller in callers:
        caller.close()
    return Figure(hops / took, cpu * 1000 / hops)


class _Caller:
    """One keep-alive connection."""

    def __init__(self, port: int, hops: Hops) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._hops = hops

    def send(self) -> None:
        session, text = next(self._hops)
        form = {
            "sessionId": session,
            "phoneNumber": CALLER,
            "networkCode": "63902",
            "serviceCode": "*384*123#",
            "text": text,
        }
        body = urlencode(form)
        head = "POST /ussd HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "
        self.socket.sendall(f"{head}{len(body)}\r\n\r\n{body}".encode())

    def receive(self) -> None:
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.socket.recv(4096)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += self.socket.recv(4096)
        assert head.startswith(b"HTTP/1.1 200"), head
        assert body.startswith((b"CON ", b"END Welcome")), body

    def close(self) -> None:
        self.socket.close()


def _run(callers: list[_Caller], until: float) -> int:
    """Every caller sends its next hop as soon as the last one is answered."""
    hops = 0
    with selectors.DefaultSelector() as waiting:
        for caller in callers:
            caller.send()
            waiting.register(caller.socket, selectors.EVENT_READ, caller)
        while time.perf_counter() < until:
            for ready, _ in waiting.select():
                ready.data.receive()
                ready.data.send()
                hops += 1
    for caller in callers:
        caller.receive()
    return hops


@dataclass(frozen=True)
class Server:
    """A gunicorn with one worker, on a processor of its own."""

    port: int
    worker: psutil.Process

    def cpu_seconds(self) -> float:
        times = self.worker.cpu_times()
        return float(times.user + times.system)


@contextmanager
def _served(application: str, database: str) -> Iterator[Server]:
    port = free_port()
    environ = os.environ | {
        "DATABASE_URL": database,
        "REDIS_URL": REDIS,
        "ENCRYPTION_KEY": "a key for benchmarks",
        "SIMULATORS_URL": "http://127.0.0.1:9",
        "APP_ENV": "test",
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "-w", "1", "-b", f"127.0.0.1:{port}"]
    process = subprocess.Popen([*command, application], cwd=ROOT, env=environ, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        worker = psutil.Process(process.pid).children()[0]
        cores = psutil.Process().cpu_affinity() or [0]
        worker.cpu_affinity(cores[:1])
        psutil.Process().cpu_affinity(cores[1:] or cores)
        yield Server(port, worker)
        psutil.Process().cpu_affinity(cores)
    finally:
        process.terminate()
        process.wait()


def _wait(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not come up")


def _register(server: Server) -> None:
    caller = _Caller(server.port, one_call(REGISTRATION))
    for _ in range(len(REGISTRATION) + 1):
        caller.send()
        caller.receive()
    caller.close()


@contextmanager
def _database() -> Iterator[str]:
    name = f"mlango_bench_{secrets.token_hex(4)}"
    try:
        connection = psycopg2.connect(SERVER)
    except psycopg2.OperationalError as away:
        raise SystemExit(f"The benchmarks need a PostgreSQL and a Redis: {str(away).splitlines()[0]}") from None
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        try:
            url = f"{SERVER.rsplit('/', 1)[0]}/{name}"
            prepare_database(url, "a key for benchmarks")
            yield url
        finally:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    connection.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
