"""One-time codes by SMS: six digits in Redis as a keyed digest, and what keeps them from being guessed.

Keys are made of the purpose and the phone's blind index, never of the phone. Redis is also the clock here: what it
has forgotten is expired. Tries are counted *before* a code is compared and a new code does not give tries back, so
asking again and again buys no guesses; right answers in parallel are told apart by who takes the mark of use first.
"""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

import redis

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.errors import OtpExpired, OtpLocked, TooManyOtps, TryLater, WrongOtp
from gateway.domain.phone import Phone
from gateway.domain.words import Words
from gateway.services.messages import Messages
from gateway.vault import Vault

_DIGITS = 6
_IGNORED = str.maketrans("", "", " -.\t\r\n")
_MINUTE = 60


@dataclass(frozen=True, slots=True)
class OtpRules:
    """Seconds and counts. Tries are counted over a window, not per code."""

    life: int = 5 * _MINUTE
    most_tries: int = 3
    tries_window: int = 15 * _MINUTE
    lock: int = 60 * _MINUTE
    most_sends: int = 3
    sends_window: int = 15 * _MINUTE
    most_asked: int = 6
    asked_window: int = 60 * _MINUTE


class Otps:
    """Proves that whoever types also reads the SMS of a number."""

    def __init__(
        self,
        client: redis.Redis,
        db: Database,
        vault: Vault,
        messages: Messages,
        words: Words,
        clock: Clock,
        rules: OtpRules | None = None,
    ) -> None:
        self._redis: Any = client  # redis-py types its answers for two worlds at once
        self._db = db
        self._vault = vault
        self._messages = messages
        self._words = words
        self._clock = clock
        self._rules = rules or OtpRules()

    def send(
        self, phone: Phone, purpose: str, language: str, *, asked_by: str = "", account_id: int | None = None
    ) -> None:
        """Send a new code; the one before is void. Raises ``TooManyOtps``, ``OtpLocked``, ``TryLater``.

        ``asked_by`` names who asks, so that one caller cannot have codes sent to any number of people.
        """
        keys = self._keys(phone, purpose)
        code = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}d}"
        with _reachable():
            self._refuse_locked(keys)
            if asked_by:
                self._count(f"otp:asked:{asked_by}", self._rules.most_asked, self._rules.asked_window)
            self._count(keys.sends, self._rules.most_sends, self._rules.sends_window)
            self._redis.set(keys.code, self._digest(phone, purpose, code), ex=self._rules.life)
        expires_at = self._clock() + timedelta(seconds=self._rules.life)
        body = self._words("sms.otp", language, code=code, minutes=_minutes(self._rules.life))
        to = self._messages.recipient(phone, account_id)
        with self._db.transaction() as session:
            self._messages.queue(session, to, "otp", body, secret=True, expires_at=expires_at)

    def check(self, phone: Phone, purpose: str, code: str) -> None:
        """Return when ``code`` is right, once. Raises ``WrongOtp``, ``OtpExpired``, ``OtpLocked``, ``TryLater``."""
        keys = self._keys(phone, purpose)
        with _reachable():
            self._refuse_locked(keys)
            if not self._redis.exists(keys.code):
                raise OtpExpired
            tries, stored = self._count_try(keys)
            if stored is None:
                raise OtpExpired
            if not hmac.compare_digest(stored, self._digest(phone, purpose, code.translate(_IGNORED)).encode()):
                self._refuse(keys, tries)
            self._use(keys, stored.decode())

    def _count(self, key: str, most: int, window: int) -> None:
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.set(key, 0, nx=True, ex=window)
            pipeline.incr(key)
            pipeline.ttl(key)
            _, sends, left = pipeline.execute()
        if sends > most:
            raise TooManyOtps(_minutes(left))

    def _count_try(self, keys: _Keys) -> tuple[int, bytes | None]:
        """Which try this is, and the code as it stood at that moment; raises ``OtpLocked`` past the last one."""
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.set(keys.tries, 0, nx=True, ex=self._rules.tries_window)
            pipeline.incr(keys.tries)
            pipeline.get(keys.code)
            pipeline.ttl(keys.tries)
            _, tries, stored, left = pipeline.execute()
        if tries > self._rules.most_tries:
            raise OtpLocked(_minutes(left))
        return tries, None if stored is None else _bytes(stored)

    def _refuse(self, keys: _Keys, tries: int) -> NoReturn:
        if tries < self._rules.most_tries:
            raise WrongOtp(self._rules.most_tries - tries)
        self._redis.set(keys.lock, 1, ex=self._rules.lock)
        self._redis.delete(keys.code)
        raise OtpLocked(_minutes(self._rules.lock))

    def _use(self, keys: _Keys, digest: str) -> None:
        """The right code is right once: of two at the same moment one takes the mark."""
        if not self._redis.set(f"{keys.used}:{digest}", 1, nx=True, ex=self._rules.life):
            raise OtpExpired
        self._redis.delete(keys.code, keys.tries)

    def _refuse_locked(self, keys: _Keys) -> None:
        left = self._redis.ttl(keys.lock)
        if left >= 0:
            raise OtpLocked(_minutes(left))

    def _digest(self, phone: Phone, purpose: str, code: str) -> str:
        return self._vault.digest("otp", purpose, phone.e164, code).hex()

    def _keys(self, phone: Phone, purpose: str) -> _Keys:
        whose = f"{purpose}:{self._vault.phone_index(phone).hex()}"
        return _Keys(*(f"otp:{part}:{whose}" for part in ("code", "tries", "sends", "lock", "used")))


@dataclass(frozen=True, slots=True)
class _Keys:
    code: str
    tries: str
    sends: str
    lock: str
    used: str


def _bytes(value: bytes | str) -> bytes:
    """A client may be set to decode answers."""
    return value.encode() if isinstance(value, str) else value


def _minutes(seconds: int) -> int:
    return max(math.ceil(seconds / _MINUTE), 1)


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError) as away:
        raise TryLater from away
