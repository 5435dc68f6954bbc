"""Kenyan mobile numbers: how people write them, how we keep them, how we show them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import phonenumbers

from gateway.domain.errors import InvalidPhone

_TYPED = re.compile(r"[+0-9()\-. ]{1,20}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Phone:
    """A mobile number in E.164. ``str()`` and ``repr()`` show the last four digits only."""

    e164: str

    @property
    def last4(self) -> str:
        return self.e164[-4:]

    @property
    def masked(self) -> str:
        """For screens and operators: ``0712***678``."""
        return f"0{self.e164[4:7]}***{self.e164[-3:]}"

    @property
    def msisdn(self) -> str:
        """Digits without a plus, as Daraja wants them: ``254712345678``."""
        return self.e164[1:]

    @property
    def national(self) -> str:
        """As Kenyans dial it: ``0712345678``."""
        return "0" + self.e164[4:]

    def __str__(self) -> str:
        return f"****{self.last4}"

    def __repr__(self) -> str:
        return f"Phone(****{self.last4})"


def parse_phone(typed: str, region: str = "KE") -> Phone:
    """Read a mobile number in any usual form; raises ``InvalidPhone``.

    The acceptance rule and the library's oddities behind it: a leading ``00`` is parsed
    wrongly, an extension and trailing letters are let through, a fixed line is "valid".
    """
    text = typed.strip()
    if not _TYPED.fullmatch(text):
        raise InvalidPhone
    if text.startswith("00") and not text.startswith("000"):
        text = "+" + text[2:]
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as unreadable:
        raise InvalidPhone from unreadable
    mobile = phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
    if not mobile or number.extension or not phonenumbers.is_valid_number_for_region(number, region):
        raise InvalidPhone
    return Phone(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
