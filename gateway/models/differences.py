"""Shape and queries of what a rail's statement and our rows do not agree on: one row each, however often it is seen."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, Text, case, func, select, text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.domain.money import Money
from gateway.models.base import Base

_Time = DateTime(timezone=True)
OPEN, SETTLED = "open", "settled"


class Difference(Base):
    """One difference. ``because`` is what a person said who closed it; one that went away by itself has none."""

    __tablename__ = "differences"
    __table_args__ = (
        Unique("rail", "kind", "subject"),
        Index("differences_open", "rail", "id", postgresql_where=text("state = 'open'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    rail: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    ours_minor: Mapped[int | None] = mapped_column(BigInteger)
    theirs_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    payment_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("payments.id"))
    payout_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("payouts.id"))
    named: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default=text("'open'"))
    because: Mapped[str | None] = mapped_column(Text)
    occurred_at: Mapped[datetime] = mapped_column(_Time)
    first_seen_at: Mapped[datetime] = mapped_column(_Time)
    last_seen_at: Mapped[datetime] = mapped_column(_Time)
    settled_at: Mapped[datetime | None] = mapped_column(_Time)

    @property
    def ours(self) -> Money | None:
        return None if self.ours_minor is None else Money(self.ours_minor, self.currency)

    @property
    def theirs(self) -> Money | None:
        return None if self.theirs_minor is None else Money(self.theirs_minor, self.currency)


def see(session: Session, at: datetime, **values: object) -> None:
    """Write a difference down, or that it was seen again. What a person closed stays closed while its figures do."""
    fresh = insert(Difference).values(first_seen_at=at, last_seen_at=at, **values)
    new = fresh.excluded
    same = (
        Difference.because.is_not(None)
        & Difference.ours_minor.is_not_distinct_from(new.ours_minor)
        & Difference.theirs_minor.is_not_distinct_from(new.theirs_minor)
    )
    kept = {name: func.coalesce(getattr(new, name), getattr(Difference, name)) for name in ("payment_id", "payout_id")}
    changed = {name: getattr(new, name) for name in ("ours_minor", "theirs_minor", "action", "named", "last_seen_at")}
    reopened = {
        "state": case((same, Difference.state), else_=OPEN),
        "settled_at": case((same, Difference.settled_at), else_=None),
        "because": case((same, Difference.because), else_=None),
    }
    session.execute(
        fresh.on_conflict_do_update(index_elements=["rail", "kind", "subject"], set_=changed | kept | reopened)
    )


def settle(difference: Difference, at: datetime, because: str | None = None) -> None:
    """It is gone, or a person says why it may stay as it is."""
    difference.state, difference.settled_at, difference.because = SETTLED, at, because


def open_differences(session: Session, rail: str | None = None) -> list[Difference]:
    """Oldest first."""
    query = select(Difference).where(Difference.state == OPEN).order_by(Difference.occurred_at, Difference.id)
    return list(session.scalars(query if rail is None else query.where(Difference.rail == rail)))


def difference_locked(session: Session, difference_id: int) -> Difference | None:
    query = select(Difference).where(Difference.id == difference_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def explained_minor(session: Session, rail: str, currency: str, but: str) -> int:
    """By how much the rail must hold more than our books, by what is open or was closed by a person.

    ``but``: the kind that is not counted.
    """
    gap = func.coalesce(Difference.theirs_minor, 0) - func.coalesce(Difference.ours_minor, 0)
    stands = (Difference.state == OPEN) | Difference.because.is_not(None)
    query = select(func.coalesce(func.sum(gap), 0)).where(Difference.rail == rail, Difference.currency == currency)
    return int(session.execute(query.where(Difference.kind != but, stands)).scalar_one())
