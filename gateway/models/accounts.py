"""People: the row of an account, and the few ways it is found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.models.base import Base, Cursor
from gateway.models.messages import Recipient


class Account(Base):
    """One person or shop: one account per phone. Secrets are sealed, the phone is found by its blind index."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    number: Mapped[str] = mapped_column(Text, unique=True)
    phone_index: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    phone_sealed: Mapped[str] = mapped_column(Text)
    phone_last4: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text, server_default=text("'en'"))
    tier: Mapped[str] = mapped_column(Text, server_default=text("'basic'"))
    frozen_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    pin_hash: Mapped[str | None] = mapped_column(Text)
    pin_changed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    pin_failures: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    pin_locked_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    stellar_public_key: Mapped[str] = mapped_column(Text, unique=True)
    stellar_secret_sealed: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    @property
    def wallet(self) -> str:
        """The code of this person's account in the books."""
        return wallet_code(self.number)

    @property
    def recipient(self) -> Recipient:
        """Where SMS to this person go."""
        return Recipient(self.id, self.phone_sealed, self.phone_last4)


class Invitation(Base):
    """Who invited which number on which day (UTC): one SMS per number and day, a few per inviter and day."""

    __tablename__ = "invitations"
    __table_args__ = (Index("invitations_by_inviter", "inviter_id", "day"),)

    phone_index: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    inviter_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("accounts.id"))


@dataclass(frozen=True, slots=True)
class Member:
    """What the rest of the gateway may know of a person; times are aware UTC."""

    id: int
    number: str
    name: str
    language: str
    tier: str
    frozen: bool
    has_pin: bool
    pin_changed_at: datetime | None
    phone_last4: str
    phone_sealed: str = field(repr=False)

    @property
    def wallet(self) -> str:
        """The code of this person's account in the books."""
        return wallet_code(self.number)

    @property
    def recipient(self) -> Recipient:
        """Where SMS to this person go."""
        return Recipient(self.id, self.phone_sealed, self.phone_last4)


def wallet_code(number: str) -> str:
    """The ledger account of an account number: ``wallet:ML-7F3K9Q``."""
    return f"wallet:{number}"


def account_by_number(session: Session, number: str) -> Account | None:
    return session.scalar(select(Account).where(Account.number == number))


def account_by_index(session: Session, index: bytes) -> Account | None:
    return session.scalar(select(Account).where(Account.phone_index == index))


_MEMBER = """
    SELECT id, number, name, language, tier, frozen_at IS NOT NULL, pin_hash IS NOT NULL, pin_changed_at,
           phone_last4, phone_sealed
    FROM accounts WHERE {} = %(value)s
"""
_BY_INDEX, _BY_NUMBER = _MEMBER.format("phone_index"), _MEMBER.format("number")


def member_by_index(cursor: Cursor, index: bytes) -> Member | None:
    """One plain statement on a bare cursor: it runs whenever somebody dials."""
    return _member(cursor, _BY_INDEX, index)


def member_by_number(cursor: Cursor, number: str) -> Member | None:
    return _member(cursor, _BY_NUMBER, number)


def _member(cursor: Cursor, query: str, value: str | bytes) -> Member | None:
    cursor.execute(query, {"value": value})
    row = cursor.fetchone()
    return Member(*row) if row is not None else None


def insert_account(session: Session, row: dict[str, object]) -> Account | None:
    """The new account, or ``None`` when its phone or its number is taken, also by a request of the same moment."""
    made = insert(Account).values(row).on_conflict_do_nothing().returning(Account)
    return session.scalar(made)


def invited(session: Session, index: bytes, day: date) -> bool:
    return session.get(Invitation, (index, day)) is not None


def invitations_by(session: Session, inviter_id: int, day: date) -> int:
    mine = select(func.count()).where(Invitation.inviter_id == inviter_id, Invitation.day == day)
    return session.scalar(mine) or 0


def note_invitation(session: Session, index: bytes, day: date, inviter_id: int) -> bool:
    """False when somebody else invited the same number at the same moment."""
    row = {"phone_index": index, "day": day, "inviter_id": inviter_id}
    noted = insert(Invitation).values(row).on_conflict_do_nothing().returning(Invitation.inviter_id)
    return session.scalar(noted) is not None
