"""Money that waits for people who are not here yet: the row of a claim, and how it is found and settled."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, LargeBinary, Text, func, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.models.base import Base

_WAITING = text("state = 'waiting'")


class Claim(Base):
    """One transfer to a number without an account. Its money is in the ledger account ``claim:<reference>``."""

    __tablename__ = "claims"
    __table_args__ = (
        Index("claims_waiting_by_recipient", "recipient_index", postgresql_where=_WAITING),
        Index("claims_waiting_by_expiry", "expires_at", postgresql_where=_WAITING),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    reference: Mapped[str] = mapped_column(Text, unique=True)
    sender_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("accounts.id"))
    recipient_index: Mapped[bytes] = mapped_column(LargeBinary)
    recipient_sealed: Mapped[str] = mapped_column(Text)
    recipient_last4: Mapped[str] = mapped_column(Text)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    fee_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default=text("'waiting'"))
    claimed_by: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("accounts.id"))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent what waits."""

    number: str
    name: str
    language: str


@dataclass(frozen=True, slots=True)
class Stranger:
    """A phone without an account, as rows keep it."""

    index: bytes = field(repr=False)
    sealed: str = field(repr=False)
    last4: str


_INSERT = text("""
    INSERT INTO claims (reference, sender_id, recipient_index, recipient_sealed, recipient_last4, amount_minor,
                        fee_minor, currency, expires_at, created_at)
    SELECT :reference, id, :index, :sealed, :last4, :amount, :fee, :currency, :expires_at, :now
    FROM accounts WHERE number = :sender RETURNING id
""")

_TELL = text("""
    INSERT INTO messages (phone_sealed, phone_last4, kind, reference, body, created_at, next_attempt_at)
    VALUES (:sealed, :last4, :kind, :reference, :body, :now, :now)
""")

_SENDER = text("SELECT number, name, language FROM accounts WHERE id = :id")

_STRANDED = text("""
    SELECT c.id FROM claims c JOIN accounts a ON a.phone_index = c.recipient_index
    WHERE c.state = 'waiting' AND a.pin_hash IS NOT NULL ORDER BY c.id LIMIT :limit
""")


def insert_claim(session: Session, claim: dict[str, object], to: Stranger) -> None:
    """``claim`` has reference, sender (account number), amount, fee, currency, expires_at and now."""
    session.execute(_INSERT, {**claim, "index": to.index, "sealed": to.sealed, "last4": to.last4}).one()


def tell_stranger(session: Session, to: Stranger, message: dict[str, object]) -> None:
    """Queue an SMS to a number without an account; ``message`` has kind, reference, body and now."""
    session.execute(_TELL, {**message, "sealed": to.sealed, "last4": to.last4})


def sender_of(session: Session, claim: Claim) -> Sender:
    return Sender(*session.execute(_SENDER, {"id": claim.sender_id}).one())


def waiting_for(session: Session, index: bytes) -> list[Claim]:
    """All that waits for a phone, oldest first, locked: whoever is settling one of them is waited for."""
    mine = select(Claim).where(Claim.recipient_index == index, Claim.state == "waiting")
    return list(session.scalars(mine.order_by(Claim.id).with_for_update()))


def expired_ids(session: Session, now: datetime, limit: int) -> list[int]:
    late = select(Claim.id).where(Claim.state == "waiting", Claim.expires_at <= now)
    return list(session.scalars(late.order_by(Claim.expires_at).limit(limit)))


def stranded_ids(session: Session, limit: int) -> list[int]:
    """What waits for somebody who is a member: set aside at the very moment of registering, neither saw the other."""
    return list(session.scalars(_STRANDED, {"limit": limit}))


def lock_waiting(session: Session, claim_id: int) -> Claim | None:
    """The claim, locked, unless it is settled or somebody is settling it now."""
    one = select(Claim).where(Claim.id == claim_id, Claim.state == "waiting")
    return session.scalar(one.with_for_update(skip_locked=True))


def settle(session: Session, claim_id: int, state: str, claimed_by: int | None = None) -> None:
    """From waiting to ``claimed`` or ``returned``; the caller holds its lock."""
    waiting = update(Claim).where(Claim.id == claim_id, Claim.state == "waiting")
    session.execute(waiting.values(state=state, claimed_by=claimed_by).returning(Claim.id)).one()
