"""One way to call a provider: timeouts, exact decimals, and a clear line between an answer and silence.

``send`` goes out exactly once, for what must not happen twice. ``ask`` is for calls that change nothing: it is
repeated, and a breaker stops it while the provider is down. Errors carry neither bodies nor headers.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pybreaker
import requests
import urllib3
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
CONNECT_SECONDS = 3.05

#: Told after each call: provider, operation, outcome (an HTTP status, ``not_sent`` or ``no_answer``), seconds.
Observer = Callable[[str, str, str, float], None]

#: A part of a path that names one thing of many: an operation would be as many as there are things.
_ID = re.compile(r"/(?:[0-9]+|(?=[^/]*[0-9])[^/]{12,})(?=/|$)")


class NoAnswer(Exception):
    """The request may have arrived; nobody said what became of it."""


class NotSent(Exception):
    """The request provably never reached the provider."""


class Busy(NotSent):
    """The breaker is open: the provider was silent several times in a row, so it was not called."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. ``body`` is decoded JSON with exact decimals, ``None`` when it is not JSON."""

    status: int
    body: Any = None
    text: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body when it is a JSON object, else an empty one."""
        return self.body if isinstance(self.body, dict) else {}

    def __repr__(self) -> str:
        return f"Answer({self.status})"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often: seconds to wait for an answer, attempts of ``ask``, when the breaker opens and closes."""

    timeout_seconds: float = 10.0
    attempts: int = 3
    pause_seconds: float = 0.2
    silences_until_open: int = 5
    open_seconds: float = 30.0


class Http:
    """Calls to one provider. Safe to share between threads."""

    def __init__(
        self, provider: str, base_url: str, patience: Patience | None = None, observer: Observer | None = None
    ) -> None:
        self.provider = provider
        self.base_url = base_url.rstrip("/")
        self._patience = patience or Patience()
        self._observer = observer
        self._pool = self._new_session()
        self._storage = pybreaker.CircuitMemoryStorage(pybreaker.STATE_CLOSED)
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=self._patience.silences_until_open,
            reset_timeout=self._patience.open_seconds,
            state_storage=self._storage,
            exclude=[lambda error: not isinstance(error, NoAnswer | NotSent)],
            throw_new_error_on_trip=False,
        )

    @property
    def is_shut(self) -> bool:
        """Whether the provider was silent so often, so recently, that calling it now is pointless."""
        opened_at = self._storage.opened_at
        if self._storage.state != pybreaker.STATE_OPEN or opened_at is None:
            return False
        return datetime.now(UTC) < opened_at + timedelta(seconds=self._patience.open_seconds)

    def send(self, method: str, path: str, **request: Any) -> Answer:
        """Once, on a connection of its own; raises ``NotSent`` or ``NoAnswer``.

        A kept-alive connection may turn out closed only after the request was written on it, and then
        nobody can tell whether it was processed: what must not happen twice takes a new one.
        """
        with self._new_session() as session:
            return self._call(session, method, path, request)

    def ask(self, method: str, path: str, **request: Any) -> Answer:
        """For calls that change nothing: repeated without an answer; raises ``NotSent``, ``Busy``, ``NoAnswer``."""
        again = Retrying(
            retry=retry_if_exception(_worth_repeating),
            stop=stop_after_attempt(self._patience.attempts),
            wait=wait_exponential_jitter(
                multiplier=self._patience.pause_seconds, max=2, jitter=self._patience.pause_seconds
            ),
            reraise=True,
        )
        return again(self._ask_once, method, path, request)

    def close(self) -> None:
        self._pool.close()

    def _ask_once(self, method: str, path: str, request: Mapping[str, Any]) -> Answer:
        try:
            # calling(), not call(): the latter holds the breaker's lock for as long as the provider takes.
            with self._breaker.calling():
                answer = self._call(self._pool, method, path, request)
                if answer.status >= 500 and not answer.fields:
                    raise NoAnswer(f"{self.provider} answered {answer.status} without a body")
                return answer
        except pybreaker.CircuitBreakerError:
            raise Busy(f"{self.provider} is not called for now") from None

    def _call(self, session: requests.Session, method: str, path: str, request: Mapping[str, Any]) -> Answer:
        began = time.monotonic()
        outcome = "no_answer"
        try:
            answer = self._exchange(session, method, path, request)
            outcome = str(answer.status)
            return answer
        except NotSent:
            outcome = "not_sent"
            raise
        finally:
            if self._observer:
                self._observer(self.provider, operation_of(path), outcome, time.monotonic() - began)

    def _exchange(self, session: requests.Session, method: str, path: str, request: Mapping[str, Any]) -> Answer:
        timeout = (CONNECT_SECONDS, self._patience.timeout_seconds)
        try:
            response = session.request(method, self.base_url + path, timeout=timeout, allow_redirects=False, **request)
        except requests.RequestException as trouble:
            kind = NotSent if never_left(trouble) else NoAnswer
            # "from None": the original names the address and sometimes what was sent.
            raise kind(f"{self.provider}: {type(trouble).__name__}") from None
        return Answer(response.status_code, decode(response.content), response.text[:500])

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        # A proxy of the environment must not stand between us and a simulator on this machine.
        session.trust_env = urlsplit(self.base_url).hostname not in LOOPBACK
        return session


def operation_of(path: str) -> str:
    """A path without its query and without ids: ``/v3/transactions/*/verify``."""
    return _ID.sub("/*", path.partition("?")[0])


def _worth_repeating(error: BaseException) -> bool:
    return isinstance(error, NoAnswer | NotSent) and not isinstance(error, Busy)


def never_left(trouble: requests.RequestException) -> bool:
    """Whether the connection itself failed (refused, no such host, connect timeout), so that nothing was sent."""
    if isinstance(trouble, requests.ConnectTimeout | requests.exceptions.InvalidURL):
        return True
    reason = getattr(trouble.args[0], "reason", None) if trouble.args else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError)


class Bearer:
    """Authorization for ``requests``; given as ``auth`` it also wins over a ``.netrc`` of the machine."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def decode(content: bytes) -> Any:
    """JSON with exact decimals, or ``None`` for anything else. Never raises."""
    try:
        return json.loads(content.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError, ArithmeticError):
        return None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")
