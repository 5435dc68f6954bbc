"""Sign in from any phone: the number, a code to it when it is not the calling one, the PIN."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.errors import AccountNotFound
from gateway.domain.phone import parse_phone
from ussd_menus.ports import World
from ussd_menus.screens import ROOT, Prompt, Screen
from ussd_menus.session import Caller, Session
from ussd_menus.typed import read_digits


def _number(world: World, session: Session, typed: str) -> Session:
    phone = parse_phone(typed)
    if world.is_calling_number(phone):
        return session.go("signin.pin", phone="", number=_member(world, "").number)
    return session.go("signin.code", phone=world.send_code(phone, session.language), phone_shown=phone.masked)


def _code(world: World, session: Session, typed: str) -> Session:
    world.check_code(session.text("phone"), read_digits(typed))
    return session.go("signin.pin", number=_member(world, session.text("phone")).number)


def _pin(world: World, session: Session, typed: str) -> Session:
    caller = _member(world, session.text("phone"))
    world.check_pin(caller, read_digits(typed))
    return replace(session.forget().go("home"), caller=caller, language=caller.language)


def _member(world: World, sealed_phone: str) -> Caller:
    caller = world.holder(sealed_phone)
    if caller is None or not caller.has_pin:
        raise AccountNotFound
    return caller


SCREENS: tuple[Screen, ...] = (
    Prompt("signin.number", _number, ("signin.code", "signin.pin"), back=ROOT),
    Prompt(
        "signin.code",
        _code,
        ("signin.pin",),
        back="signin.number",
        blanks=lambda s: {"phone": s.text("phone_shown")},
        secret=True,
    ),
    Prompt("signin.pin", _pin, ("home",), back="signin.number", secret=True),
)
