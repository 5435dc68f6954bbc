"""Send money: to whom, how much, what it costs, PIN."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.domain.errors import (
    AccountFrozen,
    AmountTooLarge,
    ClaimsLimitReached,
    DayLimitReached,
    NotEnoughMoney,
    SamePerson,
)
from gateway.domain.phone import parse_phone
from ussd_menus.flows.who import member
from ussd_menus.ports import World
from ussd_menus.screens import Confirm, End, Prompt, Screen
from ussd_menus.session import Session
from ussd_menus.typed import read_amount, read_digits


def _to(world: World, session: Session, typed: str) -> Session:
    payee = world.payee(member(session), parse_phone(typed))
    return session.go("send.amount", to=payee.sealed, to_shown=payee.shown)


def _amount(world: World, session: Session, typed: str) -> Session:
    quote = world.quote(member(session), session.text("to"), read_amount(typed))
    return session.go("send.confirm", amount_minor=quote.amount.minor, fee_minor=quote.fee.minor, ticket=quote.ticket)


def _send(world: World, session: Session, typed: str) -> Session:
    receipt = world.send(member(session), read_digits(typed), session.text("ticket"), session.text("key"))
    return session.go("send.done", reference=receipt.reference, balance_minor=receipt.balance.minor)


def _what(session: Session) -> Mapping[str, object]:
    return {"amount": session.money("amount_minor"), "fee": session.money("fee_minor"), "to": session.text("to_shown")}


def _done(session: Session) -> Mapping[str, object]:
    return {**_what(session), "reference": session.text("reference"), "balance": session.money("balance_minor")}


SCREENS: tuple[Screen, ...] = (
    Prompt("send.to", _to, ("send.amount",), back="home"),
    Prompt(
        "send.amount",
        _amount,
        ("send.confirm",),
        back="send.to",
        blanks=lambda s: {"to": s.text("to_shown")},
        resumes=True,
    ),
    Confirm(
        "send.confirm",
        _send,
        ("send.done",),
        back="send.amount",
        blanks=_what,
        returns={
            NotEnoughMoney.code: "send.amount",
            DayLimitReached.code: "send.amount",
            AmountTooLarge.code: "send.amount",
            SamePerson.code: "send.to",
            ClaimsLimitReached.code: "send.to",
            AccountFrozen.code: "home",
        },
    ),
    End("send.done", _done, told=True),
)
