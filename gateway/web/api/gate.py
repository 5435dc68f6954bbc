"""Who may come in, how often, and reading what they bring: before any business is called."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TypeVar

import orjson
import redis
from flask import g, request
from flask_limiter import Limiter, RateLimitExceeded
from pydantic import BaseModel, ValidationError

from gateway.domain.scopes import Scope
from gateway.services.api_keys import ApiKeys, Holder
from gateway.web.api.problems import ApiProblem, faults

MOST_BYTES = 16 * 1024
_A_MINUTE = 60
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?", re.ASCII)
#: References and account numbers.
_NAME = re.compile(r"[0-9A-Za-z-]{1,32}", re.ASCII)

T = TypeVar("T", bound=BaseModel)


class Gate:
    """Keys, scopes and rates. Rates are counted in Redis; while that is away everybody with a key passes."""

    def __init__(self, keys: ApiKeys, limiter: Limiter, reads_per_minute: int, writes_per_minute: int) -> None:
        @limiter.shared_limit(f"{reads_per_minute} per minute", scope="reads")
        def one_read() -> None: ...

        @limiter.shared_limit(f"{writes_per_minute} per minute", scope="writes")
        def one_write() -> None: ...

        self._keys = keys
        self._limiter = limiter
        self._count = {False: one_read, True: one_write}

    def admit(self, scope: Scope, *, writes: bool) -> Holder:
        """Whoever calls; raises ``ApiProblem`` (401, 403, 429), ``TryLater``."""
        holder = self._keys.holder(_presented(request.headers.get("Authorization", "")))
        if holder is None:
            raise ApiProblem("unauthorised", headers={"WWW-Authenticate": "Bearer"})
        g.api_holder = holder
        try:
            self._count[writes]()
        except RateLimitExceeded:
            raise ApiProblem("rate_limited", headers={"Retry-After": str(self._seconds_left())}) from None
        if scope not in holder.scopes:
            raise ApiProblem("scope_missing")
        return holder

    def _seconds_left(self) -> int:
        """Until the key may call again; a minute when Redis does not say."""
        try:
            limit = self._limiter.current_limit
            seconds = limit.reset_at - int(time.time()) if limit else _A_MINUTE
            return min(max(1, seconds), _A_MINUTE)
        except redis.RedisError:
            return _A_MINUTE


def new_limiter(redis_url: str) -> Limiter:
    """Counts by key. A Redis that does not answer at once is passed by."""
    impatient: dict[str, str | int] = {"socket_timeout": 1, "socket_connect_timeout": 1}
    return Limiter(
        lambda: f"key-{g.api_holder.id}",
        storage_uri=redis_url,
        storage_options=impatient,
        swallow_errors=True,
        key_prefix="api:rate",
    )


def idempotency_key() -> str:
    """The header of every write; raises ``ApiProblem``."""
    key = request.headers.get("Idempotency-Key", "")
    if not _KEY.fullmatch(key):
        raise ApiProblem("idempotency_key_missing")
    return key


def body() -> object:
    """The JSON that was sent; raises ``ApiProblem``, and ``RequestEntityTooLarge`` for more than 16 KB."""
    request.max_content_length = MOST_BYTES
    raw = request.get_data(cache=False)
    if request.mimetype != "application/json":
        raise ApiProblem("not_json_type")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ApiProblem("not_json") from None


def query() -> dict[str, str]:
    """The address' question, the first value of each name."""
    return request.args.to_dict()


def read(sent: object, model: type[T]) -> T:
    """``sent`` as what the route takes; raises ``ApiProblem`` with every fault."""
    try:
        return model.model_validate(sent)
    except ValidationError as invalid:
        raise ApiProblem("invalid", faults(invalid)) from None


def canonical(method: str, path: str, sent: object) -> str:
    """The same text for the same request, however its JSON was written."""
    return f"{method} {path} {orjson.dumps(sent, option=orjson.OPT_SORT_KEYS).decode()}"


def named_value(named: Mapping[str, str]) -> str:
    """What stands in the address, no route has more than one; raises ``ApiProblem`` for what names nothing of ours."""
    value = next(iter(named.values()), "")
    if named and not _NAME.fullmatch(value):
        raise ApiProblem("not_found")
    return value


def _presented(header: str) -> str:
    kind, _, key = header.partition(" ")
    return key.strip() if kind.lower() == "bearer" else ""
