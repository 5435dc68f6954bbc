"""Calling Stripe: forms with bracket keys, a fixed version, an idempotency key on all that makes something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from integrations.http import Answer, Bearer, Http, NoAnswer, NotSent
from integrations.reading import printable, within

_log = structlog.get_logger(__name__)

VERSION = "2026-10-28.endive"
BALANCE = "/v1/balance"

#: The same call is still being carried out, or its answer got lost on their side: with the key it can be made again.
_AGAIN = frozenset({409, 500, 502, 503, 504})


class Api:
    """One account at Stripe. Safe to share between threads."""

    name = "stripe"

    def __init__(self, http: Http, secret_key: str) -> None:
        self._http = http
        self._auth = Bearer(secret_key)

    def make(self, path: str, form: Mapping[str, str | int], key: str) -> Answer:
        """Make something, once per ``key`` however often it is sent; raises ``NotSent``, ``NoAnswer``."""
        try:
            answer = self._post(path, form, key)
            if answer.status not in _AGAIN:
                return answer
        except NoAnswer:
            pass
        try:
            return self._post(path, form, key)
        except NotSent as gone:
            raise NoAnswer("the first call may have arrived") from gone

    def look(self, path: str) -> Answer:
        """Look at something; raises ``NotSent``, ``NoAnswer``."""
        return self._http.ask("GET", path, headers={"Stripe-Version": VERSION}, auth=self._auth)

    def is_up(self) -> bool:
        """Whether it answers something that changes nothing."""
        try:
            return self.look(BALANCE).status < 500
        except (NotSent, NoAnswer):
            return False

    def _post(self, path: str, form: Mapping[str, str | int], key: str) -> Answer:
        headers = {"Stripe-Version": VERSION, "Idempotency-Key": key}
        answer = self._http.send("POST", path, data=dict(form), headers=headers, auth=self._auth)
        if answer.status in (401, 403):
            _log.error("rail.credentials", rail=self.name, status=answer.status)
        return answer


def error_of(answer: Answer) -> str:
    """Stripe's word for what is wrong: the code, else the kind, else the status."""
    told: Mapping[str, Any] = within(answer.fields, "error")
    return printable(told.get("code")) or printable(told.get("type")) or str(answer.status)


def is_refusal(answer: Answer) -> bool:
    """Whether nothing was made. Of a key that was used for something else nobody knows what became of the first."""
    same_key = within(answer.fields, "error").get("type") == "idempotency_error"
    return 400 <= answer.status < 500 and answer.status != 409 and not same_key
