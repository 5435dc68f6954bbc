"""Which PINs are too easy to guess: by the rules people follow when they choose one."""

from __future__ import annotations

import re

from gateway.domain.errors import WeakPin
from gateway.domain.phone import Phone

_UP = "01234567890123456789"
_DOWN = _UP[::-1]
_REPEATED = re.compile(r"(\d{1,3})\1+", re.ASCII)
_YEARS = range(1940, 2030)

#: The most common ones of leaks that the rules below do not catch. With three guesses before the lock, only the few
#: most common matter; refusing more would only send people away.
_COMMON = frozenset({"0852", "1004", "1122", "1342"})


def refuse_weak(pin: str, phone: Phone) -> None:
    """Raises ``WeakPin`` unless ``pin`` is 4 to 6 digits that are not easy to guess for the owner of ``phone``."""
    if is_weak(pin, phone):
        raise WeakPin


def is_weak(pin: str, phone: Phone) -> bool:
    if not re.fullmatch(r"[0-9]{4,6}", pin):
        return True
    return _is_pattern(pin) or _is_year(pin) or pin in phone.national or pin in phone.msisdn or pin in _COMMON


def _is_pattern(pin: str) -> bool:
    """All alike, a repeated group (1212, 123123), or a run up or down, also through zero (7890, 0987)."""
    return bool(_REPEATED.fullmatch(pin)) or pin in _UP or pin in _DOWN


def _is_year(pin: str) -> bool:
    return len(pin) == 4 and int(pin) in _YEARS
