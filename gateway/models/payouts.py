"""Shapes and queries of money going out by a rail, and the one place where a payout's state changes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, SmallInteger, Text, desc, func, select, text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.domain.money import Money
from gateway.domain.states import OPEN_PAYOUTS, PAYOUT, PayoutState
from gateway.models.arrivals import Arrival
from gateway.models.base import Base

_Time = DateTime(timezone=True)


class Payout(Base):
    """Money on its way to a phone, or back to its payer. While it is open the money is in ``clearing:<rail>``."""

    __tablename__ = "payouts"
    __table_args__ = (
        Index("payouts_by_account", "account_id", desc("id")),
        Index("payouts_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("payouts_by_time", "created_at"),
        Index("payouts_open", "created_at", postgresql_where=text("state IN ('held', 'submitted', 'unknown')")),
        Index("payouts_for_review", "id", postgresql_where=text("needs_review")),
        Index("payouts_by_receipt", "rail", "receipt", postgresql_where=text("receipt IS NOT NULL")),
        Index(
            "payouts_undone_once",
            "rail",
            "undone_receipt",
            unique=True,
            postgresql_where=text("undone_receipt IS NOT NULL AND state <> 'returned'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    reference: Mapped[str] = mapped_column(Text, unique=True)
    account_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("accounts.id"))
    idempotency_key: Mapped[str] = mapped_column(Text, unique=True)
    purpose: Mapped[str] = mapped_column(Text)
    way: Mapped[str] = mapped_column(Text)
    rail: Mapped[str] = mapped_column(Text)
    held_from: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    fee_minor: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    currency: Mapped[str] = mapped_column(Text)
    payee_sealed: Mapped[str | None] = mapped_column(Text)
    payment_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("payments.id"))
    arrival_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey(Arrival.id))
    undone_receipt: Mapped[str | None] = mapped_column(Text)
    ends_payment: Mapped[bool] = mapped_column(server_default=text("false"))
    state: Mapped[str] = mapped_column(Text, server_default=text("'held'"))
    receipt: Mapped[str | None] = mapped_column(Text)
    result_code: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    needs_review: Mapped[bool] = mapped_column(server_default=text("false"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    checks: Mapped[int] = mapped_column(server_default=text("0"))
    due_at: Mapped[datetime | None] = mapped_column(_Time)
    created_at: Mapped[datetime] = mapped_column(_Time, server_default=func.now())
    submitted_at: Mapped[datetime | None] = mapped_column(_Time)
    resolved_at: Mapped[datetime | None] = mapped_column(_Time)

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def fee(self) -> Money:
        return Money(self.fee_minor, self.currency)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_PAYOUTS


class PayoutAttempt(Base):
    """One call to the rail under one id of ours."""

    __tablename__ = "payout_attempts"
    __table_args__ = (
        Unique("payout_id", "number"),
        Index(
            "payout_attempts_one_open", "payout_id", unique=True, postgresql_where=text("state IN ('calling', 'taken')")
        ),
        Index("payout_attempts_provider_id", "provider_id", postgresql_where=text("provider_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    payout_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("payouts.id"))
    number: Mapped[int] = mapped_column(SmallInteger)
    own_id: Mapped[str] = mapped_column(Text, unique=True)
    token: Mapped[str] = mapped_column(Text, unique=True)
    question_token: Mapped[str | None] = mapped_column(Text, unique=True)
    provider_id: Mapped[str | None] = mapped_column(Text)
    calls: Mapped[int] = mapped_column(server_default=text("0"))
    state: Mapped[str] = mapped_column(Text, server_default=text("'calling'"))
    receipt: Mapped[str | None] = mapped_column(Text)
    code: Mapped[str | None] = mapped_column(Text)
    called_at: Mapped[datetime] = mapped_column(_Time, server_default=func.now())
    ended_at: Mapped[datetime | None] = mapped_column(_Time)


class PayoutEvent(Base):
    """Why a payout's state changed, or what was noted about it. Append-only."""

    __tablename__ = "payout_events"
    __table_args__ = (Index("payout_events_by_payout", "payout_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    payout_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("payouts.id"))
    from_state: Mapped[str | None] = mapped_column(Text)
    to_state: Mapped[str] = mapped_column(Text)
    because: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(_Time, server_default=func.now())


def advance(session: Session, payout: Payout, to: PayoutState, because: str, at: datetime) -> None:
    """Change the state of a locked payout and write why; raises ``IllegalMove``."""
    PAYOUT.check(payout.state, to)
    note(session, payout, because, at, to=to)
    payout.state = to
    if to not in OPEN_PAYOUTS:
        payout.resolved_at = at
        payout.due_at = None


def note(session: Session, payout: Payout, because: str, at: datetime, to: PayoutState | None = None) -> None:
    """Write down what happened to a payout, also when its state stays as it is."""
    session.add(
        PayoutEvent(payout_id=payout.id, from_state=payout.state, to_state=to or payout.state, because=because, at=at)
    )


def payout_locked(session: Session, payout_id: int) -> Payout:
    """The payout, locked until the transaction ends: results, questions and people take turns."""
    query = select(Payout).where(Payout.id == payout_id).with_for_update().execution_options(populate_existing=True)
    return session.scalars(query).one()


def payout_by_id(session: Session, payout_id: int) -> Payout | None:
    return session.get(Payout, payout_id)


def payout_by_reference(session: Session, reference: str) -> Payout | None:
    return session.scalars(select(Payout).where(Payout.reference == reference)).one_or_none()


def insert_payout(session: Session, **values: object) -> int | None:
    """A new row's id, or ``None`` when its key, its reference or an earlier refund stands in the way."""
    statement = insert(Payout).values(**values).on_conflict_do_nothing().returning(Payout.id)
    return session.execute(statement).scalar_one_or_none()


def silent_payouts(session: Session, before: datetime, limit: int = 100) -> list[Payout]:
    """Payouts at the rail from before ``before`` about which no question is due any more."""
    query = select(Payout).where(Payout.state.in_(("submitted", "unknown")), Payout.due_at.is_(None))
    query = query.where(Payout.created_at < before).order_by(Payout.created_at)
    return list(session.scalars(query.limit(limit).with_for_update(skip_locked=True)))


def attempt_named(session: Session, payout_id: int, named: str | None) -> str | None:
    """Our id of the attempt that goes by a name of ours or of the rail, else of the last one."""
    query = select(PayoutAttempt.own_id).where(PayoutAttempt.payout_id == payout_id)
    fits = (PayoutAttempt.own_id == named) | (PayoutAttempt.provider_id == named)
    return session.scalars(query.order_by(fits.is_(True).desc(), PayoutAttempt.number.desc())).first()


def overdue_payouts(session: Session, before: datetime, limit: int = 100) -> list[Payout]:
    """Open payouts whose next call or question should have happened before ``before``: its job was lost."""
    query = select(Payout).where(Payout.due_at < before).order_by(Payout.due_at).limit(limit)
    return list(session.scalars(query.with_for_update(skip_locked=True)))
