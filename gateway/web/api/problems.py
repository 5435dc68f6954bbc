"""Everything the API may say no with: one table from code to status, answered as RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from inspect import getdoc
from typing import Any

import orjson
import structlog
from flask import Response
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from gateway.domain.errors import Refusal
from gateway.domain.money import Money
from gateway.domain.words import Words
from gateway.services.api_requests import StillRunning

log = structlog.get_logger()

CONTENT_TYPE = "application/problem+json"

#: What the business refuses. 404: no such thing. 409: not now, as things stand. 422: never, as it was asked.
#: 403: not with these proofs. 429: too often. 503: something is away, nothing was started, the same key may come again.
STATUS: Mapping[str, int] = {
    "account_frozen": 409,
    "account_not_found": 404,
    "amount_too_large": 422,
    "amount_too_small": 422,
    "bad_option": 422,
    "cannot_give_back": 409,
    "cards_closed": 503,
    "claims_limit_reached": 409,
    "day_limit_reached": 409,
    "invalid_amount": 422,
    "invalid_name": 422,
    "invalid_phone": 422,
    "key_reused": 409,
    "not_enough_credits": 409,
    "not_enough_money": 409,
    "nothing_waiting": 409,
    "otp_expired": 403,
    "otp_locked": 429,
    "payment_in_progress": 409,
    "payouts_paused": 503,
    "pin_locked": 403,
    "pin_not_set": 409,
    "pins_differ": 422,
    "rail_down": 503,
    "same_person": 422,
    "too_late": 409,
    "too_many_invitations": 429,
    "too_many_otps": 429,
    "try_later": 503,
    "unknown_package": 422,
    "weak_pin": 422,
    "whole_shillings_only": 422,
    "wrong_otp": 403,
    "wrong_pin": 403,
}

#: What is wrong with a request itself: status, title, and what the person reads who wrote the program.
OWN: Mapping[str, tuple[int, str, str]] = {
    "not_json": (400, "The body is no JSON.", "Send one JSON object in UTF-8."),
    "idempotency_key_missing": (
        400,
        "A write needs an Idempotency-Key.",
        "Send a header Idempotency-Key of 1 to 255 printable characters, a new one for each thing you want done.",
    ),
    "unauthorised": (401, "No key, or one that opens nothing.", "Send Authorization: Bearer and a key that is open."),
    "scope_missing": (403, "The key may not do this.", "Ask for a key with the scope of this route."),
    "not_found": (404, "There is no such thing.", "Nothing is known by this address."),
    "method_not_allowed": (405, "Not by this method.", "The header Allow says which methods there are."),
    "request_in_progress": (
        409,
        "The same request is being answered.",
        "It came under this Idempotency-Key a moment ago. Send it again in a few seconds to hear its answer.",
    ),
    "body_too_large": (413, "The body is too large.", "A request fits in 16 KB."),
    "not_json_type": (415, "The body is not declared as JSON.", "Send Content-Type: application/json."),
    "invalid": (422, "Something in the request is not as it must be.", "Every fault is in errors. Nothing was done."),
    "rate_limited": (429, "Too many requests.", "The header Retry-After says for how many seconds to wait."),
    "unexpected": (
        500,
        "Something went wrong on our side.",
        "Send the same request with the same Idempotency-Key again: it is not done twice.",
    ),
}
_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
_RETRY_SECONDS = {"try_later": 2, "rail_down": 60, "cards_closed": 300, "payouts_paused": 300, "request_in_progress": 2}


class ApiProblem(Exception):
    """The request itself is wrong; ``code`` is one of ``OWN``."""

    def __init__(
        self, code: str, errors: Sequence[Mapping[str, str]] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.errors = list(errors)
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Problem:
    """One answer: its members, and the headers that go with it."""

    status: int
    members: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> str:
        return orjson.dumps(self.members).decode()

    def response(self) -> Response:
        return Response(self.body, self.status, dict(self.headers), content_type=CONTENT_TYPE)


class Problems:
    """Turns what was raised into what is answered. ``words`` are the sentences that callers hear too."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def of(self, error: Exception) -> Problem:
        """The problem of any exception; what nobody named is recorded, and answered without a trace of it."""
        match error:
            case Refusal():
                return self.refused(error)
            case ApiProblem():
                return own(error.code, error.headers, error.errors)
            case StillRunning():
                return own("request_in_progress")
            case HTTPException():
                return _http(error)
        log.error("unexpected", exc_info=error)
        return own("unexpected")

    def refused(self, refusal: Refusal) -> Problem:
        blanks = refusal.blanks()
        detail = self._words(f"no.{refusal.sentence}", "en", **blanks)
        more = {name: _shown(value) for name, value in blanks.items()}
        return _problem(refusal.code, STATUS.get(refusal.code, 409), title_of(type(refusal)), detail, more)


def own(code: str, headers: Mapping[str, str] | None = None, errors: Sequence[Mapping[str, str]] = ()) -> Problem:
    """One of ``OWN``."""
    status, title, detail = OWN[code]
    return _problem(code, status, title, detail, {"errors": list(errors)} if errors else {}, headers)


def title_of(kind: type[Refusal]) -> str:
    """What a refusal is, in a sentence: its own."""
    return (getdoc(kind) or kind.code).splitlines()[0]


def faults(invalid: ValidationError) -> list[dict[str, str]]:
    """Every fault by field, never with the value: it may be a phone number."""
    found = invalid.errors(include_input=False, include_url=False, include_context=False)
    return [{"field": ".".join(map(str, fault["loc"])), "detail": _plain(fault["msg"])} for fault in found]


def _plain(said: str) -> str:
    return said.removeprefix("Value error, ").replace("Input should", "Must").replace("String should", "Must")


def _problem(
    code: str,
    status: int,
    title: str,
    detail: str,
    more: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
) -> Problem:
    retry = {"Retry-After": str(_RETRY_SECONDS[code])} if code in _RETRY_SECONDS else {}
    members = {"type": f"/docs#{code}", "title": title, "status": status, "detail": detail, "code": code, **more}
    return Problem(status, members, {**retry, **(headers or {})})


def _http(error: HTTPException) -> Problem:
    """What Flask itself refuses: an address, a method, a size."""
    code = _BY_STATUS.get(error.code or 500, "not_json")
    kept = {name: value for name, value in error.get_headers() if name == "Allow"}
    return own(code, kept)


def _shown(value: object) -> object:
    match value:
        case Money():
            return {"amount_minor": value.minor, "currency": value.currency}
        case datetime():
            return value.isoformat()
        case _:
            return value
