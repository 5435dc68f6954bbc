"""What strangers typed: read forgivingly, and never said back as it came."""

from __future__ import annotations

import re

from gateway.domain.references import ALPHABET

_PREFIX = "ML"
#: What people write for what they see. Our references have none of these letters.
_LOOKS_LIKE = str.maketrans("OIL", "011")
_NOT_A_CODE = re.compile(r"[\s.\-_/#]+")
_ECHOED = re.compile(r"[^A-Za-z0-9 \-/]")
#: Nine digits and more are somebody's number; between them stands what people put there.
_NUMBER = re.compile(r"(\d(?:[ \-/]?\d){3})[ \-/]?(?:\d[ \-/]?){2,}((?:\d[ \-/]?){2}\d)")


def reference_in(typed: str) -> str | None:
    """The reference that may be meant, however it is spaced: ``57ms 7j4m`` is ``57MS7J4M``. No account number."""
    code = _code(typed)
    return None if code.startswith(_PREFIX) else _of_our_letters(code, 8)


def account_number_in(typed: str) -> str | None:
    """The account number that may be meant: ``ml 7f3k9q`` is ``ML-7F3K9Q``."""
    code = _code(typed)
    rest = _of_our_letters(code.removeprefix(_PREFIX), 6) if code.startswith(_PREFIX) else None
    return f"{_PREFIX}-{rest}" if rest else None


def echoed(typed: str, most: int = 20) -> str:
    """A stranger's text as it may stand in an SMS: short, no links, no full number, one septet a character."""
    short = " ".join(_ECHOED.sub(" ", typed[:most]).split())
    return _NUMBER.sub(r"\1***\2", short)


def _code(typed: str) -> str:
    return _NOT_A_CODE.sub("", typed[:64]).upper()


def _of_our_letters(code: str, length: int) -> str | None:
    read = code.translate(_LOOKS_LIKE)
    return read if len(read) == length and set(read) <= set(ALPHABET) else None
