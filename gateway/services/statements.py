"""What a person sees of the books: the balance and the last movements, other people's names masked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from gateway.db import Database
from gateway.domain.money import Money
from gateway.domain.names import masked
from gateway.models.parties import names_by_number
from gateway.services.ledger import Ledger, Movement

#: Entries whose second leg is the fee, wherever it goes meanwhile.
_FEE_SECOND = ("send", "withdraw", "withdraw_returned")

_WAITING = text("""
    SELECT c.reference, c.recipient_last4, a.number, a.name FROM claims c JOIN accounts a ON a.id = c.sender_id
    WHERE c.reference = ANY(:references)
""")


@dataclass(frozen=True, slots=True)
class Line:
    """One movement of a wallet, newest first in a list.

    ``what`` is the kind of decision (``send``, ``deposit``, ``claim``, ``claim_return``, ...) or ``fee``;
    ``counterpart`` a masked name, the last digits of a phone, a rail's name, or empty. ``amount`` is negative when it
    left. ``cursor`` asks for the lines after this one.
    """

    what: str
    counterpart: str
    amount: Money
    when: datetime
    reference: str
    cursor: str


class Statements:
    """Reading only."""

    def __init__(self, db: Database, ledger: Ledger) -> None:
        self._db = db
        self._ledger = ledger

    def balance(self, number: str) -> Money:
        """What the account's wallet holds; raises ``AccountNotFound``, ``TryLater``."""
        with self._db.hot() as cursor:
            return self._ledger.balance(cursor, f"wallet:{number}")

    def lines(self, number: str, before: str | None = None, limit: int = 5) -> list[Line]:
        """Up to ``limit`` movements, newest first, after the line whose ``cursor`` is ``before``."""
        with self._db.hot() as cursor:
            moved = self._ledger.movements(cursor, f"wallet:{number}", _read(before), limit)
        with self._db.reading() as connection:
            names = _counterparts(connection, number, moved)
        return [_line(movement, names) for movement in moved]


def _line(movement: Movement, names: Mapping[str, str]) -> Line:
    fee = movement.other == "fees" or (movement.kind in _FEE_SECOND and movement.seq > 1)
    return Line(
        what="fee" if fee else movement.kind,
        counterpart="" if fee else names.get(movement.other, movement.other.partition(":")[2]),
        amount=movement.amount,
        when=movement.created_at,
        reference=movement.reference,
        cursor=f"{movement.transfer_id}.{movement.seq}",
    )


def _read(cursor: str | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    transfer_id, _, seq = cursor.partition(".")
    return int(transfer_id), int(seq)


def _counterparts(connection: Connection, number: str, moved: Iterable[Movement]) -> dict[str, str]:
    """By ledger account: the other person's masked name; for money that waits, whom it waits for or who sent it."""
    others = {movement.other.partition(":")[::2] for movement in moved}
    wallets = [name for kind, name in others if kind == "wallet"]
    claims = [name for kind, name in others if kind == "claim"]
    shown: dict[str, str] = {}
    if wallets:
        names = names_by_number(connection, wallets)
        shown |= {f"wallet:{other}": masked(name) for other, name in names.items()}
    if claims:
        for reference, last4, sender, name in connection.execute(_WAITING, {"references": claims}):
            shown[f"claim:{reference}"] = f"****{last4}" if sender == number else masked(name)
    return shown
