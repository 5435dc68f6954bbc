"""What the stand-ins for providers share: a request, a reply, and things that happen a little later."""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import requests

from gateway.domain.errors import InvalidPhone
from gateway.domain.phone import Phone, parse_phone

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What came over HTTP; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object; anything else is an empty one."""
        try:
            decoded = json.loads(self.body or b"{}")
        except (ValueError, RecursionError):
            return {}
        return decoded if isinstance(decoded, dict) else {}

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Reply:
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    location: str = ""


def json_reply(body: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body, separators=(",", ":")).encode())


Handler = Callable[[Request], Reply]


class BadControl(Exception):
    """A control call names something that does not exist; the message says what."""


def phone_of(value: object) -> Phone:
    """A phone from a control call, in any usual form; raises ``BadControl``."""
    try:
        return parse_phone(str(value))
    except InvalidPhone:
        raise BadControl("phone is not a Kenyan mobile number") from None


def set_options(options: object, values: Mapping[str, Any]) -> None:
    """Change named settings of a simulator while it runs; raises ``BadControl`` and then changes none."""
    for name, value in values.items():
        current = getattr(options, name, None)
        switch = isinstance(current, bool) and isinstance(value, bool)
        number = type(current) in (int, float) and type(value) in (int, float) and value >= 0
        if not (switch or number):
            raise BadControl(f"no such setting, or not its kind of value: {name}")
    for name, value in values.items():
        setattr(options, name, value)


class Later:
    """Runs actions after some seconds on a few threads; nothing runs after ``close``."""

    def __init__(self, threads: int = 8) -> None:
        self._waiting: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._running = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="later")
        threading.Thread(target=self._run, name="later", daemon=True).start()

    def do(self, seconds: float, action: Callable[[], object]) -> None:
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._numbers), action))
            self._changed.notify()

    @property
    def quiet(self) -> bool:
        """Nothing is planned and nothing is under way."""
        with self._changed:
            return not self._waiting and not self._running

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not self._is_due():
                    self._changed.wait(self._pause())
                if self._closed:
                    return
                self._running += 1
                self._pool.submit(self._act, heapq.heappop(self._waiting)[2])

    def _act(self, action: Callable[[], object]) -> None:
        try:
            action()
        finally:
            with self._changed:
                self._running -= 1

    def _is_due(self) -> bool:
        return bool(self._waiting) and self._waiting[0][0] <= time.monotonic()

    def _pause(self) -> float | None:
        return max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None


@dataclass(frozen=True, slots=True)
class Heard:
    """What a gateway answered. ``status`` is 0 when it did not."""

    status: int
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def post(url: str, *, seconds: float = 10.0, **request: Any) -> Heard:
    """Post once, as providers do; silence is logged by kind only and never raised."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            response = session.post(url, timeout=seconds, allow_redirects=False, **request)
    except requests.RequestException as trouble:
        log.warning("a callback was not answered: %s", type(trouble).__name__)
        return Heard(0)
    response.encoding = "utf-8"
    return Heard(response.status_code, response.text, response.headers)


@dataclass(slots=True)
class Gateway:
    """Where the gateway under test listens; ``url`` may change when it is started after the simulators."""

    url: str = ""
    ussd_api_key: str = field(default="", repr=False)

    def post(self, path: str, form: Mapping[str, str], *, seconds: float = 10.0, **headers: str) -> Heard:
        """Post a form to the gateway. Without an address nobody is there."""
        sent = {name.replace("_", "-"): value for name, value in headers.items() if value}
        return post(self.url + path, seconds=seconds, data=dict(form), headers=sent) if self.url else Heard(0)
