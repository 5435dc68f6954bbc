"""Single values of Daraja's bodies, read leniently and exactly: codes, texts, shillings, phones and times.

Nothing here raises, whatever the value is: what cannot be read is ``None`` (or an empty code).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from gateway.domain.errors import InvalidPhone
from gateway.domain.money import Money
from gateway.domain.phone import Phone, parse_phone
from integrations.reading import printable

#: East Africa Time has no daylight saving; Daraja writes it without an offset.
EAT = timezone(timedelta(hours=3))

_MOST_SHILLINGS = 10**9
_CENT = Decimal("0.01")
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_STAMPS = (re.compile(r"[0-9]{14}"), "%Y%m%d%H%M%S"), (re.compile(r"[0-9.]{10} [0-9:]{8}"), "%d.%m.%Y %H:%M:%S")


def code_text(value: object) -> str:
    """A code as text, whether it came as number or string; empty when there is none."""
    if isinstance(value, bool):
        return ""
    if isinstance(value, Decimal):
        value = whole(value)
    return printable(value) or ""


def money(value: object, *, least: int = 0) -> Money | None:
    """Shillings with up to two decimals, as number or text. ``least`` lets a balance be negative."""
    shillings = _decimal(value)
    if shillings is None or not least <= shillings <= _MOST_SHILLINGS:
        return None
    to_the_cent = shillings.quantize(_CENT)
    return Money(int(to_the_cent * 100)) if to_the_cent == shillings else None


def balance(value: object) -> Money | None:
    """Shillings that an account may also owe."""
    return money(value, least=-_MOST_SHILLINGS)


def whole(value: object) -> int | None:
    """A whole number that may have come as ``20191219102115``, ``"20191219102115"`` or ``20191219102115.0``."""
    if isinstance(value, Decimal):
        return int(value) if abs(value) < 10**18 and value == value.to_integral_value() else None
    written = printable(value)
    return int(written) if written and _WHOLE.fullmatch(written) else None


def phone(value: object) -> Phone | None:
    """A number in clear; a masked or hashed one is ``None``."""
    digits = printable(value) if isinstance(value, str) else str(whole(value))
    try:
        return parse_phone(digits or "")
    except InvalidPhone:
        return None


def party(value: object) -> Phone | None:
    """The phone of ``254708374149 - JOHN DOE``; the name is personal data that nobody here needs."""
    return phone(value.partition(" - ")[0]) if isinstance(value, str) else None


def moment(value: object) -> datetime | None:
    """``yyyyMMddHHmmss`` or ``DD.MM.YYYY HH:MM:SS`` in East Africa Time, as aware UTC."""
    written = str(whole(value)) if isinstance(value, Decimal) else printable(value)
    for shape, form in _STAMPS:
        if written and shape.fullmatch(written):
            return _utc(written, form)
    return None


def _utc(written: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(written, form).replace(tzinfo=EAT).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal):
        return value
    written = printable(value)
    return Decimal(written) if written and _AMOUNT.fullmatch(written) else None
