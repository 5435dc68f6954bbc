"""Writes of programs, each under its Idempotency-Key: run once at a time, and answered the same way ever after.

What makes a second run harmless is the business call, which has the key for itself; this makes the *answer* the same
one, and keeps two runs apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.errors import KeyReused
from gateway.models import api as rows

#: Longer than any request takes: a rail's page is waited for, and its answer written down, within this.
LEASE = timedelta(seconds=90)
#: After these days a key may come again and is answered by the business alone.
KEPT = timedelta(days=30)


class StillRunning(Exception):
    """The same request is being answered at this moment."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a request was answered with."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request of one key, and a keyed digest of what it asks."""

    key_id: int
    key: str
    request_hash: bytes


class ApiRequests:
    """The memory of writes."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def begin(self, ticket: Ticket) -> Answered | None:
        """The earlier answer, or ``None``: then it is ours to run, and to ``finish`` or ``release``.

        Raises ``KeyReused`` when another request came under the key, ``StillRunning``, ``TryLater``.
        """
        now = self._clock()
        with self._db.transaction() as session:
            if rows.take(session, ticket.key_id, ticket.key, ticket.request_hash, now, now + LEASE):
                return None
            known = rows.find(session, ticket.key_id, ticket.key)
        if known.request_hash != ticket.request_hash:
            raise KeyReused
        if known.status is None or known.answer is None:
            raise StillRunning
        return Answered(known.status, known.answer)

    def finish(self, ticket: Ticket, answer: Answered) -> None:
        with self._db.transaction() as session:
            rows.finish(session, ticket.key_id, ticket.key, answer.status, answer.body)

    def release(self, ticket: Ticket) -> None:
        """Nothing was decided; whoever comes next runs it."""
        with self._db.transaction() as session:
            rows.release(session, ticket.key_id, ticket.key)

    def forget_old(self) -> int:
        """Drop what is older than a month; returns how many."""
        with self._db.transaction() as session:
            return rows.forget(session, self._clock() - KEPT)
