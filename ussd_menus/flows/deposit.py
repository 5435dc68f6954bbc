"""Deposit: the amount; M-Pesa asks for its PIN after the call, because an open call hides the prompt."""

from __future__ import annotations

from ussd_menus.flows.who import member
from ussd_menus.ports import World
from ussd_menus.screens import End, Prompt, Screen
from ussd_menus.session import Session
from ussd_menus.typed import read_amount


def _amount(world: World, session: Session, typed: str) -> Session:
    amount = read_amount(typed)
    reference = world.deposit(member(session), amount, session.text("key"))
    return session.go("deposit.asked", amount_minor=amount.minor, reference=reference)


SCREENS: tuple[Screen, ...] = (
    Prompt("deposit.amount", _amount, ("deposit.asked",), back="home", acts=True),
    End(
        "deposit.asked",
        lambda s: {"amount": s.money("amount_minor"), "reference": s.text("reference")},
        told=True,
    ),
)
