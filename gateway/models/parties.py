"""Who is at the two ends of a transfer: read in plain statements, because it happens on every one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, text

from gateway.domain.names import masked
from gateway.models.base import Cursor

_BY_INDEX = "SELECT number, name, language FROM accounts WHERE phone_index = %(index)s"
_NAMES = text("SELECT number, name FROM accounts WHERE number = ANY(:numbers)")


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a transfer: an account's number, its owner's name and the language to speak."""

    number: str
    name: str
    language: str

    @property
    def wallet(self) -> str:
        """The code of the party's account in the books."""
        return f"wallet:{self.number}"

    @property
    def shown(self) -> str:
        """What the other end sees."""
        return masked(self.name)


def party_by_index(cursor: Cursor, index: bytes) -> Party | None:
    """Who has the phone behind this blind index."""
    cursor.execute(_BY_INDEX, {"index": index})
    row = cursor.fetchone()
    return Party(*row) if row is not None else None


def names_by_number(connection: Connection, numbers: Collection[str]) -> dict[str, str]:
    """Full names by account number; unknown numbers are missing."""
    rows = connection.execute(_NAMES, {"numbers": list(numbers)})
    return {number: name for number, name in rows}
