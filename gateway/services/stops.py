"""What an operator or an alarm has stopped: payouts wait, deposits go on."""

from __future__ import annotations

import structlog
from sqlalchemy import text

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.errors import PayoutsPaused

PAYOUTS = "payouts"

_log = structlog.get_logger(__name__)

_STOP = text("INSERT INTO stops (name, because, created_at) VALUES (:name, :because, :now) ON CONFLICT DO NOTHING")
_LIFT = text("DELETE FROM stops WHERE name = :name")
_WHY = text("SELECT because FROM stops WHERE name = :name")


class Stops:
    """The switches. One that is on stays on until somebody lifts it."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def stop(self, name: str, because: str) -> bool:
        """Whether it was running until now; the first reason stays."""
        with self._db.transaction() as session:
            stopped = session.execute(_STOP, {"name": name, "because": because, "now": self._clock()})
            is_new = bool(stopped.rowcount)  # type: ignore[attr-defined]
        if is_new:
            _log.error("stops.stopped", name=name, because=because)
        return is_new

    def lift(self, name: str) -> bool:
        """Whether it was stopped until now."""
        with self._db.transaction() as session:
            was_stopped = bool(session.execute(_LIFT, {"name": name}).rowcount)  # type: ignore[attr-defined]
        if was_stopped:
            _log.warning("stops.lifted", name=name)
        return was_stopped

    def why(self, name: str) -> str | None:
        """Why it is stopped; ``None`` while it runs."""
        with self._db.reading() as connection:
            because: str | None = connection.execute(_WHY, {"name": name}).scalar_one_or_none()
        return because

    def refuse_payouts(self) -> None:
        """Raises ``PayoutsPaused`` while they are stopped."""
        if self.why(PAYOUTS) is not None:
            raise PayoutsPaused
