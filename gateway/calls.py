"""What a hop is made of: the call as it was posted, the reply, its rules, and whom it needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.errors import InvalidPhone
from gateway.domain.phone import Phone, parse_phone
from gateway.vault import Vault
from ussd_menus.page import DEFAULT_SEPTETS, PREFIX
from ussd_menus.ports import World
from ussd_menus.session import Session

_MSISDN = re.compile(r"[+ ]?(254[0-9]{9})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Call:
    """A hop as the provider posts it. ``phone`` is as it came, ``text`` the transcript so far (it holds the PIN).

    ``proven`` says that the provider carried our own mark of an earlier hop of this session back to us.
    """

    session_id: str
    phone: str
    network_code: str
    service_code: str
    text: str
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """``body`` starts with ``CON `` or ``END ``. The rest is for the funnel and the metrics.

    ``outcome``: con, end, replayed, late, refused, malformed, away.
    """

    body: str
    screen: str
    language: str = "en"
    outcome: str = "con"


class MakesWorlds(Protocol):
    """The desk behind the screens, for one caller."""

    def __call__(self, phone: Phone, tag: str) -> World: ...


class Afterwards(Protocol):
    """Who tells a caller by SMS what a page could not tell any more."""

    def promise(self, phone: Phone, session: Session) -> None:
        """The caller was told that an SMS comes: see to it, whatever happens to this process."""

    def tell(self, phone: Phone, session: Session, outcome: str) -> None:
        """The outcome of a hop that took too long, in place of what was promised for it."""


@dataclass(frozen=True, slots=True)
class HopRules:
    """Figures of the settings that a hop needs."""

    budget_seconds: float = 2.0
    latest_input_only: bool = False
    page_septets: dict[str, int] | None = None

    def room(self, network_code: str) -> int:
        """Septets of a page on this network, without the prefix."""
        return (self.page_septets or {}).get(network_code, DEFAULT_SEPTETS) - PREFIX


def phone_tag(vault: Vault, phone: Phone) -> str:
    """What sessions and drafts know a phone by."""
    return vault.digest("phone tag", phone.e164).hex()


def calling_number(typed: str, *, known: bool) -> Phone | None:
    """The calling number, ``None`` when it is no mobile. Parsed in full once, when its session begins.

    A bare plus arrives as a blank, some gateways leave it out.
    """
    match = _MSISDN.fullmatch(typed)
    if known and match:
        return Phone("+" + match[1])
    try:
        return parse_phone("+" + match[1] if match else typed)
    except InvalidPhone:
        return None
