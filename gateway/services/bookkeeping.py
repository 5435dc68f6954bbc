"""Looking after the books by the clock: are they right, and is their running sum up to date.

While they are wrong nothing may leave: payouts stop by themselves, and only a person starts them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import structlog
from sqlalchemy import text

from gateway.db import Database
from gateway.domain.errors import TryLater
from gateway.services.alarms import BOOKS_WRONG
from gateway.services.ledger import Ledger
from gateway.services.payment_desk import cursor_of
from gateway.services.stops import PAYOUTS, Stops

_log = structlog.get_logger(__name__)

#: Checking reads the whole books; it may take its time, nobody waits for it.
_PATIENT = text("SET LOCAL statement_timeout = '10min'")


class ShowsCheck(Protocol):
    """Where the figures of the check are shown."""

    def ledger_check(self, check: str, wrong: int) -> None: ...


class SaysAlarms(Protocol):
    """Where it is said that something is wrong, or is right again: detail by subject."""

    def say(self, name: str, found: Mapping[str, str]) -> None: ...


class Bookkeeping:
    """The chores of the books."""

    def __init__(self, db: Database, ledger: Ledger, metrics: ShowsCheck, stops: Stops, alarms: SaysAlarms) -> None:
        self._db = db
        self._ledger = ledger
        self._metrics = metrics
        self._stops = stops
        self._alarms = alarms

    def check(self) -> bool:
        """Whether the books are right; every figure is shown, and a wrong one is an alarm and stops payouts."""
        with self._db.transaction() as session:
            session.execute(_PATIENT)
            figures = self._ledger.check(cursor_of(session))
        for name, wrong in figures.items():
            self._metrics.ledger_check(name, wrong)
        wrong_ones = {name: wrong for name, wrong in figures.items() if wrong}
        if wrong_ones:
            _log.critical("books.wrong", **wrong_ones)
            self._stops.stop(PAYOUTS, "the books are wrong")
        self._alarms.say(BOOKS_WRONG, {name: str(wrong) for name, wrong in wrong_ones.items()})
        return not wrong_ones

    def checkpoint(self) -> None:
        """Sum up the append-only accounts; when writers are too busy for it, the next hour does it."""
        try:
            with self._db.hot() as cursor:
                self._ledger.checkpoint(cursor)
        except TryLater:
            _log.warning("books.checkpoint_skipped")
