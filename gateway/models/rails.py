"""Shapes of what is known of the rails themselves: whether they answer, and what was stopped."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.models.base import Base

_Time = DateTime(timezone=True)


class RailState(Base):
    """Whether a rail answers."""

    __tablename__ = "rails"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    silences: Mapped[int] = mapped_column(server_default=text("0"))
    down_since: Mapped[datetime | None] = mapped_column(_Time)
    changed_at: Mapped[datetime] = mapped_column(_Time, server_default=func.now())


class Stop(Base):
    """Something an operator or an alarm has stopped."""

    __tablename__ = "stops"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    because: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_Time, server_default=func.now())
