"""People's names: how they are tidied when they are given, and how much of them other people see."""

from __future__ import annotations

import re
import unicodedata

from gateway.domain.errors import InvalidName

LONGEST_NAME = 40

#: The letters of GSM-7 beyond ASCII: any other would halve the length of every SMS that carries the name.
_GSM7_LETTERS = "èéùìòÇØøÅåÆæßÉÄÖÑÜäöñüà"
_ALLOWED = re.compile(rf"[A-Za-z0-9{_GSM7_LETTERS} '.&-]+")
#: "bit.ly" would make a link of a name.
_LINK = re.compile(r"\.\w{2}")


def clean_name(typed: str) -> str:
    """A tidy name of 1 to 40 GSM-7 characters, at least one a letter; raises ``InvalidName``.

    Blanks are collapsed, accents GSM-7 lacks are dropped, and a name typed all small or all capital is capitalised.
    """
    name = " ".join(_spelled(typed.replace("\u2019", "'")).split())
    if not 0 < len(name) <= LONGEST_NAME or not any(letter.isalpha() for letter in name):
        raise InvalidName
    if not _ALLOWED.fullmatch(name) or _LINK.search(name):
        raise InvalidName
    return _capitalised(name) if name.islower() or name.isupper() else name


def masked(name: str) -> str:
    """What others see of a name: ``Jane Mwangi`` is ``J*** M``, ``Jane`` is ``J***``."""
    words = name.split()
    first, last = words[0], words[-1]
    return f"{first[0]}*** {last[0]}" if len(words) > 1 else f"{first[0]}***"


def _spelled(text: str) -> str:
    """Letters GSM-7 has are kept as they are, others lose their accents."""
    return "".join(
        letter if letter in _GSM7_LETTERS else unicodedata.normalize("NFD", letter)[0]
        for letter in unicodedata.normalize("NFC", text)
    )


def _capitalised(name: str) -> str:
    return re.sub(r"[^\s-]+", lambda word: word[0].capitalize(), name)
