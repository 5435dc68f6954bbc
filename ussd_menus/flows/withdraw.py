"""Withdraw: how much, what it costs, PIN; M-Pesa pays after the call, and an SMS tells what became of it."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.domain.errors import (
    AccountFrozen,
    AmountTooLarge,
    AmountTooSmall,
    DayLimitReached,
    NotEnoughMoney,
    PayoutsPaused,
    RailDown,
)
from ussd_menus.flows.who import member
from ussd_menus.ports import World
from ussd_menus.screens import Confirm, End, Prompt, Screen
from ussd_menus.session import Session
from ussd_menus.typed import read_amount, read_digits


def _amount(world: World, session: Session, typed: str) -> Session:
    quote = world.quote_withdrawal(member(session), read_amount(typed))
    said = {"amount_minor": quote.amount.minor, "fee_minor": quote.fee.minor}
    return session.go("withdraw.confirm", **said, to_shown=quote.to)


def _withdraw(world: World, session: Session, typed: str) -> Session:
    amount, key = session.money("amount_minor"), session.text("key")
    return session.go("withdraw.done", reference=world.withdraw(member(session), read_digits(typed), amount, key))


def _what(session: Session) -> Mapping[str, object]:
    return {"amount": session.money("amount_minor"), "fee": session.money("fee_minor"), "to": session.text("to_shown")}


SCREENS: tuple[Screen, ...] = (
    Prompt("withdraw.amount", _amount, ("withdraw.confirm",), back="home"),
    Confirm(
        "withdraw.confirm",
        _withdraw,
        ("withdraw.done",),
        back="withdraw.amount",
        blanks=_what,
        returns={
            NotEnoughMoney.code: "withdraw.amount",
            DayLimitReached.code: "withdraw.amount",
            AmountTooLarge.code: "withdraw.amount",
            AmountTooSmall.code: "withdraw.amount",
            RailDown.code: "home",
            PayoutsPaused.code: "home",
            AccountFrozen.code: "home",
        },
    ),
    End(
        "withdraw.done",
        lambda s: {"amount": s.money("amount_minor"), "reference": s.text("reference")},
        told=True,
    ),
)
