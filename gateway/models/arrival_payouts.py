"""What arrivals and payouts know of each other: money of ours that seems to arrive, and returns that failed."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.domain.states import ArrivalState, PayoutState
from gateway.models.arrivals import Arrival
from gateway.models.payouts import Payout, PayoutAttempt


def was_sent_by_us(session: Session, rail: str, receipt: str, own_id: str | None) -> bool:
    """Whether a receipt is of money that we paid out: its payee knows it, and the rail finds it when it is asked."""
    paid = select(Payout.id).where(Payout.rail == rail, Payout.receipt == receipt)
    called = select(PayoutAttempt.id).where(PayoutAttempt.own_id == own_id)
    return session.scalars(paid).first() is not None or session.scalars(called).first() is not None


def failed_returns(session: Session, limit: int = 100) -> list[Arrival]:
    """Arrivals that were to go back, and whose money is in suspense again; locked."""
    ways = select(Payout.id).where(Payout.arrival_id == Arrival.id)
    failed = ways.where(Payout.state == PayoutState.RETURNED).exists()
    going = ways.where(Payout.state != PayoutState.RETURNED).exists()
    query = select(Arrival).where(Arrival.state == ArrivalState.RETURNED, failed, ~going)
    return list(session.scalars(query.limit(limit).with_for_update(skip_locked=True)))
