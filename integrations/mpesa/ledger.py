"""The simulator's own books: what every subscriber holds, and what moved on the organisation's account."""

from __future__ import annotations

import secrets
import string
import threading
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from gateway.domain.money import Money
from integrations.mpesa.fields import EAT
from integrations.mpesa.options import Options
from integrations.protocols import StatementLine

#: What a wallet may hold, and take in payouts in a day.
FULL_WALLET = 500_000
MOST_A_DAY = 500_000
PAY_BILL, PAYOUT, REVERSAL = "Pay Bill", "Business Payment to Customer via API", "Transaction Reversal"
_ALPHABET = string.digits + string.ascii_uppercase


class Refused(Exception):
    """M-Pesa does not move this money; ``code`` is its result code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Receipt:
    """One movement on the organisation's account in whole shillings, negative when it went out.

    ``reference`` is the account reference of a payment, the own id of a payout, the original's receipt of a reversal.
    ``balance`` is what the account held afterwards.
    """

    receipt: str
    phone: str
    amount: int
    checkout_id: str
    reference: str
    at: str
    kind: str = PAY_BILL
    balance: int = 0

    @property
    def occurred_at(self) -> datetime:
        return datetime.strptime(self.at, "%Y%m%d%H%M%S").replace(tzinfo=EAT).astimezone(UTC)


@dataclass(slots=True)
class Books:
    """Balances in whole shillings by E.164 number. ``organisation`` is the sum of all that moved since the opening."""

    options: Options = field(default_factory=Options)
    balances: dict[str, int] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)
    organisation: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def available(self) -> int:
        """What the organisation's Utility account holds."""
        return self.options.organisation_balance + self.organisation

    def balance(self, phone: str) -> int:
        return self.balances.setdefault(phone, self.options.opening_balance)

    def find(self, receipt: str) -> Receipt | None:
        return next((moved for moved in self.receipts if moved.receipt == receipt), None)

    def pay(self, new: Receipt) -> Receipt:
        """From a subscriber to the organisation, what ``draft`` made; raises ``Refused``."""
        with self._lock:
            if self.balance(new.phone) < new.amount:
                raise Refused("1")
            return self._move(new)

    def pay_out(self, phone: str, amount: int, own_id: str, now: datetime) -> Receipt:
        """From the organisation to a subscriber; raises ``Refused``."""
        with self._lock:
            if self.available < amount:
                raise Refused("1")
            if self._paid_today(phone, now) + amount > MOST_A_DAY:
                raise Refused("4")
            if self.balance(phone) + amount > FULL_WALLET:
                raise Refused("8")
            return self._move(self.draft(phone, -amount, own_id, now, PAYOUT))

    def undo(self, receipt: str, now: datetime) -> Receipt:
        """Give a subscriber's payment back, once; raises ``Refused``."""
        with self._lock:
            paid = self.find(receipt)
            if paid is None or paid.kind != PAY_BILL:
                raise Refused("R000002")
            if any(moved.kind == REVERSAL and moved.reference == receipt for moved in self.receipts):
                raise Refused("R000001")
            if self.available < paid.amount:
                raise Refused("1")
            return self._move(self.draft(paid.phone, -paid.amount, receipt, now, REVERSAL))

    def as_json(self) -> dict[str, Any]:
        return {
            "subscribers": dict(self.balances),
            "receipts": [asdict(receipt) for receipt in self.receipts],
            "organisation": self.organisation,
            "opening": self.options.organisation_balance,
            "available": self.available,
        }

    def statement(self) -> list[StatementLine]:
        """All that moved on the organisation's account, oldest first."""
        return [
            StatementLine(
                receipt=moved.receipt,
                amount=Money.major(moved.amount),
                reference=moved.reference,
                kind=moved.kind,
                done=True,
                occurred_at=moved.occurred_at,
            )
            for moved in self.receipts
        ]

    def draft(
        self, phone: str, amount: int, reference: str, now: datetime, kind: str = PAY_BILL, checkout_id: str = ""
    ) -> Receipt:
        """A movement with a number of its own that has not happened yet."""
        at = now.astimezone(EAT).strftime("%Y%m%d%H%M%S")
        return Receipt(self._new_number(now), phone, amount, checkout_id, reference, at, kind)

    def _move(self, new: Receipt) -> Receipt:
        self.balances[new.phone] = self.balance(new.phone) - new.amount
        self.organisation += new.amount
        moved = replace(new, balance=self.available)
        self.receipts.append(moved)
        return moved

    def _paid_today(self, phone: str, now: datetime) -> int:
        day = now.astimezone(EAT).strftime("%Y%m%d")
        return sum(
            -moved.amount
            for moved in self.receipts
            if moved.kind == PAYOUT and moved.phone == phone and moved.at.startswith(day)
        )

    def _new_number(self, now: datetime) -> str:
        """Ten letters and digits, the first three from the date, as real ones look."""
        start = day_code(now)
        while True:
            number = start + "".join(secrets.choice(_ALPHABET) for _ in range(7))
            if self.find(number) is None:
                return number


def day_code(now: datetime) -> str:
    """The first three characters of a day's receipts: year, month, day."""
    day = now.astimezone(EAT)
    return chr(ord("A") + (day.year - 2006) % 26) + chr(ord("A") + day.month - 1) + _ALPHABET[day.day]
