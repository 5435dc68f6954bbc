"""Pages that fit a phone: GSM-7 septets, limits, and lists cut between items."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

#: 3GPP TS 23.038: one septet each ...
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: ... and those that need an escape: two.
_EXTENDED = frozenset("^{}[]~\\|€\f")
_PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "`": "'", "…": "...", "\t": " ", "\u00a0": " "})

#: What one page may hold on a network that is not listed: Safaricom's limit, ``CON `` counted in.
DEFAULT_SEPTETS = 160
PREFIX = len("CON ")


def septets(text: str) -> int:
    """How many GSM-7 septets ``text`` takes; raises ``ValueError`` for a character that is not in GSM-7."""
    count = 0
    for char in text:
        if char in _BASIC:
            count += 1
        elif char in _EXTENDED:
            count += 2
        else:
            raise ValueError(f"{char!r} is not in the GSM-7 alphabet")
    return count


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """The same text in GSM-7: typographic marks replaced, accents dropped, the rest a question mark."""
    if all(char in _BASIC or char in _EXTENDED for char in text):
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

    Items are never broken. An item that cannot fit a page of its own is cut. ``head`` stands on the first page
    only when the others need the room. Returns at least one page, each of at most ``room`` septets.
    """
    pages: list[str] = []
    left = list(items)
    lead = head
    while True:
        page, used = _fill(lead, left, tail, room)
        if used == len(left):
            return [*pages, page]
        page, used = _fill(lead, left, more_tail, room)
        if used == 0 and not pages and lead:
            used = 0
        if used == 0:
            left[0] = cut(left[0], room - septets(_joined("", "", more_tail)) - 1)
            page, used = _fill("", left, more_tail, room)
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
