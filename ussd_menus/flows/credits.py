"""Verification credits: how many there are, buying more by a link, and what one buys: a look at a number."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.domain.errors import NotEnoughCredits, SamePerson
from gateway.domain.phone import parse_phone
from ussd_menus.engine import BadOption
from ussd_menus.flows.who import member
from ussd_menus.ports import Checked, Offer, World
from ussd_menus.screens import Confirm, End, Menu, Option, Prompt, Screen
from ussd_menus.session import Session
from ussd_menus.typed import read_digits


def open_credits(world: World, session: Session) -> Session:
    """The screen that shows what there is."""
    return session.go("credits", count=world.credits(member(session)).minor)


def _offers(world: World, session: Session) -> Session:
    lines = (f"{n} {offer.credits} {offer.price}" for n, offer in enumerate(world.offers(), 1))
    return session.go("credits.buy", offers="\n".join(lines))


def _buy(world: World, session: Session, typed: str) -> Session:
    offer = _picked(world, typed)
    world.buy_credits(member(session), offer.package, session.text("key"))
    return session.go("credits.asked", bought=str(offer.credits), price=str(offer.price))


def _picked(world: World, typed: str) -> Offer:
    by_number = {str(number): offer for number, offer in enumerate(world.offers(), 1)}
    if typed not in by_number:
        raise BadOption
    return by_number[typed]


def _number(world: World, session: Session, typed: str) -> Session:
    phone = parse_phone(typed)
    if world.is_calling_number(phone):
        raise SamePerson
    return session.go("credits.confirm", about_phone=world.seal_number(phone), to_shown=phone.masked)


def _check(world: World, session: Session, typed: str) -> Session:
    phone, key = session.text("about_phone"), session.text("key")
    checked = world.check_number(member(session), read_digits(typed), phone, key)
    since = f"{checked.since:%m/%Y}" if checked.since else ""
    return session.go(_facts(checked), count=checked.balance.minor, shown=checked.name, since=since)


def _facts(checked: Checked) -> str:
    if not checked.name:
        return "credits.nobody"
    return "credits.verified" if checked.verified else "credits.unverified"


def _left(session: Session) -> Mapping[str, object]:
    return {"count": f"{int(session.facts['count']):,}"}


def _about(session: Session) -> Mapping[str, object]:
    return {**_left(session), "to": session.text("to_shown")}


def _who(session: Session) -> Mapping[str, object]:
    return {**_about(session), "name": session.text("shown"), "since": session.text("since")}


SCREENS: tuple[Screen, ...] = (
    Menu(
        "credits",
        (
            Option("opt.buy_credits", "credits.buy", do=_offers),
            Option("opt.check_number", "credits.check"),
        ),
        back="profile",
        blanks=_left,
    ),
    Prompt(
        "credits.buy",
        _buy,
        ("credits.asked",),
        back="credits",
        blanks=lambda s: {"offers": s.text("offers")},
        acts=True,
    ),
    End(
        "credits.asked",
        lambda s: {"price": s.text("price"), "credits": s.text("bought")},
        told=True,
    ),
    Prompt("credits.check", _number, ("credits.confirm",), back="credits"),
    Confirm(
        "credits.confirm",
        _check,
        ("credits.verified", "credits.unverified", "credits.nobody"),
        back="credits.check",
        blanks=lambda s: {"to": s.text("to_shown")},
        returns={NotEnoughCredits.code: "credits", SamePerson.code: "credits.check"},
        resumes=False,
    ),
    End("credits.verified", _who),
    End("credits.unverified", _who),
    End("credits.nobody", _about),
)
