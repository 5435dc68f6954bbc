"""Shape and queries of ended USSD sessions: which screens people saw, where they stopped, at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import ARRAY, BigInteger, Connection, DateTime, ForeignKey, Index, Text, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.models.base import Base

_Time = DateTime(timezone=True)


class UssdSession(Base):
    """One ended session, from the provider's notification. Never what was typed."""

    __tablename__ = "ussd_sessions"
    __table_args__ = (
        Index("ussd_sessions_by_end", "ended_at"),
        Index("ussd_sessions_reminded", "account_id", "reminded_at", postgresql_where=text("reminded_at IS NOT NULL")),
    )

    session_id: Mapped[str] = mapped_column(Text, primary_key=True)
    service_code: Mapped[str] = mapped_column(Text)
    network_code: Mapped[str] = mapped_column(Text)
    account_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("accounts.id"))
    status: Mapped[str] = mapped_column(Text)
    screens: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    last_screen: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(Text)
    hops: Mapped[int]
    duration_ms: Mapped[int]
    cost_micros: Mapped[int] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)
    reminded_at: Mapped[datetime | None] = mapped_column(_Time)
    ended_at: Mapped[datetime] = mapped_column(_Time)


def insert_session(session: Session, **values: object) -> bool:
    """Whether this session's end is heard of for the first time."""
    statement = insert(UssdSession).values(**values).on_conflict_do_nothing().returning(UssdSession.session_id)
    return session.execute(statement).scalar_one_or_none() is not None


def was_reminded(session: Session, account_id: int, since: datetime) -> bool:
    """Whether this person got an SMS about an unfinished session after ``since``."""
    query = select(UssdSession.session_id).where(UssdSession.account_id == account_id, UssdSession.reminded_at > since)
    return session.scalars(query.limit(1)).first() is not None


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """One screen on one network. ``ended`` of the ``seen`` sessions ended on it, ``dropped`` of those were cut off.

    Medians are over the sessions that saw it; ``cost`` is in the provider's currency.
    """

    screen: str
    network_code: str
    seen: int
    ended: int
    dropped: int
    median_cost: Decimal
    median_hops: float
    median_seconds: float


def funnel(connection: Connection, since: datetime, until: datetime) -> Sequence[FunnelRow]:
    """Sessions that ended in [since, until), by screen and network; the most seen screens first."""
    return [FunnelRow(*row) for row in connection.execute(_FUNNEL, {"since": since, "until": until})]


_FUNNEL = text("""
    SELECT seen.screen, s.network_code,
           count(*),
           count(*) FILTER (WHERE s.last_screen = seen.screen),
           count(*) FILTER (WHERE s.last_screen = seen.screen AND s.status <> 'Success'),
           (percentile_disc(0.5) WITHIN GROUP (ORDER BY s.cost_micros))::numeric / 1000000,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY s.hops),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY s.duration_ms) / 1000
    FROM ussd_sessions s
    CROSS JOIN LATERAL (SELECT DISTINCT unnest(s.screens) AS screen) seen
    WHERE s.ended_at >= :since AND s.ended_at < :until
    GROUP BY seen.screen, s.network_code
    ORDER BY count(*) DESC, seen.screen, s.network_code
""")
