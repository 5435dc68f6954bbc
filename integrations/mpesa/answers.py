"""What Daraja answers at once to any request: taken, refused for certain, or nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.http import Answer
from integrations.mpesa.fields import code_text
from integrations.protocols import Outcome

#: Tokens are checked before a request is looked at, so repeating it with a new one is safe. Note the 404.
TOKEN_REFUSED = frozenset({"400.003.01", "404.001.03", "401.002.01", "401.003.01"})
#: Answers that prove that nothing was started, with our word for why.
NOTHING_STARTED = {
    "400.002.02": "config",
    "400.002.05": "config",
    "400.003.01": "config",
    "400.003.02": "config",
    "400.008.01": "config",
    "400.008.02": "config",
    "401.002.01": "config",
    "401.003.01": "config",
    "404.001.01": "config",
    "404.001.03": "config",
    "404.001.04": "config",
    "404.002.01": "config",
    "404.003.01": "config",
    "405.001": "config",
    "500.003.02": "busy",  # spike arrest
    "500.003.03": "busy",  # quota
}
AMBIGUOUS = "500.001.1001"
#: Refusals that share the ambiguous code with real trouble, told apart by a part of the message.
REFUSED_BY_MESSAGE = {
    "unable to lock subscriber": "busy",
    "merchant does not exist": "config",
    "wrong credentials": "config",
}
REFUSING_STATUSES = frozenset({400, 401, 404, 405})


@dataclass(frozen=True, slots=True)
class Said:
    """An answer read. ``code`` is the error's or the response's, ``message`` the error's in lower case."""

    outcome: Outcome
    code: str = ""
    reason: str = ""
    retry_safe: bool = False
    message: str = field(default="", repr=False)
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)


def read_answer(answer: Answer, reasons: Mapping[str, str]) -> Said:
    """Read any answer; ``reasons`` are our words for response codes other than 0."""
    fields = answer.fields
    error = code_text(fields.get("errorCode"))
    if error:
        return _refusal(answer.status, error, fields.get("errorMessage"))
    code = code_text(fields.get("ResponseCode"))
    if answer.ok and code:
        outcome = Outcome.ACCEPTED if code == "0" else Outcome.REJECTED
        return Said(outcome, code, "" if code == "0" else reasons.get(code, "other"), fields=fields)
    if answer.status == 429:
        return Said(Outcome.REJECTED, "429", "busy", retry_safe=True)
    if answer.status in REFUSING_STATUSES:
        return Said(Outcome.REJECTED, str(answer.status), "config", retry_safe=True)
    return Said(Outcome.UNKNOWN, str(answer.status))


def _refusal(status: int, code: str, message: object) -> Said:
    said = message.lower() if isinstance(message, str) else ""
    if code in NOTHING_STARTED:
        return Said(Outcome.REJECTED, code, NOTHING_STARTED[code], retry_safe=True, message=said)
    for part, reason in REFUSED_BY_MESSAGE.items() if code == AMBIGUOUS else ():
        if part in said:
            return Said(Outcome.REJECTED, code, reason, message=said)
    if code.startswith("4") and 400 <= status < 500:
        return Said(Outcome.REJECTED, code, "other", retry_safe=code.startswith("400."), message=said)
    return Said(Outcome.UNKNOWN, code, message=said)


def token_refused(answer: Answer) -> bool:
    code = code_text(answer.fields.get("errorCode"))
    return code in TOKEN_REFUSED or (answer.status == 401 and not code)
