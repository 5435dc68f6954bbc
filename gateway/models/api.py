"""Shapes and queries of programs that use the REST API: their keys, and what they were answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, DateTime, ForeignKey, Identity, LargeBinary, SmallInteger, Text, func, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.models.base import Base, Cursor

_Time = DateTime(timezone=True)


class ApiKey(Base):
    """One key: its name, its beginning and its digest."""

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(Text, unique=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(_Time, server_default=func.now())
    revoked_at: Mapped[datetime | None] = mapped_column(_Time)
    last_used_at: Mapped[datetime | None] = mapped_column(_Time)


class ApiRequest(Base):
    """One write under its Idempotency-Key; without a status it is running, or its process died."""

    __tablename__ = "api_requests"

    key_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("api_keys.id"), primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(Text, primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int | None] = mapped_column(SmallInteger)
    answer: Mapped[str | None] = mapped_column(Text)
    leased_until: Mapped[datetime] = mapped_column(_Time)
    created_at: Mapped[datetime] = mapped_column(_Time, server_default=func.now())


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a request: its digest, and its answer once there is one."""

    request_hash: bytes
    status: int | None
    answer: str | None


_HOLDER = """
    SELECT id, name, scopes, last_used_at FROM api_keys WHERE digest = %(digest)s AND revoked_at IS NULL
"""
_USED = "UPDATE api_keys SET last_used_at = %(now)s WHERE id = %(id)s"

_TAKE = text("""
    INSERT INTO api_requests AS r (key_id, idempotency_key, request_hash, leased_until, created_at)
    VALUES (:key_id, :key, :hash, :until, :now)
    ON CONFLICT (key_id, idempotency_key) DO UPDATE SET leased_until = excluded.leased_until
    WHERE r.status IS NULL AND r.leased_until < :now AND r.request_hash = excluded.request_hash
    RETURNING 1
""")
_FIND = text("""
    SELECT request_hash, status, answer FROM api_requests WHERE key_id = :key_id AND idempotency_key = :key
""")
_FINISH = text("""
    UPDATE api_requests SET status = :status, answer = :answer
    WHERE key_id = :key_id AND idempotency_key = :key AND status IS NULL
""")
_RELEASE = text("""
    UPDATE api_requests SET leased_until = created_at
    WHERE key_id = :key_id AND idempotency_key = :key AND status IS NULL
""")
_FORGET = text("DELETE FROM api_requests WHERE created_at < :before AND leased_until < :before")


def holder(cursor: Cursor, digest: bytes) -> tuple[int, str, list[str], datetime | None] | None:
    """Id, name, scopes and last use of the key with this digest, unless it is revoked. It runs on every request."""
    cursor.execute(_HOLDER, {"digest": digest})
    found: tuple[int, str, list[str], datetime | None] | None = cursor.fetchone()
    return found


def note_use(cursor: Cursor, key_id: int, now: datetime) -> None:
    cursor.execute(_USED, {"id": key_id, "now": now})


def take(session: Session, key_id: int, key: str, request_hash: bytes, now: datetime, until: datetime) -> bool:
    """Whether the request is ours to run: new, or left behind by a run whose time is over."""
    values = {"key_id": key_id, "key": key, "hash": request_hash, "now": now, "until": until}
    return session.execute(_TAKE, values).first() is not None


def find(session: Session, key_id: int, key: str) -> Remembered:
    request_hash, status, answer = session.execute(_FIND, {"key_id": key_id, "key": key}).one()
    return Remembered(bytes(request_hash), status, answer)


def finish(session: Session, key_id: int, key: str, status: int, answer: str) -> None:
    """Write the answer down; the first one stays."""
    session.execute(_FINISH, {"key_id": key_id, "key": key, "status": status, "answer": answer})


def release(session: Session, key_id: int, key: str) -> None:
    """Nothing was decided: let the next one run it at once."""
    session.execute(_RELEASE, {"key_id": key_id, "key": key})


def forget(session: Session, before: datetime) -> int:
    """Drop requests that are older than ``before``; returns how many."""
    return int(session.execute(_FORGET, {"before": before}).rowcount)  # type: ignore[attr-defined]
