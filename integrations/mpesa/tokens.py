"""One access token for all: fetched early, shared through a cache, replaced once when Daraja refuses it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from gateway.domain.clock import Clock
from integrations.http import Answer, Http
from integrations.rails import TokenCache

PATH = "/oauth/v1/generate"
#: A token is given up this long before it ends, so that it cannot end on the way.
EARLY_SECONDS = 60
DEFAULT_SECONDS = 3599


class MemoryTokenCache:
    """A cache of one process, for tests and for a single worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, tuple[str, datetime]] = {}

    def get(self, key: str) -> str | None:
        token, ends_at = self._tokens.get(key, ("", None))
        return token if ends_at and self._clock() < ends_at else None

    def set(self, key: str, token: str, seconds: int) -> None:
        self._tokens[key] = (token, self._clock() + timedelta(seconds=seconds))


class NoToken(Exception):
    """Daraja refused to give a token: the consumer key or secret is wrong, or for the other environment."""

    def __init__(self, code: str) -> None:
        super().__init__(f"no access token: {code}")
        self.code = code


class Tokens:
    """The access tokens of one app."""

    def __init__(self, http: Http, consumer_key: str, consumer_secret: str, cache: TokenCache) -> None:
        self._http = http
        self._credentials = (consumer_key, consumer_secret)
        self._cache = cache
        self._one_at_a_time = threading.Lock()
        # A digest: neither the address nor the consumer key is of use to who reads the cache.
        self._key = "mpesa:token:" + sha256(f"{http.base_url}|{consumer_key}".encode()).hexdigest()[:32]

    def current(self, *, refused: str | None = None) -> str:
        """A token other than ``refused``; raises ``NoToken``, ``NotSent``, ``Busy`` or ``NoAnswer``."""
        cached = self._cache.get(self._key)
        if cached and cached != refused:
            return cached
        with self._one_at_a_time:
            cached = self._cache.get(self._key)  # another thread may have fetched it while we waited
            return cached if cached and cached != refused else self._fetch()

    def _fetch(self) -> str:
        answer = self._http.ask("GET", PATH, params={"grant_type": "client_credentials"}, auth=self._credentials)
        token = answer.fields.get("access_token")
        if not answer.ok or not isinstance(token, str) or not token:
            raise NoToken(_refusal_code(answer))
        seconds = _lifetime(answer.fields) - EARLY_SECONDS
        if seconds > 0:
            self._cache.set(self._key, token, seconds)
        return token


def _refusal_code(answer: Answer) -> str:
    code = answer.fields.get("errorCode")
    return code if isinstance(code, str) and code else str(answer.status)


def _lifetime(fields: Mapping[str, Any]) -> int:
    """Seconds; a number in current answers, text in older ones."""
    told = str(fields.get("expires_in", ""))
    return int(told) if told.isascii() and told.isdigit() and len(told) < 7 else DEFAULT_SECONDS
