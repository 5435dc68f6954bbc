"""Pages that fit a phone: GSM-7 septets, limits, and lists cut between items."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

#: 3GPP TS 23.038: one septet each ...
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: ... and those that need an escape: two.
_EXTENDED = frozenset("^{}[]~\\|€\f")
#: Typographic quotes, dashes, the back-tick, dots and blanks as a keyboard has them.
_PLAIN = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014`\t\u00a0", "''\"\"--'  ")
_ONE_SEPTET_EACH = re.compile(r"[\n\r -Z_a-z]*")

#: What one page may hold on a network that is not listed: Safaricom's limit, ``CON `` counted in.
DEFAULT_SEPTETS = 160
PREFIX = len("CON ")


def septets(text: str) -> int:
    """How many GSM-7 septets ``text`` takes; raises ``ValueError`` for a character that is not in GSM-7."""
    if _ONE_SEPTET_EACH.fullmatch(text):
        return len(text)
    count = 0
    for char in text:
        if char in _BASIC:
            count += 1
        elif char in _EXTENDED:
            count += 2
        else:
            raise ValueError(f"{char!r} is not in the GSM-7 alphabet")
    return count


def plain(text: str) -> str:
    """The same text in GSM-7: typographic marks replaced, accents dropped, the rest a question mark."""
    if _ONE_SEPTET_EACH.fullmatch(text):
        return text
    return "".join(_nearest(char) for char in text.translate(_PLAIN))


def _nearest(char: str) -> str:
    if char in _BASIC or char in _EXTENDED:
        return char
    base = unicodedata.normalize("NFKD", char)[0]
    return base if base in _BASIC else "?"


def cut(text: str, most: int) -> str:
    """``text`` in at most ``most`` septets, with two dots where it was cut."""
    if septets(text) <= most:
        return text
    while septets(text) > most - 2:
        text = text[:-1]
    return text + ".."


def paged(head: str, items: Sequence[str], tail: str, more_tail: str, room: int) -> list[str]:
    """``head``, as many ``items`` as fit, and the tail: ``more_tail`` on every page but the last.

    Items are never broken; one that cannot fit a page of its own is cut. ``head`` stands on the first page only.
    Returns at least one page, each of at most ``room`` septets as long as ``head`` and a tail fit one.
    """
    pages: list[str] = []
    left, lead = list(items), head
    while True:
        page, used = _fill(lead, left, tail, room)
        if used == len(left):
            return [*pages, page]
        page, used = _fill(lead, left, more_tail, room)
        if used == 0 and not lead:
            left[0] = cut(left[0], room - septets(_joined("", "", more_tail)) - 1)
            page, used = _fill(lead, left, more_tail, room)
        pages.append(page)
        left = left[used:]
        lead = ""


def _fill(lead: str, items: Sequence[str], tail: str, room: int) -> tuple[str, int]:
    taken = len(items)
    while taken and septets(_joined(lead, "\n".join(items[:taken]), tail)) > room:
        taken -= 1
    return _joined(lead, "\n".join(items[:taken]), tail), taken


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
