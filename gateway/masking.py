"""The last defence of the logs: what looks like a phone number, a PIN, a code or a key is masked.

Nobody may rely on it: who logs leaves secrets out. It is here for the line that was forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

MASK = "***"

#: Names whose values are never shown, alone or at the end of a longer name: ``pin``, ``new_pin``, ``mpesa_passkey``.
_HIDDEN = (
    "pin|otp|password|passwd|passkey|passphrase|secret|token|authorization|cookie|credential|pepper|api_?key"
    "|encryption_?key|security_?credential|text|input|body|sealed|apikey|consumer_?key|hash"
)
_SECRET_NAME = re.compile(rf"(?:^|[_\-.])(?:{_HIDDEN})s?$", re.IGNORECASE)

#: In running text, in order.
_IN_TEXT: list[tuple[re.Pattern[str], str]] = [
    # PostgreSQL's DETAIL repeats the whole row that was refused
    (re.compile(r"DETAIL:.*?(?=\n\s*\n|\n\[SQL|\Z)", re.DOTALL), f"DETAIL: {MASK}"),
    (re.compile(r"://[^/\s@]+@"), f"://{MASK}@"),
    (re.compile(r"\b(bearer|basic)\s+[\w+/=.~-]{4,}", re.IGNORECASE), rf"\1 {MASK}"),
    (
        re.compile(
            rf"""((?<![a-z])(?:\w*_)?(?:{_HIDDEN})s?["']?\s*[=:]\s*["']?)(?!\s)[^\s"'&,}}]+""",
            re.IGNORECASE,
        ),
        rf"\g<1>{MASK}",
    ),
    # Daraja's ids end in the payer's number
    (re.compile(r"ws_CO_\d*(\d{4})\b"), rf"ws_CO_{MASK}\1"),
]
_PHONE = re.compile(r"(?<!\d)(?:\+?254|0)[\s-]?[17]\d{2}[\s-]?\d{2}(\d)[\s-]?(\d{3})(?!\d)")


def mask_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: the same event, masked."""
    for name, value in list(event.items()):
        event[name] = _value(name, value)
    return event


def mask_text(text: str) -> str:
    """Running text without numbers, codes and keys; of a phone number the last four digits stay."""
    for pattern, instead in _IN_TEXT:
        text = pattern.sub(instead, text)
    return _PHONE.sub(r"****\1\2", text)


def _value(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if _SECRET_NAME.search(name):
        return MASK
    return _unnamed(value)


def _unnamed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _value(str(key), each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_unnamed(each) for each in value]
    if isinstance(value, int):
        return value if _PHONE.search(str(value)) is None else mask_text(str(value))
    return mask_text(value.decode(errors="replace") if isinstance(value, bytes) else str(value))
