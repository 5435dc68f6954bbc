"""Whether each rail answers: so that callers are told before they type an amount, and payouts wait.

A rail is down after a few calls in a row that nobody answered, and up again when it answers, whoever asked. While it
is down the worker asks it something cheap every minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import structlog
from sqlalchemy import text

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.errors import RailDown
from integrations.protocols import Outcome, Rail

_log = structlog.get_logger(__name__)

#: One lost answer is an accident, three in a row are an outage.
_SILENCES_UNTIL_DOWN = 3

_SILENT = text("""
    INSERT INTO rails (name, silences, changed_at) VALUES (:name, 1, :now)
    ON CONFLICT (name) DO UPDATE SET silences = rails.silences + 1, changed_at = :now,
        down_since = CASE WHEN rails.silences + 1 >= :most
                          THEN coalesce(rails.down_since, CAST(:now AS timestamptz)) ELSE rails.down_since END
    RETURNING silences
""")
_HEARD = text("""
    UPDATE rails SET silences = 0, down_since = NULL, changed_at = :now WHERE name = :name AND silences > 0
    RETURNING silences
""")
_DOWN = text("SELECT name FROM rails WHERE down_since IS NOT NULL")


#: Codes of an adapter that heard nothing: not connected, not answered, or not called because nobody answers.
_UNHEARD = frozenset({"not_sent", "no_answer", "no_token", "breaker_open"})


def is_answer(outcome: Outcome, code: str) -> bool:
    """Whether the rail itself said something to a call, whatever it said."""
    return outcome is not Outcome.UNKNOWN and code not in _UNHEARD


class Hears(Protocol):
    """Who is told whether a rail answered a call, and knows which do not answer."""

    def note(self, rail: str, *, answered: bool) -> None: ...
    def down(self) -> frozenset[str]: ...


class HearsNothing:
    """Keeps no account of it."""

    def note(self, rail: str, *, answered: bool) -> None:
        pass

    def down(self) -> frozenset[str]:
        return frozenset()


class RailHealth:
    """What is known of the rails, shared by all processes through the database."""

    def __init__(self, db: Database, rails: Mapping[str, Rail], clock: Clock) -> None:
        self._db = db
        self._rails = rails
        self._clock = clock

    def note(self, rail: str, *, answered: bool) -> None:
        """Somebody called a rail: it answered, whatever it said, or it did not."""
        values = {"name": rail, "now": self._clock(), "most": _SILENCES_UNTIL_DOWN}
        with self._db.transaction() as session:
            count = session.execute(_HEARD if answered else _SILENT, values).scalar_one_or_none()
        if not answered and count == _SILENCES_UNTIL_DOWN:
            _log.error("rail.down", rail=rail)

    def down(self) -> frozenset[str]:
        """The rails that do not answer."""
        with self._db.reading() as connection:
            return frozenset(connection.execute(_DOWN).scalars())

    def refuse_if_down(self, rail: str) -> None:
        """Raises ``RailDown``."""
        if rail in self.down():
            raise RailDown

    def probe(self) -> int:
        """Ask the rails that are down whether they are back; returns how many are."""
        back = [name for name in self.down() if name in self._rails and self._rails[name].is_up()]
        for name in back:
            self.note(name, answered=True)
            _log.warning("rail.up", rail=name)
        return len(back)
