"""The end of a USSD session, as the provider tells it: where people stop, at what cost, and a word on how to finish.

Best effort, and anybody may send one: no money ever depends on it. What was typed is never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.domain.words import Words
from gateway.models.accounts import Account, account_by_index
from gateway.models.ussd_sessions import FunnelRow, UssdSession, funnel, insert_session, was_reminded
from gateway.services.payment_desk import Post
from gateway.vault import Vault
from integrations.protocols import SessionEnded

_MOST_SCREENS = 200
#: However many sessions somebody ends, or says to have ended.
_REMIND_EVERY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class PendingPayment:
    """What the caller was in the middle of when the line dropped; nothing of it has happened."""

    amount: Money
    language: str
    kind: Literal["payment", "withdrawal"] = "payment"


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

    def record(self, event: SessionEnded) -> bool:
        """Keep one event; ``False`` when this session's end was heard of before. Raises ``TryLater``."""
        left_over = self._left_over(event)
        with self._db.transaction() as session:
            account = account_by_index(session, self._vault.phone_index(event.phone)) if event.phone else None
            if not insert_session(session, **_row(event, account, self._clock())):
                return False
            if left_over and account:
                self._remind(session, event.session_id, account, left_over)
        return True

    def funnel(self, since: datetime, until: datetime) -> Sequence[FunnelRow]:
        """Sessions by screen and network, for ``flask funnel``."""
        with self._db.reading() as connection:
            return funnel(connection, since, until)

    def _left_over(self, event: SessionEnded) -> PendingPayment | None:
        if event.status != "Incomplete" or event.phone is None or not self._may_remind(event.phone):
            return None
        return self._pending(event.phone)

    def _remind(self, session: Session, session_id: str, account: Account, left_over: PendingPayment) -> None:
        """Say once how to finish; two events at once take turns on the account's row."""
        now = self._clock()
        session.refresh(account, with_for_update={"key_share": True})
        if was_reminded(session, account.id, now - _REMIND_EVERY):
            return
        sentence = f"finish_{left_over.kind}"
        body = self._words(f"sms.{sentence}", left_over.language, amount=left_over.amount, shortcode=self._shortcode)
        self._messages.queue(session, account.recipient, sentence, body)
        session.get_one(UssdSession, session_id).reminded_at = now


def _row(ended: SessionEnded, account: Account | None, now: datetime) -> dict[str, object]:
    screens = [screen_of(mark) for mark in ended.metadata[:_MOST_SCREENS]]
    last, language = screens[-1] if screens else (None, None)
    return {
        "session_id": ended.session_id,
        "service_code": ended.service_code,
        "network_code": ended.network_code,
        "account_id": account.id if account else None,
        "status": ended.status,
        "screens": [screen for screen, _ in screens],
        "last_screen": last,
        "language": language,
        "hops": ended.hops,
        "duration_ms": ended.duration_ms,
        "cost_micros": ended.cost_micros,
        "error": ended.error,
        "ended_at": ended.ended_at or now,
    }


def screen_of(mark: str) -> tuple[str, str | None]:
    """The mark we put on a hop's answer, ``send.amount;sw``, as screen and language."""
    screen, _, language = mark.partition(";")
    return screen.strip(), language.strip()[:2] or None
