"""Calls to PayHero with our credentials, and what an answer to the start of a payment or withdrawal proves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from requests.auth import AuthBase
from requests.models import PreparedRequest

from integrations.http import Answer, Http, NoAnswer, NotSent, Observer, Patience
from integrations.payhero.values import text
from integrations.protocols import Outcome

_log = structlog.get_logger(__name__)

NAME = "payhero"
#: Answers that prove that nothing was started, with our word for why. No error bodies are documented.
_REFUSING = {400: "config", 401: "config", 403: "config", 404: "config", 405: "config", 422: "config", 429: "busy"}


@dataclass(frozen=True, slots=True)
class Started:
    """What became of a call that starts something; ``fields`` is the body of an answer."""

    outcome: Outcome
    code: str = ""
    reason: str = ""
    retry_safe: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def refusal(self) -> str:
        """What the rail says in words, in lower case."""
        words = (self.fields.get(name) for name in ("error_message", "message", "error", "ResultDesc"))
        return next((said.lower() for said in words if isinstance(said, str)), "")


class Calls:
    """One account's calls. Safe to share between threads."""

    def __init__(self, base_url: str, auth: AuthBase, patience: Patience, observer: Observer | None = None) -> None:
        self._http = Http(NAME, base_url, patience, observer)
        self._auth = auth

    def start(self, path: str, request: Mapping[str, Any]) -> Started:
        """Post once. There is no idempotency: whatever does not prove a refusal is ``UNKNOWN``, and not repeated."""
        if self._http.is_shut:
            return Started(Outcome.REJECTED, "breaker_open", "busy", retry_safe=True)
        try:
            return _started(self._checked(self._http.send("POST", path, json=dict(request), auth=self._auth)))
        except NotSent:
            return Started(Outcome.REJECTED, "not_sent", "busy", retry_safe=True)
        except NoAnswer:
            return Started(Outcome.UNKNOWN, "no_answer")

    def ask(self, path: str, **query: str) -> Answer | None:
        """Get what changes nothing; ``None`` in silence."""
        try:
            return self._checked(self._http.ask("GET", path, params=query, auth=self._auth))
        except (NotSent, NoAnswer):
            return None

    def fields(self, path: str, **query: str) -> Mapping[str, Any]:
        """The object that was asked for; empty when there is none."""
        answer = self.ask(path, **query)
        return answer.fields if answer and answer.ok else {}

    def close(self) -> None:
        self._http.close()

    def _checked(self, answer: Answer) -> Answer:
        if answer.status == 401:
            # Nothing works until a person has put this right.
            _log.error("rail.config", rail=NAME, why="PayHero refuses our credentials")
        return answer


class Bearer(AuthBase):
    """As ``auth`` it also wins over a ``.netrc`` of the machine."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def _started(answer: Answer) -> Started:
    """A 2xx with ``success: false`` is a refusal; one without an object says nothing."""
    code = str(answer.status)
    if answer.status in _REFUSING:
        return Started(Outcome.REJECTED, code, _REFUSING[answer.status], retry_safe=True, fields=answer.fields)
    if not answer.ok or not answer.fields:
        return Started(Outcome.UNKNOWN, code, fields=answer.fields)
    if answer.fields.get("success") is False:
        return Started(Outcome.REJECTED, text(answer.fields.get("status")) or code, "declined", fields=answer.fields)
    return Started(Outcome.ACCEPTED, code, fields=answer.fields)
