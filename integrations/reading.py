"""Reading single values out of what a provider sent: a value that is not what it should be is ``None``."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gateway.domain.money import MINOR_UNITS, Money

_MOST_MAJOR = 10**12
_PRINTABLE = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?")
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)
_ADDRESS = re.compile(r"https?://[!-~]{1,1900}")
#: What we let into somebody else's path: ids of theirs, never a slash.
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def printable(value: object) -> str | None:
    """A short text of ASCII characters (up to 128), also from a whole number: what is stored cannot break a row."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    if isinstance(value, int) and abs(value) > 10**18:
        return None
    written = str(value).strip()
    return written if _PRINTABLE.fullmatch(written) else None


def identifier(value: object) -> str | None:
    """An id that can be put into an address."""
    written = printable(value)
    return written if written and _ID.fullmatch(written) else None


def web_address(value: object) -> str | None:
    """An ``http://`` or ``https://`` address."""
    return value if isinstance(value, str) and _ADDRESS.fullmatch(value) else None


def currency(value: object) -> str | None:
    """A currency that exists here, from either case."""
    code = value.upper() if isinstance(value, str) else ""
    return code if code in MINOR_UNITS else None


def major(value: object, of: object) -> Money | None:
    """An amount in major units (``1500``, ``1500.5``, ``"1500.50"``) of a currency told beside it."""
    code, units = currency(of), _decimal(value)
    if code is None or units is None or not 0 <= units <= _MOST_MAJOR:
        return None
    minor = units * MINOR_UNITS[code]
    return Money(int(minor), code) if minor == minor.to_integral_value() else None


def minor(value: object, of: object) -> Money | None:
    """An amount in minor units (``150000``) of a currency told beside it."""
    code = currency(of)
    if code is None or type(value) is not int or not 0 <= value <= _MOST_MAJOR * 100:
        return None
    return Money(value, code)


def in_major_units(amount: Money) -> int | str:
    """As such rails want it back: ``1500``, or ``"1500.50"``, exactly."""
    units, rest = divmod(amount.minor, MINOR_UNITS[amount.currency])
    return f"{units}.{rest:02d}" if rest else units


def moment(value: object) -> datetime | None:
    """``2025-01-14T09:23:03.000Z`` as aware UTC; a time without a zone is UTC."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        read = datetime.fromisoformat(value)
        return read.replace(tzinfo=read.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def epoch(value: object) -> datetime | None:
    """Seconds since 1970 as aware UTC."""
    if type(value) is not int or not 0 <= value < 10**11:
        return None
    return datetime.fromtimestamp(value, UTC)


def within(body: Any, *names: str) -> dict[str, Any]:
    """The object at a path of names, empty when there is none."""
    for name in names:
        body = body.get(name) if isinstance(body, dict) else None
    return body if isinstance(body, dict) else {}


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    written = printable(value)
    return Decimal(written) if written and _NUMBER.fullmatch(written) else None
