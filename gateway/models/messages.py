"""Words to people: the row of an SMS on its way, and whom it goes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, Integer, SmallInteger, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.models.base import Base


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom an SMS goes to; ``account_id`` is ``None`` for a number without an account."""

    account_id: int | None
    phone_sealed: str = field(repr=False)
    phone_last4: str


class Message(Base):
    """One SMS. A body that carries a code is only in ``body_sealed``, and only until it is of no more use."""

    __tablename__ = "messages"
    __table_args__ = (
        Index("messages_due", "next_attempt_at", postgresql_where=text("state IN ('queued', 'sending')")),
        Index("messages_by_reference", "reference", postgresql_where=text("reference IS NOT NULL")),
        Index("messages_to_wipe", "expires_at", postgresql_where=text("body_sealed IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("accounts.id"))
    phone_sealed: Mapped[str] = mapped_column(Text)
    phone_last4: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    reference: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str | None] = mapped_column(Text)
    body_sealed: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default=text("'queued'"))
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    silences: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    provider_id: Mapped[str | None] = mapped_column(Text, unique=True)
    failure: Mapped[str | None] = mapped_column(Text)
    cost_micros: Mapped[int | None] = mapped_column(BigInteger)
    cost_currency: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    delivered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
