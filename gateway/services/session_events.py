"""The end of a USSD session, as the provider tells it: where people stop, at what cost, and a word on how to finish.

Best effort, and anybody may send one: no money ever depends on it. What was typed is never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal

from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.errors import InvalidPhone
from gateway.domain.money import Money
from gateway.domain.phone import Phone, parse_phone
from gateway.domain.words import Words
from gateway.models.accounts import Account, account_by_index
from gateway.models.ussd_sessions import FunnelRow, UssdSession, funnel, insert_session, was_reminded
from gateway.services.payment_desk import Post
from gateway.vault import Vault

_MICROS = 1_000_000
_MOST_SCREENS = 200
_MOST_CHARACTERS = 100
_STATUSES = ("Success", "Incomplete", "Failed")
#: However many sessions somebody ends, or says to have ended.
_REMIND_EVERY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """One ended session. ``screens`` are (screen, language) by hop; ``phone`` is ``None`` when unreadable."""

    session_id: str
    phone: Phone | None
    service_code: str
    network_code: str
    status: str
    screens: tuple[tuple[str, str | None], ...]
    hops: int
    duration_ms: int
    cost_micros: int
    error: str | None
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class PendingPayment:
    """What the caller was in the middle of when the line dropped; nothing of it has happened."""

    kind: Literal["payment", "deposit"]
    amount: Money
    language: str


Pending = Callable[[Phone], PendingPayment | None]


class SessionEvents:
    """Keeps what the provider tells about ended sessions, each once."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        messages: Post,
        words: Words,
        shortcode: str,
        clock: Clock,
        pending: Pending,
        may_remind: Callable[[Phone], bool] = lambda phone: True,
    ) -> None:
        """``pending`` knows what a phone can resume; ``may_remind`` is false for who opted out."""
        self._db = db
        self._vault = vault
        self._messages = messages
        self._words = words
        self._shortcode = shortcode
        self._clock = clock
        self._pending = pending
        self._may_remind = may_remind

    def record(self, event: SessionEvent) -> bool:
        """Keep one event; ``False`` when this session's end was heard of before. Raises ``TryLater``."""
        left_over = self._left_over(event)
        with self._db.transaction() as session:
            account = account_by_index(session, self._vault.phone_index(event.phone)) if event.phone else None
            if not insert_session(session, **_row(event, account)):
                return False
            if left_over and account:
                self._remind(session, event.session_id, account, left_over)
        return True

    def funnel(self, since: datetime, until: datetime) -> Sequence[FunnelRow]:
        """Sessions by screen and network, for ``flask funnel``."""
        with self._db.reading() as connection:
            return funnel(connection, since, until)

    def _left_over(self, event: SessionEvent) -> PendingPayment | None:
        if event.status != "Incomplete" or event.phone is None or not self._may_remind(event.phone):
            return None
        return self._pending(event.phone)

    def _remind(self, session: Session, session_id: str, account: Account, left_over: PendingPayment) -> None:
        """Say once how to finish; two events at once take turns on the account's row."""
        now = self._clock()
        session.refresh(account, with_for_update={"key_share": True})
        if was_reminded(session, account.id, now - _REMIND_EVERY):
            return
        kind = f"finish_{left_over.kind}"
        body = self._words(f"sms.{kind}", left_over.language, amount=left_over.amount, shortcode=self._shortcode)
        self._messages.queue(session, account.recipient, kind, body)
        session.get_one(UssdSession, session_id).reminded_at = now


def read_event(form: Mapping[str, str], now: datetime) -> SessionEvent | None:
    """The provider's form in our words; ``None`` without a session id or with an unknown status.

    ``input`` and ``lastAppResponse`` are not read: the former contains the PIN.
    """
    session_id, status = _short(form.get("sessionId")), form.get("status", "").strip()
    if session_id is None or status not in _STATUSES:
        return None
    return SessionEvent(
        session_id=session_id,
        phone=_phone(form.get("phoneNumber", "")),
        service_code=_short(form.get("serviceCode")) or "",
        network_code=_short(form.get("networkCode")) or "",
        status=status,
        screens=_screens(form.get("hopsMetadata", "")),
        hops=_count(form.get("hopsCount")),
        duration_ms=_count(form.get("durationInMillis")),
        cost_micros=_micros(form.get("cost", "")),
        error=_short(form.get("errorMessage")),
        ended_at=_when(form.get("date", "")) or now,
    )


def _row(event: SessionEvent, account: Account | None) -> dict[str, object]:
    last, language = event.screens[-1] if event.screens else (None, None)
    return {
        "session_id": event.session_id,
        "service_code": event.service_code,
        "network_code": event.network_code,
        "account_id": account.id if account else None,
        "status": event.status,
        "screens": [screen for screen, _ in event.screens],
        "last_screen": last,
        "language": language,
        "hops": event.hops,
        "duration_ms": event.duration_ms,
        "cost_micros": event.cost_micros,
        "error": event.error,
        "ended_at": event.ended_at,
    }


def _screens(joined: str) -> tuple[tuple[str, str | None], ...]:
    """``home;en|send.amount;en`` by hop; hops without metadata are left out."""
    hops = [hop.partition(";") for hop in joined.replace("\x00", "").split("|")[:_MOST_SCREENS] if hop.strip()]
    return tuple((screen.strip()[:_MOST_CHARACTERS], language.strip()[:2] or None) for screen, _, language in hops)


def _phone(typed: str) -> Phone | None:
    try:
        return parse_phone(typed)
    except InvalidPhone:
        return None


def _count(typed: str | None) -> int:
    """A plain number that fits the column; 0 when it is none."""
    digits = (typed or "").strip()
    return min(int(digits), 2**31 - 1) if digits.isascii() and digits.isdigit() and len(digits) < 12 else 0


def _micros(typed: str) -> int:
    """``0.8``, ``KES 0.80``: millionths of the provider's currency; 0 when unreadable."""
    try:
        amount = Decimal(typed.split()[-1]) if typed.split() else Decimal(0)
    except InvalidOperation:
        return 0
    return int(amount * _MICROS) if amount.is_finite() and 0 <= amount < _MICROS else 0


def _short(typed: str | None) -> str | None:
    return (typed or "").replace("\x00", "").strip()[:_MOST_CHARACTERS] or None


def _when(typed: str) -> datetime | None:
    """``yyyy-MM-dd HH:mm:ss`` in UTC."""
    try:
        return datetime.strptime(typed.strip(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
