"""Reading what people type: forgiving about form, strict about meaning."""

from __future__ import annotations

import re

from gateway.domain.errors import InvalidAmount
from gateway.domain.money import MINOR_UNITS, Money

_AMOUNT = re.compile(
    r"(?:k(?:e)?sh?s?|kes|sh)?\.?\s*"
    r"(?P<units>\d{1,3}(?:[, ]\d{3})+|\d{1,9})"
    r"(?:\.(?P<cents>\d{1,2}))?"
    r"\s*(?:/[-=]?)?\s*(?:k(?:e)?sh?s?|kes|sh|bob)?",
    re.ASCII | re.IGNORECASE,
)


def read_amount(typed: str, currency: str = "KES") -> Money:
    """``1500``, ``1,500/-``, ``KES 1,500.50``: more than nothing, at most two decimals; raises ``InvalidAmount``.

    ``inf``, ``1e3``, ``1abc``, ``-5`` and ``0`` are refused: other systems let each of them through.
    """
    match = _AMOUNT.fullmatch(typed.strip())
    if match is None:
        raise InvalidAmount
    units = int(re.sub(r"[, ]", "", match["units"]))
    cents = int((match["cents"] or "").ljust(2, "0"))
    minor = units * MINOR_UNITS[currency] + cents
    if minor == 0:
        raise InvalidAmount
    return Money(minor, currency)


def read_digits(typed: str) -> str:
    """A PIN or a code without the blanks and dashes people put into it."""
    return re.sub(r"[ \-.]", "", typed)
