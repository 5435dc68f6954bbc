"""Short references people can read out: no I, L, O or U, so nothing can be misheard as a digit."""

from __future__ import annotations

import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_reference(length: int = 8) -> str:
    """An unguessable reference, unique without a central counter: 8 characters hold 40 bits."""
    bits = secrets.randbits(5 * length)
    return "".join([ALPHABET[bits >> shift & 31] for shift in range(0, 5 * length, 5)])


def new_account_number() -> str:
    """What an account is called by people: ``ML-7F3K9Q``."""
    return "ML-" + new_reference(6)
