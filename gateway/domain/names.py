"""People's names: read as typed, kept tidy, shown masked."""

from __future__ import annotations

import re
import unicodedata

from gateway.domain.errors import InvalidName

MOST_CHARACTERS = 40
_ALLOWED = re.compile(r"[A-Za-z][A-Za-z '\-.]*")


def clean_name(typed: str) -> str:
    """A name in plain letters: accents dropped, blanks collapsed, ``JANE mwangi`` as ``Jane Mwangi``.

    Raises ``InvalidName`` when it does not begin with a letter, holds digits or signs, or is over 40 characters.
    """
    decomposed = unicodedata.normalize("NFKD", typed.replace("\u2019", "'"))
    name = " ".join("".join(char for char in decomposed if not unicodedata.combining(char)).split())
    if len(name) > MOST_CHARACTERS or not _ALLOWED.fullmatch(name):
        raise InvalidName
    return " ".join(part.capitalize() if part.islower() or part.isupper() else part for part in name.split())


def masked(name: str) -> str:
    """Enough to recognise, too little to learn: ``Jane Mwangi`` is ``J*** M.``."""
    first, *rest = name.split()
    return f"{first[0]}***" + (f" {rest[-1][0]}." if rest else "")
