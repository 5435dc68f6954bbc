"""The house's own money: what an operator moved between the bank and a rail is told to the books."""

from __future__ import annotations

import secrets

from gateway.db import Database
from gateway.domain.errors import InvalidAmount
from gateway.domain.money import Money
from gateway.domain.references import new_reference
from gateway.services.ledger import Ledger
from gateway.services.ledger_entries import Entry, Leg, at_rail


class HouseMoney:
    """Books movements that happened outside; it moves nothing itself."""

    def __init__(self, db: Database, ledger: Ledger) -> None:
        self._db = db
        self._ledger = ledger

    def record(self, rail: str, amount: Money, because: str, key: str | None = None) -> str:
        """``amount`` went from the bank to our account at ``rail``, or the other way when it is negative.

        Once per ``key``; returns the reference. Refuses: ``InvalidAmount`` for nothing, ``AccountNotFound`` for a
        rail without books, ``KeyReused``.
        """
        if amount.minor == 0:
            raise InvalidAmount
        at, moved = at_rail("float", rail, amount.currency), Money(abs(amount.minor), amount.currency)
        bank = "bank" if amount.currency == "KES" else f"bank:{amount.currency}"
        leg = Leg(at, bank, moved) if amount.minor > 0 else Leg(bank, at, moved)
        key = key or secrets.token_hex(8)
        asked = f"{leg} {because}"
        entry = Entry("house", key, "float_moved", new_reference(), (leg,), request=asked, opens=(bank,))
        return self._ledger.post_alone(self._db, entry).or_refuse().reference
