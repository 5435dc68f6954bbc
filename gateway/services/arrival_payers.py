"""Who paid, as far as a rail tells it: the number in clear, its SHA-256, or some of its digits."""

from __future__ import annotations

import re
from hashlib import sha256

from gateway.domain.phone import Phone

_HASH = re.compile(r"[0-9a-f]{64}", re.IGNORECASE | re.ASCII)
_MASKED = re.compile(r"(\d*)[*xX]+(\d*)", re.ASCII)


def is_payer(phone: Phone, told: str) -> bool | None:
    """Whether ``phone`` can be who paid; ``None`` when the rail told nothing that can be compared.

    A mask shows some digits of the number: they can contradict, and never identify.
    """
    seen = re.sub(r"\s", "", told).removeprefix("+")
    if _HASH.fullmatch(seen):
        return sha256(phone.msisdn.encode()).hexdigest() == seen.lower()
    masked = _MASKED.fullmatch(seen)
    if masked:
        return phone.msisdn.startswith(masked[1]) and phone.msisdn.endswith(masked[2])
    return phone.msisdn == seen if seen.isdecimal() else None


def clear(told: str) -> Phone | None:
    """The number itself, when the rail told it: kept as ``+254...``."""
    return Phone(told) if told.startswith("+") else None
