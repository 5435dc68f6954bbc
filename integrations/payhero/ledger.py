"""The simulator's own books: what every subscriber holds, and what came into and went out of our wallet there."""

from __future__ import annotations

import secrets
import string
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from gateway.domain.money import Money
from integrations.protocols import StatementLine

OPENING_BALANCE = 10_000
#: What our wallet held before anything happened, so that withdrawals work at once.
OPENING_FLOAT = 1_000_000
_ALPHABET = string.digits + string.ascii_uppercase


@dataclass(frozen=True, slots=True)
class Receipt:
    """One movement that happened, in whole shillings; ``amount`` is negative when a subscriber was paid."""

    receipt: str
    phone: str
    amount: int
    reference: str
    at: datetime


@dataclass(slots=True)
class Books:
    """Balances in whole shillings by E.164 number. Not locked: its owner is.

    ``organisation`` is what came in less what went out since the start.
    """

    opening_balance: int = OPENING_BALANCE
    balances: dict[str, int] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)
    organisation: int = 0

    def balance(self, phone: str) -> int:
        return self.balances.setdefault(phone, self.opening_balance)

    @property
    def wallet(self) -> int:
        """What our wallet holds."""
        return OPENING_FLOAT + self.organisation

    def collect(self, phone: str, amount: int, reference: str, now: datetime, receipt: str = "") -> Receipt | None:
        """Money from a subscriber, or ``None`` when there is too little."""
        return None if self.balance(phone) < amount else self._move(phone, amount, reference, now, receipt)

    def pay_out(self, phone: str, amount: int, reference: str, now: datetime) -> Receipt | None:
        """Money to a subscriber, or ``None`` when our wallet has too little."""
        return None if self.wallet < amount else self._move(phone, -amount, reference, now)

    def _move(self, phone: str, amount: int, reference: str, now: datetime, receipt: str = "") -> Receipt:
        self.balances[phone] = self.balance(phone) - amount
        self.organisation += amount
        moved = Receipt(receipt or new_number(), phone, amount, reference, now)
        self.receipts.append(moved)
        return moved

    def as_json(self) -> dict[str, Any]:
        return {
            "subscribers": dict(self.balances),
            "receipts": [asdict(receipt) | {"at": receipt.at.isoformat()} for receipt in self.receipts],
            "organisation": self.organisation,
        }

    def statement(self) -> list[StatementLine]:
        """All that moved in our wallet, oldest first."""
        return [
            StatementLine(
                receipt=moved.receipt,
                amount=Money.major(moved.amount),
                reference=moved.reference,
                kind="Payment" if moved.amount > 0 else "Withdrawal",
                done=True,
                occurred_at=moved.at,
            )
            for moved in self.receipts
        ]


def new_number() -> str:
    """Ten capitals and digits: receipts and PayHero's own references look alike."""
    return "S" + "".join(secrets.choice(_ALPHABET) for _ in range(9))
