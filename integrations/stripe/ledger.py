"""The simulator's own books: sessions, refunds, and what was asked for under each idempotency key."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.domain.money import Money
from integrations.protocols import StatementLine
from integrations.simulation import Reply


@dataclass(slots=True)
class Session:
    """One Checkout Session and the payment made on it."""

    id: str
    reference: str
    amount: Money
    title: str
    success_url: str
    cancel_url: str
    url: str
    made_at: datetime
    ends_at: datetime
    status: str = "open"
    payment_status: str = "unpaid"
    payment_intent: str | None = None
    paid_at: datetime | None = None
    refunded: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "checkout.session",
            "amount_subtotal": self.amount.minor,
            "amount_total": self.amount.minor,
            "cancel_url": self.cancel_url,
            "client_reference_id": self.reference,
            "created": int(self.made_at.timestamp()),
            "currency": self.amount.currency.lower(),
            "expires_at": int(self.ends_at.timestamp()),
            "livemode": False,
            "metadata": {"reference": self.reference},
            "mode": "payment",
            "payment_intent": self.payment_intent,
            "payment_status": self.payment_status,
            "status": self.status,
            "success_url": self.success_url,
            "ui_mode": "hosted_page",
            "url": self.url if self.status == "open" else None,
        }


@dataclass(slots=True)
class Refund:
    id: str
    session: Session
    amount: Money
    own_id: str
    at: datetime

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "refund",
            "amount": self.amount.minor,
            "created": int(self.at.timestamp()),
            "currency": self.amount.currency.lower(),
            "metadata": {"reference": self.own_id},
            "payment_intent": self.session.payment_intent,
            "status": "succeeded",
        }


@dataclass(slots=True)
class Books:
    """All that the simulated Stripe remembers. ``lock`` is held by whoever changes something."""

    sessions: dict[str, Session] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    answers: dict[str, tuple[dict[str, str], Reply]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def session_of(self, reference: str) -> Session | None:
        """The newest session of one of our references."""
        return next((one for one in reversed(self.sessions.values()) if one.reference == reference), None)

    def paid_by(self, payment_intent: str) -> Session | None:
        paid = (one for one in self.sessions.values() if one.payment_status == "paid")
        return next((one for one in paid if one.payment_intent == payment_intent), None)

    def statement(self) -> list[StatementLine]:
        """All that moved, oldest first."""
        lines = [
            StatementLine(one.payment_intent or "", one.amount, one.reference, "card", True, one.paid_at or one.made_at)
            for one in self.sessions.values()
            if one.payment_status == "paid"
        ]
        for back in self.refunds.values():
            out = Money(-back.amount.minor, back.amount.currency)
            lines.append(StatementLine(back.id, out, back.own_id, "refund", True, back.at))
        return sorted(lines, key=lambda line: line.occurred_at)

    def as_json(self) -> dict[str, Any]:
        return {
            "sessions": [one.as_json() | {"refunded_minor": one.refunded} for one in self.sessions.values()],
            "refunds": [back.as_json() for back in self.refunds.values()],
            "balance_minor": sum(line.amount.minor for line in self.statement()),
        }


def new_id(start: str) -> str:
    return f"{start}_{secrets.token_hex(12)}"
