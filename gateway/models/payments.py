"""Shapes and queries of money coming in by request, and the one place where a payment's state changes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Text,
    desc,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.domain.money import Money
from gateway.domain.states import OPEN_PAYMENTS, PAYMENT, PaymentState
from gateway.models.base import Base

_BigId = BigInteger
_Time = DateTime(timezone=True)


class Payment(Base):
    """One request to a payer, by prompt or by link, committed before the rail is called."""

    __tablename__ = "payments"
    __table_args__ = (
        Index(
            "payments_provider_id", "rail", "provider_id", unique=True, postgresql_where=text("provider_id IS NOT NULL")
        ),
        Index("payments_by_account", "account_id", desc("id")),
        Index(
            "payments_one_open",
            "account_id",
            unique=True,
            postgresql_where=text("way = 'prompt' AND state IN ('requested', 'prompted', 'unknown')"),
        ),
        Index("payments_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("payments_by_time", "created_at"),
        Index("payments_open", "created_at", postgresql_where=text("state IN ('requested', 'prompted', 'unknown')")),
        Index("payments_waiting", "created_at", postgresql_where=text("waiting_minor > 0")),
        Index("payments_for_review", "id", postgresql_where=text("needs_review")),
    )

    id: Mapped[int] = mapped_column(_BigId, Identity(always=True), primary_key=True)
    reference: Mapped[str] = mapped_column(Text, unique=True)
    account_id: Mapped[int] = mapped_column(_BigId, ForeignKey("accounts.id"))
    idempotency_key: Mapped[str] = mapped_column(Text, unique=True)
    purpose: Mapped[str] = mapped_column(Text, server_default=text("'deposit'"))
    package: Mapped[str | None] = mapped_column(Text)
    way: Mapped[str] = mapped_column(Text, server_default=text("'prompt'"))
    link: Mapped[str | None] = mapped_column(Text)
    rail: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    payer_index: Mapped[bytes] = mapped_column(LargeBinary)
    payer_sealed: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default=text("'requested'"))
    token: Mapped[str] = mapped_column(Text, unique=True)
    provider_id: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(Text)
    receipt: Mapped[str | None] = mapped_column(Text)
    result_code: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    received_minor: Mapped[int | None] = mapped_column(BigInteger)
    waiting_minor: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    needs_review: Mapped[bool] = mapped_column(server_default=text("false"))
    pushes: Mapped[int] = mapped_column(server_default=text("0"))
    checks: Mapped[int] = mapped_column(server_default=text("0"))
    due_at: Mapped[datetime | None] = mapped_column(_Time)
    created_at: Mapped[datetime] = mapped_column(_Time, server_default=func.now())
    prompted_at: Mapped[datetime | None] = mapped_column(_Time)
    resolved_at: Mapped[datetime | None] = mapped_column(_Time)

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def told_as(self) -> str:
        """What SMS about it begin with in the catalogue."""
        return "card" if self.purpose == "deposit" and self.way == "link" else self.purpose

    @property
    def waiting(self) -> Money:
        """What came short and waits in suspense for the payer's choice."""
        return Money(self.waiting_minor, self.currency)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_PAYMENTS


class PaymentEvent(Base):
    """Why a payment's state changed, or what was noted about it. Append-only."""

    __tablename__ = "payment_events"
    __table_args__ = (Index("payment_events_by_payment", "payment_id", "id"),)

    id: Mapped[int] = mapped_column(_BigId, Identity(always=True), primary_key=True)
    payment_id: Mapped[int] = mapped_column(_BigId, ForeignKey("payments.id"))
    from_state: Mapped[str | None] = mapped_column(Text)
    to_state: Mapped[str] = mapped_column(Text)
    because: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(_Time, server_default=func.now())


class Receipt(Base):
    """A rail's receipt, unique across its channels: the same money credits once."""

    __tablename__ = "receipts"
    __table_args__ = (Index("receipts_by_time", "created_at"),)

    rail: Mapped[str] = mapped_column(Text, primary_key=True)
    receipt: Mapped[str] = mapped_column(Text, primary_key=True)
    payment_id: Mapped[int | None] = mapped_column(_BigId, ForeignKey("payments.id"))
    created_at: Mapped[datetime] = mapped_column(_Time, server_default=func.now())
    payout_id: Mapped[int | None] = mapped_column(_BigId, ForeignKey("payouts.id"))


def advance(
    session: Session, payment: Payment, to: PaymentState, because: str, at: datetime, *, money: bool = False
) -> None:
    """Change the state of a locked payment and write why; raises ``IllegalMove``.

    ``money`` says that this is evidence of money, which also wins over ``failed`` and ``expired``.
    """
    PAYMENT.check(payment.state, to, money=money)
    note(session, payment, because, at, to=to)
    payment.state = to
    if to not in OPEN_PAYMENTS:
        payment.resolved_at = at
        payment.due_at = None


def note(session: Session, payment: Payment, because: str, at: datetime, to: PaymentState | None = None) -> None:
    """Write down what happened to a payment, also when its state stays as it is."""
    session.add(
        PaymentEvent(
            payment_id=payment.id, from_state=payment.state, to_state=to or payment.state, because=because, at=at
        )
    )


def payment_locked(session: Session, payment_id: int) -> Payment:
    """The payment, locked until the transaction ends: callbacks, questions and people take turns."""
    query = select(Payment).where(Payment.id == payment_id).with_for_update().execution_options(populate_existing=True)
    return session.scalars(query).one()


def payment_by_id(session: Session, payment_id: int) -> Payment | None:
    return session.get(Payment, payment_id)


def payment_by_token(session: Session, token: str) -> Payment | None:
    return session.scalars(select(Payment).where(Payment.token == token)).one_or_none()


def payment_by_provider_id(session: Session, rail: str, provider_id: str) -> Payment | None:
    query = select(Payment).where(Payment.rail == rail, Payment.provider_id == provider_id)
    return session.scalars(query).one_or_none()


def payment_by_reference(session: Session, reference: str) -> Payment | None:
    return session.scalars(select(Payment).where(Payment.reference == reference)).one_or_none()


def payment_by_key(session: Session, key: str) -> Payment | None:
    return session.scalars(select(Payment).where(Payment.idempotency_key == key)).one_or_none()


def open_prompt(session: Session, account_id: int) -> Payment | None:
    """The prompt of an account that is not resolved, if there is one: there is never a second."""
    prompts = select(Payment).where(Payment.account_id == account_id, Payment.way == "prompt")
    return session.scalars(prompts.where(Payment.state.in_(OPEN_PAYMENTS))).one_or_none()


def open_links(session: Session, account_id: int) -> int:
    """How many payment pages of an account are open."""
    links = select(func.count()).where(Payment.account_id == account_id, Payment.way == "link")
    return session.execute(links.where(Payment.state.in_(OPEN_PAYMENTS))).scalar_one()


def insert_payment(session: Session, **values: object) -> int | None:
    """A new row's id, or ``None`` when its key, its reference or another open payment stands in the way.

    A request that races with this one waits here until the other has committed or rolled back.
    """
    statement = insert(Payment).values(**values).on_conflict_do_nothing().returning(Payment.id)
    return session.execute(statement).scalar_one_or_none()


def claim_receipt(session: Session, rail: str, receipt: str, payment_id: int | None, at: datetime) -> bool:
    """Whether this receipt is seen for the first time on its rail; from now on it is taken, by a payment or by none."""
    statement = (
        insert(Receipt)
        .values(rail=rail, receipt=receipt, payment_id=payment_id, created_at=at)
        .on_conflict_do_nothing()
        .returning(Receipt.receipt)
    )
    return session.execute(statement).scalar_one_or_none() is not None


def silent_payments(session: Session, before: datetime, limit: int = 100) -> list[Payment]:
    """Open payments from before ``before`` about which no question is due any more, but one could be asked."""
    query = select(Payment).where(Payment.state.in_(("prompted", "unknown")), Payment.due_at.is_(None))
    query = query.where(Payment.created_at < before, Payment.provider_id.is_not(None)).order_by(Payment.created_at)
    return list(session.scalars(query.limit(limit).with_for_update(skip_locked=True)))


def overdue_payments(session: Session, before: datetime, limit: int = 100) -> list[Payment]:
    """Open payments whose next push or question should have happened before ``before``: its job was lost."""
    query = select(Payment).where(Payment.due_at < before).order_by(Payment.due_at).limit(limit)
    return list(session.scalars(query.with_for_update(skip_locked=True)))


def owner_of_receipt(session: Session, rail: str, receipt: str) -> int | None:
    """The id of the payment that has this receipt."""
    return session.scalars(select(Receipt.payment_id).where(Receipt.rail == rail, Receipt.receipt == receipt)).first()


def give_receipt(session: Session, rail: str, receipt: str, payment_id: int) -> None:
    """A receipt that came before anybody knew for which payment is that payment's from now on."""
    mine = (Receipt.rail == rail) & (Receipt.receipt == receipt) & Receipt.payment_id.is_(None)
    session.execute(update(Receipt).where(mine).values(payment_id=payment_id))
