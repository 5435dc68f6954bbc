"""Reading single values of PayHero's bodies: what is not of its kind is ``None``, and nothing raises."""

from __future__ import annotations

import re
from decimal import Decimal

from gateway.domain.errors import InvalidPhone
from gateway.domain.money import Money
from gateway.domain.phone import Phone, parse_phone

_PRINTABLE = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?")
_DECIMAL = re.compile(r"[0-9]{1,10}(\.[0-9]{1,6})?")
_MOST_SHILLINGS = 10**9


def text(value: object) -> str | None:
    """A short printable text (up to 128 ASCII characters): what is stored cannot break a database."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    if not isinstance(value, str):
        if not -(10**18) < value < 10**18 or value != int(value):
            return None
        value = int(value)
    written = str(value).strip()
    return written if _PRINTABLE.fullmatch(written) else None


def word(value: object) -> str:
    """A status as a word in lower case; empty when there is none, also for the booleans of other fields."""
    return (text(value) or "").lower() if isinstance(value, str) else ""


def shillings(value: object) -> Money | None:
    """Shillings, written as a number or as text, with cents or without."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        value = Decimal(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    if not 0 <= value <= _MOST_SHILLINGS:
        return None
    minor = value * 100
    return Money(int(minor)) if minor == int(minor) else None


def phone(value: object) -> Phone | None:
    """A number in any usual form: ``+2547…``, ``2547…`` as text or number, ``07…``."""
    try:
        return parse_phone(text(value) or "")
    except InvalidPhone:
        return None
