"""Sessions in Redis: one round trip to open a hop, one to close it.

Redis may lose everything at any moment; nothing here decides about money.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import orjson
import redis
from redis.connection import ConnectionPool

from gateway.domain.errors import TryLater

#: Longer than any hop can take: statements end after 5 s. A process that died holds a session this long at most.
_LOCK_MS = 20_000
_EPOCH = "ussd:epoch"

Command = tuple[str | bytes | int, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of a session between two hops.

    ``tag`` is a keyed digest of the phone; ``seen`` and ``seen_digest`` are the length and the keyed digest of the
    transcript, because the transcript itself holds the PIN. ``walk`` is the menus' own session as JSON.
    """

    tag: str
    seen: int
    seen_digest: str
    reply: str
    screen: str
    language: str
    walk: dict[str, Any]
    at: float

    def to_bytes(self) -> bytes:
        return orjson.dumps(
            [self.tag, self.seen, self.seen_digest, self.reply, self.screen, self.language, self.walk, self.at]
        )


class SessionStore:
    """Opens and closes hops over a connection per thread: a pool's bookkeeping would cost as much as the command."""

    def __init__(self, url: str, ttl_seconds: int, resume_seconds: int) -> None:
        # Only a factory, and it counts what it ever made: at its usual 100 the 101st thread would find Redis away.
        self._pool = ConnectionPool.from_url(url, socket_timeout=1.5, socket_connect_timeout=1.0, max_connections=2**31)
        self._local = threading.local()
        self._ttl = ttl_seconds
        self._resume_seconds = resume_seconds

    def open(self, session_id: str, owner: str) -> tuple[bool, Record | None]:
        """Try to take the session for this hop: whether ``owner`` got it, and what is remembered."""
        lock, raw = self._run(
            ("SET", _lock(session_id), owner, "NX", "PX", _LOCK_MS),
            ("GET", _session(session_id)),
        )
        return lock is not None, _record(raw)

    def wait(
        self, session_id: str, owner: str, seconds: float, answers: Callable[[Record], bool]
    ) -> tuple[bool, Record | None]:
        """Somebody else runs a hop of this session: wait until it is over, then take the session.

        ``False`` with what is remembered when time is up, or as soon as that ``answers`` this hop too.
        """
        until, raw, pause = time.monotonic() + seconds, None, 0.02
        while time.monotonic() < until:
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)
            holder, raw = self._run(("GET", _lock(session_id)), ("GET", _session(session_id)))
            record = _record(raw)
            if record is not None and answers(record):
                return False, record
            if holder is None or holder == owner.encode():
                taken, record = self.open(session_id, owner)
                if taken or holder is not None:
                    return True, record
        return False, _record(raw)

    def close(
        self,
        session_id: str,
        record: Record,
        draft: bytes | None = None,
        *,
        forget: bool = False,
        fresh: bool = False,
    ) -> None:
        """Remember and let go. ``draft`` is what a redial of this phone may go on with; ``forget`` the one before.

        ``fresh`` says that this thread opened the session a moment ago: its connection lives, so that nobody needs to
        wait for the answer. A connection that rested may be dead, and would take the words without a sound.
        """
        commands: list[Command] = [("SET", _session(session_id), record.to_bytes(), "EX", self._ttl)]
        if draft is not None and self._resume_seconds:
            commands.append(("SET", _draft(record.tag), draft, "EX", self._resume_seconds))
        elif forget:
            commands.append(("DEL", _draft(record.tag)))
        (self._tell if fresh else self._run)(*commands, ("DEL", _lock(session_id)))

    def release(self, session_id: str) -> None:
        self._run(("DEL", _lock(session_id)))

    def draft(self, tag: str) -> dict[str, Any] | None:
        """What this phone left unfinished, if it is recent enough."""
        (raw,) = self._run(("GET", _draft(tag)))
        return orjson.loads(raw) if raw else None

    def drop_draft(self, tag: str) -> None:
        self._run(("DEL", _draft(tag)))

    def forgot_lately(self) -> bool:
        """Whether Redis was emptied within the life of a session: then an unknown session may be a lost one.

        A marker without an expiry stands for Redis' memory; when it is missing, everything is.
        """
        now = int(time.time())
        before, _ = self._run(("GET", _EPOCH), ("SET", _EPOCH, now, "NX"))
        return before is None or now - int(before) < self._ttl

    def is_up(self) -> bool:
        try:
            self._run(("PING",))
        except TryLater:
            return False
        return True

    def _run(self, *commands: Command) -> list[Any]:
        """Several commands in one round trip; a connection that died meanwhile is replaced once."""
        self._send(commands)
        line = self._line()
        with _reachable():
            try:
                return line.answers(len(commands))
            except (redis.ConnectionError, redis.TimeoutError):
                line.hang_up()
                line.send(commands)
                return line.answers(len(commands))

    def _tell(self, *commands: Command) -> None:
        """Commands whose answers nobody waits for: the page is on its way while Redis writes."""
        self._send(commands)
        self._line().owed += len(commands)

    def _send(self, commands: tuple[Command, ...]) -> None:
        line = self._line()
        with _reachable():
            try:
                line.send(commands)
            except (redis.ConnectionError, redis.TimeoutError):
                line.hang_up()
                line.send(commands)

    def _line(self) -> _Line:
        try:
            line: _Line = self._local.line
        except AttributeError:
            line = self._local.line = _Line(self._pool.make_connection())
        return line


class _Line:
    """One thread's connection. ``owed`` answers are still to come before those of the next commands."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection  # redis-py types its connections loosely
        self.owed = 0

    def send(self, commands: tuple[Command, ...]) -> None:
        connection = self._connection
        connection.send_packed_command(connection.pack_commands(commands), check_health=False)

    def answers(self, count: int) -> list[Any]:
        """The answers to the last ``count`` commands; earlier ones are read and dropped."""
        while self.owed:
            self.owed -= 1
            with suppress(redis.ResponseError):  # a write that was refused: its session will be rebuilt
                self._connection.read_response()
        return [self._connection.read_response() for _ in range(count)]

    def hang_up(self) -> None:
        self._connection.disconnect()
        self.owed = 0


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError) as away:
        raise TryLater from away


def _record(raw: bytes | None) -> Record | None:
    return Record(*orjson.loads(raw)) if raw else None


def _session(session_id: str) -> str:
    return f"ussd:session:{session_id}"


def _lock(session_id: str) -> str:
    return f"ussd:lock:{session_id}"


def _draft(tag: str) -> str:
    return f"ussd:draft:{tag}"
