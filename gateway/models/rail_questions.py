"""Shape and queries of questions to a rail by command or by the clock, and of what it answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, Index, Text, func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.models.base import Base

_Time = DateTime(timezone=True)
BALANCE, RECEIPT = "balance", "receipt"


class RailQuestion(Base):
    """One question. ``answer`` names no person: it may be shown to anybody who may run commands."""

    __tablename__ = "rail_questions"
    __table_args__ = (
        Index(
            "rail_questions_balances",
            "rail",
            "answered_at",
            postgresql_where=text("kind = 'balance' AND answered_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    rail: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    subject: Mapped[str | None] = mapped_column(Text)
    token: Mapped[str] = mapped_column(Text, unique=True)
    outcome: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    asked_at: Mapped[datetime] = mapped_column(_Time, server_default=func.now())
    answered_at: Mapped[datetime | None] = mapped_column(_Time)


def question_by_id(session: Session, question_id: int) -> RailQuestion | None:
    return session.get(RailQuestion, question_id)


def question_by_token(session: Session, token: str) -> RailQuestion | None:
    """The question, locked: its answer may come twice at once."""
    query = select(RailQuestion).where(RailQuestion.token == token).with_for_update()
    return session.scalars(query).one_or_none()


def last_balance(session: Session, rail: str) -> RailQuestion | None:
    """The newest answered question for a balance."""
    asked = select(RailQuestion).where(RailQuestion.rail == rail, RailQuestion.kind == BALANCE)
    answered = asked.where(RailQuestion.answered_at.is_not(None))
    return session.scalars(answered.order_by(RailQuestion.answered_at.desc()).limit(1)).first()
