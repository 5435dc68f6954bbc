"""The simulator's own books: pages, charges on them, refunds and transfers, and the balance of each currency."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.domain.money import Money
from integrations.protocols import StatementLine

OPENING_BALANCE = 1_000_000


@dataclass(slots=True)
class Page:
    """One hosted link."""

    id: str
    reference: str
    amount: Money
    return_url: str
    title: str
    customer: dict[str, Any]
    tries_left: int
    made_at: datetime
    ends_at: datetime
    over: bool = False


@dataclass(slots=True)
class Charge:
    """One attempt to pay on a page."""

    id: int
    page: Page
    status: str
    response: str
    at: datetime
    refunded: int = 0

    @property
    def flw_ref(self) -> str:
        return f"FLW-MOCK-{self.id:032x}"


@dataclass(slots=True)
class Refund:
    id: int
    charge: Charge
    amount: Money
    comments: str
    at: datetime


@dataclass(slots=True)
class Transfer:
    id: int
    reference: str
    phone: str
    amount: Money
    fields: dict[str, Any]
    status: str
    at: datetime


@dataclass(slots=True)
class Books:
    """All that the simulated Flutterwave remembers. ``lock`` is held by whoever changes something."""

    pages: dict[str, Page] = field(default_factory=dict)
    charges: dict[int, Charge] = field(default_factory=dict)
    refunds: dict[int, Refund] = field(default_factory=dict)
    transfers: dict[int, Transfer] = field(default_factory=dict)
    opening: int = OPENING_BALANCE
    lock: threading.RLock = field(default_factory=threading.RLock)
    _last: int = field(default_factory=lambda: 8_000_000 + secrets.randbelow(900_000))

    def number(self) -> int:
        """The next id; like Flutterwave's, it says nothing about which kind of thing it names."""
        with self.lock:
            self._last += 1
            return self._last

    def page_of(self, reference: str) -> Page | None:
        return next((page for page in self.pages.values() if page.reference == reference), None)

    def charge_of(self, reference: str) -> Charge | None:
        """The charge that a reference stands for: a paid one if there is one, else the last."""
        tried = [charge for charge in self.charges.values() if charge.page.reference == reference]
        paid = [charge for charge in tried if charge.status == "successful"]
        return next(iter(paid or tried[-1:]), None)

    def transfer_of(self, reference: str) -> Transfer | None:
        return next((each for each in self.transfers.values() if each.reference == reference), None)

    def available(self, currency: str) -> Money:
        """What the merchant could pay out: what was there, what came and what went."""
        moved = sum(line.amount.minor for line in self.statement() if line.done and line.amount.currency == currency)
        on_its_way = sum(each.amount.minor for each in self.transfers.values() if each.status in ("NEW", "PENDING"))
        start = Money.major(self.opening).minor if currency == "KES" else 0
        return Money(start + moved - (on_its_way if currency == "KES" else 0), currency)

    def statement(self) -> list[StatementLine]:
        """All that moved, oldest first."""
        return sorted(self._lines(), key=lambda line: line.occurred_at)

    def _lines(self) -> Iterator[StatementLine]:
        for paid in self.charges.values():
            done = paid.status == "successful"
            yield StatementLine(str(paid.id), paid.page.amount, paid.page.reference, "card", done, paid.at)
        for back in self.refunds.values():
            out = Money(-back.amount.minor, back.amount.currency)
            yield StatementLine(f"R{back.id}", out, back.comments, "refund", True, back.at)
        for sent in self.transfers.values():
            out = Money(-sent.amount.minor, sent.amount.currency)
            yield StatementLine(f"T{sent.id}", out, sent.reference, "transfer", sent.status == "SUCCESSFUL", sent.at)

    def as_json(self) -> dict[str, Any]:
        return {
            "pages": [
                {"id": each.id, "reference": each.reference, "amount": str(each.amount), "over": each.over}
                for each in self.pages.values()
            ],
            "charges": [
                {
                    "id": each.id,
                    "reference": each.page.reference,
                    "amount_minor": each.page.amount.minor,
                    "currency": each.page.amount.currency,
                    "status": each.status,
                    "refunded_minor": each.refunded,
                }
                for each in self.charges.values()
            ],
            "transfers": [
                {"id": each.id, "reference": each.reference, "amount_minor": each.amount.minor, "status": each.status}
                for each in self.transfers.values()
            ],
            "available": {code: self.available(code).minor for code in ("KES", "NGN")},
        }
