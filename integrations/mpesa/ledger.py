"""The simulator's own books: what every subscriber holds, and what the organisation was paid."""

from __future__ import annotations

import secrets
import string
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.domain.money import Money
from integrations.mpesa.fields import EAT
from integrations.protocols import StatementLine

OPENING_BALANCE = 10_000
_ALPHABET = string.digits + string.ascii_uppercase


@dataclass(frozen=True, slots=True)
class Receipt:
    """One payment that happened, in whole shillings."""

    receipt: str
    phone: str
    amount: int
    checkout_id: str
    reference: str
    at: str


@dataclass(slots=True)
class Books:
    """Balances in whole shillings by E.164 number. Not locked: its owner is."""

    opening_balance: int = OPENING_BALANCE
    balances: dict[str, int] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)
    organisation: int = 0

    def balance(self, phone: str) -> int:
        return self.balances.setdefault(phone, self.opening_balance)

    def pay(self, phone: str, amount: int, checkout_id: str, reference: str, now: datetime) -> Receipt | None:
        """Move shillings to the organisation, or ``None`` when the subscriber has too few."""
        if self.balance(phone) < amount:
            return None
        self.balances[phone] -= amount
        self.organisation += amount
        at = now.astimezone(EAT).strftime("%Y%m%d%H%M%S")
        paid = Receipt(self._new_number(now), phone, amount, checkout_id, reference, at)
        self.receipts.append(paid)
        return paid

    def as_json(self) -> dict[str, Any]:
        return {
            "subscribers": dict(self.balances),
            "receipts": [asdict(receipt) for receipt in self.receipts],
            "organisation": self.organisation,
        }

    def statement(self) -> list[StatementLine]:
        """All that moved on the organisation's account, oldest first."""
        return [
            StatementLine(
                receipt=paid.receipt,
                amount=Money.major(paid.amount),
                reference=paid.reference,
                kind="Pay Bill",
                done=True,
                occurred_at=datetime.strptime(paid.at, "%Y%m%d%H%M%S").replace(tzinfo=EAT).astimezone(UTC),
            )
            for paid in self.receipts
        ]

    def _new_number(self, now: datetime) -> str:
        """Ten letters and digits, the first three from the date, as real ones look."""
        day = now.astimezone(EAT)
        start = chr(ord("A") + (day.year - 2006) % 26) + chr(ord("A") + day.month - 1) + _ALPHABET[day.day]
        while True:
            number = start + "".join(secrets.choice(_ALPHABET) for _ in range(7))
            if all(receipt.receipt != number for receipt in self.receipts[-1000:]):
                return number
