"""The name a person or shop goes by: it stands in other people's SMS, so it must not carry anything else."""

from __future__ import annotations

import re
import unicodedata

from gateway.domain.errors import InvalidName

LONGEST_NAME = 40

_ALLOWED = re.compile(r"[\w '.&-]+")
# "bit.ly" in an invitation would make a link of a name.
_LINK = re.compile(r"\.\w{2}")


def read_name(typed: str) -> str:
    """A tidy name: one blank between words, at most 40 characters; raises ``InvalidName``."""
    name = " ".join(unicodedata.normalize("NFC", typed).replace("\u2019", "'").split())
    fits = 0 < len(name) <= LONGEST_NAME and any(character.isalpha() for character in name)
    if not fits or not _ALLOWED.fullmatch(name) or _LINK.search(name) or "_" in name:
        raise InvalidName
    return name
