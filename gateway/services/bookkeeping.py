"""Looking after the books by the clock: are they right, and is their running sum up to date."""

from __future__ import annotations

from typing import Protocol

import structlog
from sqlalchemy import text

from gateway.db import Database
from gateway.domain.errors import TryLater
from gateway.services.ledger import Ledger
from gateway.services.payment_desk import cursor_of

_log = structlog.get_logger(__name__)

#: Checking reads the whole books; it may take its time, nobody waits for it.
_PATIENT = text("SET LOCAL statement_timeout = '10min'")


class ShowsCheck(Protocol):
    """Where the figures of the check are shown."""

    def ledger_check(self, check: str, wrong: int) -> None: ...


class Bookkeeping:
    """The chores of the books."""

    def __init__(self, db: Database, ledger: Ledger, metrics: ShowsCheck) -> None:
        self._db = db
        self._ledger = ledger
        self._metrics = metrics

    def check(self) -> bool:
        """Whether the books are right; every figure is shown, and a wrong one is an alarm."""
        with self._db.transaction() as session:
            session.execute(_PATIENT)
            figures = self._ledger.check(cursor_of(session))
        for name, wrong in figures.items():
            self._metrics.ledger_check(name, wrong)
        wrong_ones = {name: wrong for name, wrong in figures.items() if wrong}
        if wrong_ones:
            _log.critical("books.wrong", **wrong_ones)
        return not wrong_ones

    def checkpoint(self) -> None:
        """Sum up the append-only accounts; when writers are too busy for it, the next hour does it."""
        try:
            with self._db.hot() as cursor:
                self._ledger.checkpoint(cursor)
        except TryLater:
            _log.warning("books.checkpoint_skipped")
