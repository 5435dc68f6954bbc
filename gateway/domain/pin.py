"""Which PINs are too easy to guess: by the rules people follow when they choose one."""

from __future__ import annotations

import re

from gateway.domain.errors import WeakPin
from gateway.domain.phone import Phone

_UP = "01234567890123456789"
_DOWN = _UP[::-1]
_REPEATED = re.compile(r"(\d{1,3})\1+", re.ASCII)
_YEARS = range(1940, 2030)

#: What the rules below do not catch of the PINs and passcodes seen most often in leaks: patterns on the keypad,
#: mirrored digits, and numbers that mean something.
_COMMON = frozenset(
    """
    0007 0110 0420 0852 0911 1001 1004 1122 1221 1331 1342 1357 1397 1441 1470 1472 1478 1551 1590 1661
    1771 1881 2112 2244 2468 2486 2580 3579 3690 4200 5683 7410 7531 8520 8642 9630 9753 00700 02580
    11223 12321 13579 14789 24680 25800 35791 75391 100000 102030 111222 112211 112233 123321 123654
    124578 135790 147258 147369 147852 159357 159753 200000 222111 246810 258456 321123 520131 741852
    777888 789456 852456 963852
    """.split()  # noqa: SIM905
)


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
