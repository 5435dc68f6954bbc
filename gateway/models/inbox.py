"""Shape and queries of what providers sent: every body once, sealed, before it is acted on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, DateTime, Identity, Index, LargeBinary, Text, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.models.base import Base


class InboxState(StrEnum):
    RECEIVED = "received"
    HANDLED = "handled"
    UNMATCHED = "unmatched"
    UNREADABLE = "unreadable"


_OPEN = (InboxState.RECEIVED, InboxState.UNMATCHED)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which bodies are replayed: of a time, of a source, or one by its id."""

    since: datetime | None = None
    until: datetime | None = None
    source: str | None = None
    id: int | None = None


class InboxItem(Base):
    """One body of one provider."""

    __tablename__ = "inbox"
    __table_args__ = (
        Index("inbox_due", "due_at", postgresql_where=text("state IN ('received', 'unmatched')")),
        Index("inbox_unmatched", "match_index", postgresql_where=text("state = 'unmatched'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    token: Mapped[str | None] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    body_sealed: Mapped[str] = mapped_column(Text)
    match_index: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(Text, server_default=text("'received'"))
    note: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    handled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @property
    def is_open(self) -> bool:
        return self.state in _OPEN


def insert_item(session: Session, **values: object) -> int | None:
    """The new row's id, or ``None`` when the same body came before."""
    statement = insert(InboxItem).values(**values).on_conflict_do_nothing().returning(InboxItem.id)
    return session.execute(statement).scalar_one_or_none()


def item_by_id(session: Session, item_id: int) -> InboxItem | None:
    return session.get(InboxItem, item_id)


def unmatched_ids(session: Session, match_index: bytes) -> list[int]:
    """What came for a provider's id before we knew that id."""
    query = select(InboxItem.id).where(InboxItem.match_index == match_index, InboxItem.state == InboxState.UNMATCHED)
    return list(session.scalars(query))


def item_locked(session: Session, item_id: int) -> InboxItem:
    query = select(InboxItem).where(InboxItem.id == item_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def due_items(session: Session, now: datetime, limit: int = 200) -> list[InboxItem]:
    """What is not settled and should be looked at again, locked."""
    query = select(InboxItem).where(InboxItem.state.in_(_OPEN), InboxItem.due_at <= now)
    return list(session.scalars(query.order_by(InboxItem.due_at).limit(limit).with_for_update(skip_locked=True)))


def items_to_replay(session: Session, wanted: Wanted, after: int, limit: int = 200) -> list[InboxItem]:
    """The next bodies that are wanted, by id, oldest first."""
    query = select(InboxItem).where(InboxItem.id > after)
    if wanted.id is not None:
        query = query.where(InboxItem.id == wanted.id)
    if wanted.source is not None:
        query = query.where(InboxItem.source == wanted.source)
    if wanted.since is not None:
        query = query.where(InboxItem.received_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(InboxItem.received_at < wanted.until)
    return list(session.scalars(query.order_by(InboxItem.id).limit(limit)))
