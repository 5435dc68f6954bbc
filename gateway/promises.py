"""*You will get an SMS*: whoever was told so gets one, also when the process that said it has died.

A promise is a line in Redis, written when the page is sent. The worker keeps it after the time any statement may take:
what was done has told about itself, what was refused is told now, and what never happened is made sure not to happen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
import redis
import structlog

from gateway.db import Database
from gateway.domain.errors import Refusal, TooLate, TryLater
from gateway.domain.phone import Phone
from gateway.domain.words import Words
from gateway.services.credits import Credits
from gateway.services.messages import Messages
from gateway.services.payments import Payments
from gateway.services.payouts import Held, Payouts
from gateway.services.transfers import Sent, Transfers
from gateway.vault import Unreadable, Vault
from ussd_menus.session import Session

log = structlog.get_logger()

_PROMISES, _LINE = "ussd:promises", "ussd:promise:"
_REMEMBERED_SECONDS = 24 * 3600
#: Statements end after five seconds; a hop has a few of them.
_PATIENCE_SECONDS = 45


class Promises:
    """Makes and keeps them. See ``gateway.calls.Afterwards``."""

    def __init__(
        self,
        client: redis.Redis,
        db: Database,
        vault: Vault,
        messages: Messages,
        transfers: Transfers,
        payments: Payments,
        payouts: Payouts,
        credits: Credits,
        words: Words,
        *,
        shortcode: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._redis: Any = client  # redis-py types its answers for two worlds at once
        self._db = db
        self._vault = vault
        self._messages = messages
        self._transfers = transfers
        self._payments = payments
        self._payouts = payouts
        self._credits = credits
        self._words = words
        self._shortcode = shortcode
        self._now = now

    def promise(self, phone: Phone, session: Session) -> None:
        """Remember what the caller was waiting for; a Redis that is away leaves it to the next dial to tell."""
        key = str(session.facts.get("key", ""))
        line = orjson.dumps(
            {
                "phone": self._vault.seal(phone.e164),
                "language": session.language,
                "screen": session.screen,
                "number": session.caller.number if session.caller else "",
                "key": key,
            }
        )
        with suppress(redis.RedisError), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.set(_LINE + key, line, ex=_REMEMBERED_SECONDS)
            pipeline.zadd(_PROMISES, {key: self._now()})
            pipeline.execute()

    def tell(self, phone: Phone, session: Session, outcome: str) -> None:
        """The outcome of a hop that took too long, by SMS: what was promised for it is kept."""
        with suppress(TryLater):
            self._send(phone, session.language, outcome)
            with suppress(redis.RedisError):
                self._forget(str(session.facts.get("key", "")))

    def keep(self, limit: int = 100) -> int:
        """Keep the promises that are due; returns how many. Each is dropped only after it was kept."""
        try:
            due = self._redis.zrangebyscore(_PROMISES, 0, self._now() - _PATIENCE_SECONDS, start=0, num=limit)
            return sum(self._keep_one(key.decode()) for key in due)
        except redis.RedisError:
            return 0

    def _keep_one(self, key: str) -> int:
        """One that cannot be kept is noted and dropped: it must not stand in the way of the others."""
        line = self._redis.get(_LINE + key)
        try:
            if line:
                self._keep(orjson.loads(line))
        except (Unreadable, orjson.JSONDecodeError, KeyError):
            log.exception("promise_broken")
        self._forget(key)
        return 1

    def _forget(self, key: str) -> None:
        self._redis.zrem(_PROMISES, key)
        self._redis.delete(_LINE + key)

    def _keep(self, promise: dict[str, str]) -> None:
        outcome = self._outcome(promise)
        log.info("promise_kept", account=promise["number"], screen=promise["screen"], outcome=type(outcome).__name__)
        if outcome is None:
            return
        phone, language = Phone(self._vault.open(promise["phone"])), promise["language"]
        self._send(phone, language, self._reason(outcome, language))

    def _outcome(self, promise: dict[str, str]) -> Refusal | None:
        """Why nothing was done; ``None`` for what was done: that tells about itself."""
        if promise["screen"] in ("deposit.amount", "credits.buy"):
            return None if self._payments.is_known(promise["key"]) else TooLate()
        if promise["screen"] == "send.confirm":
            outcome = self._transfers.give_up(promise["number"], promise["key"])
            return None if isinstance(outcome, Sent) else outcome
        if promise["screen"] == "withdraw.confirm":
            held = self._payouts.give_up(promise["number"], promise["key"])
            return None if isinstance(held, Held) else held
        if promise["screen"] == "credits.confirm":
            return self._credits.give_up(promise["number"], promise["key"])
        return None

    def _reason(self, refusal: Refusal, language: str) -> str:
        return self._words(f"no.{refusal.sentence}", language, **refusal.blanks())

    def _send(self, phone: Phone, language: str, outcome: str) -> None:
        body = self._words("sms.late_outcome", language, outcome=outcome, shortcode=self._shortcode)
        with self._db.transaction() as session:
            self._messages.queue(session, self._messages.recipient(phone), "late_outcome", body)
