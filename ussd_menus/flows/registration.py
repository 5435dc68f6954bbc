"""Create account: this number, or another one proved by a code; name, PIN twice."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.domain.errors import Refusal
from gateway.domain.names import clean_name
from gateway.domain.phone import parse_phone
from ussd_menus.ports import World
from ussd_menus.screens import End, Menu, Option, Prompt, Screen
from ussd_menus.session import Session
from ussd_menus.typed import read_digits


class PinsDiffer(Refusal):
    """The repeated PIN is not the one chosen."""

    code = "pins_differ"


def _number(world: World, session: Session, typed: str) -> Session:
    phone = parse_phone(typed)
    if world.is_calling_number(phone):
        return session.go("register.name", phone="")
    return session.go("register.code", phone=world.send_code(phone, session.language), phone_shown=phone.masked)


def _code(world: World, session: Session, typed: str) -> Session:
    world.check_code(session.text("phone"), read_digits(typed))
    holder = world.holder(session.text("phone"))
    if holder is not None and holder.has_pin:
        return session.go("signin.pin", number=holder.number)
    return session.go("register.name")


def _name(_: World, session: Session, typed: str) -> Session:
    return session.go("register.pin", name=clean_name(typed))


def _pin(world: World, session: Session, typed: str) -> Session:
    return session.go("register.repeat", pin=world.weigh_pin(read_digits(typed), session.text("phone")))


def _repeat(world: World, session: Session, typed: str) -> Session:
    pin = read_digits(typed)
    if world.weigh_pin(pin, session.text("phone")) != session.text("pin"):
        raise PinsDiffer
    opened = world.create_account(session.text("name"), pin, session.language, session.text("phone"))
    return session.forget().go(
        "register.done",
        name=opened.caller.first_name,
        number=opened.caller.number,
        balance_minor=opened.balance.minor,
        shortcode=world.shortcode,
    )


def _welcome(session: Session) -> Mapping[str, object]:
    said = {name: session.text(name) for name in ("name", "number", "shortcode")}
    return {**said, "balance": session.money("balance_minor")}


SCREENS: tuple[Screen, ...] = (
    Menu(
        "register.which",
        (
            Option("opt.this_number", "register.name", do=lambda _, s: s.go("register.name", phone="")),
            Option("opt.other_number", "register.number"),
        ),
        back="welcome",
    ),
    Prompt("register.number", _number, ("register.code", "register.name"), back="register.which"),
    Prompt(
        "register.code",
        _code,
        ("register.name", "signin.pin"),
        back="register.number",
        blanks=lambda s: {"phone": s.text("phone_shown")},
        secret=True,
    ),
    Prompt("register.name", _name, ("register.pin",), back="register.which"),
    Prompt("register.pin", _pin, ("register.repeat",), back="register.name", secret=True),
    Prompt("register.repeat", _repeat, ("register.done",), back="register.pin", secret=True),
    End(
        "register.done",
        _welcome,
        told=True,
    ),
)
