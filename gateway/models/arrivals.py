"""Shape and queries of money that came without being asked for, and the one place where its state changes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, Text, func, select, text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.domain.money import Money
from gateway.domain.states import ARRIVAL, ArrivalState
from gateway.models.base import Base

_Time = DateTime(timezone=True)


class Arrival(Base):
    """One receipt of money that nobody asked for."""

    __tablename__ = "arrivals"
    __table_args__ = (
        Unique("rail", "receipt"),
        Index("arrivals_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("arrivals_suspended", "created_at", postgresql_where=text("state = 'suspended'")),
        Index("arrivals_by_time", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    rail: Mapped[str] = mapped_column(Text)
    receipt: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    typed_sealed: Mapped[str] = mapped_column(Text)
    payer_sealed: Mapped[str | None] = mapped_column(Text)
    tokened: Mapped[bool] = mapped_column(server_default=text("false"))
    token: Mapped[str] = mapped_column(Text, unique=True)
    state: Mapped[str] = mapped_column(Text, server_default=text("'asking'"))
    account_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("accounts.id"))
    payment_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("payments.id"))
    because: Mapped[str | None] = mapped_column(Text)
    checks: Mapped[int] = mapped_column(server_default=text("0"))
    due_at: Mapped[datetime | None] = mapped_column(_Time)
    occurred_at: Mapped[datetime | None] = mapped_column(_Time)
    created_at: Mapped[datetime] = mapped_column(_Time, server_default=func.now())
    resolved_at: Mapped[datetime | None] = mapped_column(_Time)

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


def advance(arrival: Arrival, to: ArrivalState, because: str, at: datetime, *, money: bool = False) -> None:
    """Change the state of a locked arrival and say why; raises ``IllegalMove``."""
    ARRIVAL.check(arrival.state, to, money=money)
    arrival.state, arrival.because, arrival.due_at = to, because, None
    arrival.resolved_at = None if to is ArrivalState.SUSPENDED else at


def insert_arrival(session: Session, **values: object) -> int | None:
    """A new row's id, or ``None`` when the receipt is there already."""
    statement = insert(Arrival).values(**values).on_conflict_do_nothing().returning(Arrival.id)
    return session.execute(statement).scalar_one_or_none()


def arrival_locked(session: Session, arrival_id: int) -> Arrival:
    query = select(Arrival).where(Arrival.id == arrival_id).with_for_update().execution_options(populate_existing=True)
    return session.scalars(query).one()


def arrival_by_receipt(session: Session, rail: str, receipt: str) -> Arrival | None:
    return session.scalars(select(Arrival).where(Arrival.rail == rail, Arrival.receipt == receipt)).one_or_none()


def arrivals_by_receipt(session: Session, receipt: str) -> list[Arrival]:
    """Those of any rail, locked; two rails that gave the same receipt are two."""
    return list(session.scalars(select(Arrival).where(Arrival.receipt == receipt).with_for_update()))


def arrival_by_token(session: Session, token: str) -> Arrival | None:
    return session.scalars(select(Arrival).where(Arrival.token == token)).one_or_none()


def arrival_by_id(session: Session, arrival_id: int) -> Arrival | None:
    return session.get(Arrival, arrival_id)


def suspended_arrival(session: Session, rail: str, receipt: str) -> Arrival | None:
    """The arrival of a receipt while its money is in suspense, locked."""
    found = arrival_by_receipt(session, rail, receipt)
    locked = arrival_locked(session, found.id) if found else None
    return locked if locked and locked.state == ArrivalState.SUSPENDED else None


def hints_being_asked(session: Session) -> int:
    """How many questions are open about bodies that anybody may have sent."""
    hints = select(func.count()).where(Arrival.due_at.is_not(None), Arrival.tokened.is_(False))
    return session.execute(hints).scalar_one()


def overdue_arrivals(session: Session, before: datetime, limit: int = 100) -> list[Arrival]:
    """Those whose next question should have gone out before ``before``: its job was lost."""
    query = select(Arrival).where(Arrival.due_at < before).order_by(Arrival.due_at).limit(limit)
    return list(session.scalars(query.with_for_update(skip_locked=True)))


def arrivals_for_people(session: Session, limit: int = 200) -> list[Arrival]:
    """What waits for a person, oldest first: in suspense, or nobody could say whether it is true."""
    suspended = Arrival.state == ArrivalState.SUSPENDED
    unanswered = (Arrival.state == ArrivalState.ASKING) & Arrival.due_at.is_(None)
    denied = (Arrival.state == ArrivalState.DISBELIEVED) & Arrival.tokened & Arrival.due_at.is_(None)
    return list(
        session.scalars(select(Arrival).where(suspended | unanswered | denied).order_by(Arrival.id).limit(limit))
    )
