"""Asking the rail whether money that was told of came at all: soon, then with growing gaps; then a person looks.

The answer comes to an address with the arrival's own token, so that it is the rail's. No answer decides nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

import structlog
from sqlalchemy.orm import Session

from gateway.domain.states import ArrivalState
from gateway.models.arrival_payouts import was_sent_by_us
from gateway.models.arrivals import Arrival, advance, arrival_by_id, arrival_locked, overdue_arrivals
from gateway.services.arrival_settling import Settling
from gateway.services.payment_desk import Desk
from integrations.protocols import LookupResult, PaymentVerdict

_log = structlog.get_logger(__name__)

#: Seconds between the first question and the next ones.
GAPS_SECONDS = (30, 120, 600, 3600)
_LOST_AFTER = timedelta(minutes=5)
_OPEN = (ArrivalState.ASKING, ArrivalState.DISBELIEVED)


class ArrivalJobs(Protocol):
    """The job of these questions; see ``gateway.services.later.Jobs``."""

    def defer_arrival(self, session: Session, arrival_id: int, check: int, after_seconds: int) -> None:
        """Ask the rail about an arrival; ``check`` is the number of the question, so that it is asked once."""


class Questions:
    """Carries out the job ``ask_arrival``, and knows what an answer does."""

    def __init__(self, desk: Desk, jobs: ArrivalJobs, settling: Settling) -> None:
        self._desk = desk
        self._jobs = jobs
        self._settling = settling

    def begin(self, session: Session, arrival: Arrival) -> str:
        """Have the rail asked from now on, also when an earlier message had it asked already: asking is harmless."""
        arrival.checks = 1
        self._next(session, arrival, 0)
        return "asking the rail"

    def ask(self, arrival_id: int, check: int) -> None:
        """Ask once; a job that comes again, or for what is decided, does nothing."""
        with self._desk.db.transaction() as session:
            arrival = arrival_by_id(session, arrival_id)
        if arrival is None or not _is_due(arrival, check):
            return
        rail = self._desk.rails.get(arrival.rail)
        if rail is None or rail.looks_up is None:
            self._end(arrival_id, check, "its rail cannot be asked: a person looks")
            return
        base = f"{self._desk.settings.public_url}/hooks/{arrival.token}"
        rail.looks_up.look_up(receipt=arrival.receipt, addresses=lambda channel: f"{base}/{channel}")
        with self._desk.db.transaction() as session:
            arrival = arrival_locked(session, arrival_id)
            if _is_due(arrival, check):
                self._plan(session, arrival)

    def resume_lost(self) -> int:
        now = self._desk.clock()
        with self._desk.db.transaction() as session:
            lost = overdue_arrivals(session, now - _LOST_AFTER)
            for arrival in lost:
                self._next(session, arrival, 0)
        return len(lost)

    def answered(self, session: Session, arrival: Arrival, result: LookupResult) -> str:
        """The rail's word on a locked arrival's receipt. What is decided stays; money shown later wins."""
        if arrival.state not in _OPEN:
            return "repeated"
        if result.verdict is PaymentVerdict.FAILED:
            return self._disbelieve(arrival, "the rail has no such money")
        if result.verdict is not PaymentVerdict.PAID or result.receipt != arrival.receipt or result.amount is None:
            return "no answer"
        if was_sent_by_us(session, arrival.rail, arrival.receipt, result.own_id):
            return self._disbelieve(arrival, "we paid that out ourselves")
        if result.amount != arrival.amount:
            # The money is there, and the message about it was wrong: it may have been wrong about everything.
            arrival.amount_minor, arrival.currency = result.amount.minor, result.amount.currency
            arrival.tokened = False
        return self._settling.believe(session, arrival)

    def _disbelieve(self, arrival: Arrival, because: str) -> str:
        if arrival.state == ArrivalState.ASKING:
            advance(arrival, ArrivalState.DISBELIEVED, because, self._desk.clock())
        arrival.due_at, arrival.because = None, because
        log = _log.error if arrival.tokened else _log.warning
        log("arrival.disbelieved", arrival=arrival.id, rail=arrival.rail, why=because)
        return arrival.state

    def _plan(self, session: Session, arrival: Arrival) -> None:
        asked = arrival.checks
        arrival.checks += 1
        if asked > len(GAPS_SECONDS):
            self._stop(arrival, "the rail did not answer: a person looks")
        else:
            self._next(session, arrival, GAPS_SECONDS[asked - 1])

    def _next(self, session: Session, arrival: Arrival, seconds: int) -> None:
        arrival.due_at = self._desk.clock() + timedelta(seconds=seconds)
        self._jobs.defer_arrival(session, arrival.id, arrival.checks, seconds)

    def _end(self, arrival_id: int, check: int, because: str) -> None:
        with self._desk.db.transaction() as session:
            arrival = arrival_locked(session, arrival_id)
            if _is_due(arrival, check):
                self._stop(arrival, because)

    def _stop(self, arrival: Arrival, because: str) -> None:
        arrival.due_at, arrival.because = None, because
        _log.error("arrival.needs_review", arrival=arrival.id, rail=arrival.rail, why=because)


def _is_due(arrival: Arrival, check: int) -> bool:
    return arrival.state in _OPEN and arrival.due_at is not None and arrival.checks == check
