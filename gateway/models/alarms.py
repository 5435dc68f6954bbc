"""Shape and queries of what is wrong at this moment: an alarm is a row that is here."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, Text, delete, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.models.base import Base


class Alarm(Base):
    """One thing that is wrong, since when, and how it stands."""

    __tablename__ = "alarms"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    detail: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True))


def raise_alarm(session: Session, name: str, subject: str, detail: str, at: datetime) -> bool:
    """Whether it is new; one that stands gets the newest detail."""
    fresh = insert(Alarm).values(name=name, subject=subject, detail=detail, since=at)
    kept = fresh.on_conflict_do_update(index_elements=["name", "subject"], set_={"detail": fresh.excluded.detail})
    # A row that was there has the transaction that updated it in xmax.
    return bool(session.execute(kept.returning(literal_column("xmax = 0"))).scalar_one())


def clear_alarms(session: Session, name: str, but: frozenset[str]) -> list[str]:
    """The subjects of one alarm that stood until now and are not among ``but``."""
    gone = delete(Alarm).where(Alarm.name == name, Alarm.subject.not_in(but)).returning(Alarm.subject)
    return list(session.execute(gone).scalars())


def standing_alarms(session: Session) -> list[Alarm]:
    """Longest first."""
    return list(session.scalars(select(Alarm).order_by(Alarm.since, Alarm.name, Alarm.subject)))
