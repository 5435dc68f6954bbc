"""What people see of payouts: the first line of home, an operator's list, and all that is known of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select

from gateway.domain.money import Money
from gateway.domain.states import PayoutState
from gateway.models.payout_attempts import attempts_of, events_of
from gateway.models.payouts import Payout, payout_by_reference
from gateway.services.payout_desk import PayoutDesk

#: How long the first line of home still tells about a payout that has become certain.
_RECENT = timedelta(minutes=15)


class Standing(StrEnum):
    """What the first line of home says."""

    CHECKING = "checking"
    PAID = "paid"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Glance:
    """The last payout of an account worth telling."""

    reference: str
    amount: Money
    standing: Standing
    at: datetime


@dataclass(frozen=True, slots=True)
class Summary:
    """A payout as people may see it: ``to`` is masked, empty for what is undone at the rail."""

    reference: str
    purpose: str
    rail: str
    state: str
    amount: Money
    fee: Money
    to: str
    receipt: str
    reason: str
    needs_review: bool
    created_at: datetime
    resolved_at: datetime | None
    account_id: int | None


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt."""

    own_id: str
    provider_id: str
    state: str
    code: str
    receipt: str
    calls: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Happened:
    """One line of a payout's history."""

    at: datetime
    state: str
    because: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """All that is known of a payout."""

    summary: Summary
    calls: tuple[Call, ...]
    history: tuple[Happened, ...]


class PayoutViews:
    """Reading only."""

    def __init__(self, desk: PayoutDesk) -> None:
        self._desk = desk

    def by_reference(self, reference: str) -> Summary | None:
        with self._desk.db.transaction() as session:
            payout = payout_by_reference(session, reference)
            return self._summary(payout) if payout else None

    def dossier(self, reference: str) -> Dossier | None:
        with self._desk.db.transaction() as session:
            payout = payout_by_reference(session, reference)
            if payout is None:
                return None
            calls = (
                Call(a.own_id, a.provider_id or "", a.state, a.code or "", a.receipt or "", a.calls, a.called_at)
                for a in attempts_of(session, payout.id)
            )
            history = (Happened(event.at, event.to_state, event.because) for event in events_of(session, payout.id))
            return Dossier(self._summary(payout), tuple(calls), tuple(history))

    def to_review(self, limit: int = 200) -> list[Summary]:
        """What a person must look at, oldest first."""
        query = select(Payout).where(Payout.needs_review).order_by(Payout.id).limit(limit)
        with self._desk.db.transaction() as session:
            return [self._summary(payout) for payout in session.scalars(query)]

    def latest(self, number: str) -> Glance | None:
        """The last withdrawal that is not certain, or became so a quarter of an hour ago."""
        values = {"number": number, "since": self._desk.clock() - _RECENT}
        with self._desk.db.hot() as cursor:
            cursor.execute(_LATEST, values)
            row = cursor.fetchone()
        if row is None:
            return None
        reference, minor, currency, state, at = row
        return Glance(reference, Money(minor, currency), _STANDING.get(state, Standing.CHECKING), at)

    def _summary(self, payout: Payout) -> Summary:
        return Summary(
            reference=payout.reference,
            purpose=payout.purpose,
            rail=payout.rail,
            state=payout.state,
            amount=payout.amount,
            fee=payout.fee,
            to=self._desk.shown(payout),
            receipt=payout.receipt or "",
            reason=payout.reason or "",
            needs_review=payout.needs_review,
            created_at=payout.created_at,
            resolved_at=payout.resolved_at,
            account_id=payout.account_id,
        )


_STANDING = {str(PayoutState.PAID): Standing.PAID, str(PayoutState.RETURNED): Standing.RETURNED}

_LATEST = """
    SELECT p.reference, p.amount_minor, p.currency, p.state, coalesce(p.resolved_at, p.created_at) AS at
    FROM payouts p JOIN accounts a ON a.id = p.account_id
    WHERE a.number = %(number)s AND p.purpose = 'withdraw'
      AND (p.state IN ('held', 'submitted', 'unknown') OR p.resolved_at > %(since)s)
    ORDER BY p.id DESC LIMIT 1
"""
