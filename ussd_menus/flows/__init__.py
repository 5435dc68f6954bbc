"""Every screen of the service, flow by flow."""

from __future__ import annotations

from ussd_menus.flows import (
    credits,
    deposit,
    home,
    language,
    profile,
    registration,
    send,
    signin,
    statement,
    withdraw,
)
from ussd_menus.screens import Screen

FLOWS = (home, language, registration, signin, send, deposit, withdraw, statement, profile, credits)


def all_screens() -> tuple[Screen, ...]:
    return tuple(screen for flow in FLOWS for screen in flow.SCREENS)
