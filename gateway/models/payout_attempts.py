"""Queries of the attempts of payouts: by any of their ids, and the receipts they brought."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from gateway.models.payments import Receipt
from gateway.models.payouts import Payout, PayoutAttempt, PayoutEvent


class AttemptState(StrEnum):
    CALLING = "calling"  # nobody knows whether the rail took it
    TAKEN = "taken"
    FAILED = "failed"
    PAID = "paid"


#: Of these a payout has one at most.
OPEN_ATTEMPTS = frozenset({AttemptState.CALLING, AttemptState.TAKEN})


def attempts_of(session: Session, payout_id: int) -> Sequence[PayoutAttempt]:
    """All of them, the first one first."""
    query = select(PayoutAttempt).where(PayoutAttempt.payout_id == payout_id).order_by(PayoutAttempt.number)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def last_attempt(session: Session, payout_id: int) -> PayoutAttempt | None:
    made = attempts_of(session, payout_id)
    return made[-1] if made else None


def open_attempt(session: Session, payout_id: int) -> PayoutAttempt | None:
    """The one that is under way, or was called and proved not to have started anything."""
    return next((made for made in attempts_of(session, payout_id) if made.state in OPEN_ATTEMPTS), None)


def attempt_by_ids(session: Session, rail: str, *ids: str | None) -> PayoutAttempt | None:
    """The attempt of a rail that has any of these as our id or as the rail's."""
    told = [one for one in ids if one]
    if not told:
        return None
    query = select(PayoutAttempt).join(Payout, Payout.id == PayoutAttempt.payout_id).where(Payout.rail == rail)
    either = or_(PayoutAttempt.own_id.in_(told), PayoutAttempt.provider_id.in_(told))
    return session.scalars(query.where(either).order_by(PayoutAttempt.id)).first()


def attempt_by_token(session: Session, rail: str, token: str) -> PayoutAttempt | None:
    """The attempt at whose address, for results or for answers, something came."""
    query = select(PayoutAttempt).join(Payout, Payout.id == PayoutAttempt.payout_id).where(Payout.rail == rail)
    either = or_(PayoutAttempt.token == token, PayoutAttempt.question_token == token)
    return session.scalars(query.where(either)).one_or_none()


def events_of(session: Session, payout_id: int) -> Sequence[PayoutEvent]:
    query = select(PayoutEvent).where(PayoutEvent.payout_id == payout_id).order_by(PayoutEvent.id)
    return session.scalars(query).all()


def claim_payout_receipt(session: Session, rail: str, receipt: str, payout_id: int, at: datetime) -> bool:
    """Whether this receipt is seen for the first time on its rail, in or out; from now on it is taken."""
    statement = (
        insert(Receipt)
        .values(rail=rail, receipt=receipt, payout_id=payout_id, created_at=at)
        .on_conflict_do_nothing()
        .returning(Receipt.receipt)
    )
    return session.execute(statement).scalar_one_or_none() is not None


def payout_of_receipt(session: Session, rail: str, receipt: str) -> int | None:
    """The id of the payout that has this receipt."""
    return session.scalars(select(Receipt.payout_id).where(Receipt.rail == rail, Receipt.receipt == receipt)).first()
