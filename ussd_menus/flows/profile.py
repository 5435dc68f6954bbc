"""My account: language, PIN, freeze, invite a friend, use another account from this phone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.domain.phone import parse_phone
from ussd_menus.flows.credits import open_credits
from ussd_menus.flows.home import frozen, open_
from ussd_menus.flows.registration import PinsDiffer
from ussd_menus.flows.who import member
from ussd_menus.ports import World
from ussd_menus.screens import End, Menu, Option, Prompt, Screen
from ussd_menus.session import Session
from ussd_menus.typed import read_digits


def _who(session: Session) -> Mapping[str, object]:
    return {"name": member(session).first_name, "number": member(session).number}


def _old(world: World, session: Session, typed: str) -> Session:
    world.check_pin(member(session), read_digits(typed))
    return session.go("profile.new_pin")


def _new(world: World, session: Session, typed: str) -> Session:
    return session.go("profile.repeat", pin=world.weigh_pin(read_digits(typed), ""))


def _repeat(world: World, session: Session, typed: str) -> Session:
    pin = read_digits(typed)
    if world.weigh_pin(pin, "") != session.text("pin"):
        raise PinsDiffer
    world.change_pin(member(session), pin)
    return session.forget().go("profile.pin_changed")


def _freeze(world: World, session: Session) -> Session:
    world.freeze(member(session))
    return session.go("profile.frozen")


def _unfreeze(world: World, session: Session, typed: str) -> Session:
    world.unfreeze(member(session), read_digits(typed))
    return replace(session.go("home"), caller=replace(member(session), frozen=False))


def _invite(world: World, session: Session, typed: str) -> Session:
    phone = parse_phone(typed)
    world.invite(member(session), phone)
    return session.go("profile.invited", to_shown=phone.masked)


SCREENS: tuple[Screen, ...] = (
    Menu(
        "profile",
        (
            Option("opt.language", "language"),
            Option("opt.change_pin", "profile.old_pin"),
            Option("opt.freeze", "profile.freeze", when=open_),
            Option("opt.unfreeze", "profile.unfreeze", when=frozen),
            Option("opt.invite", "profile.invite"),
            Option("opt.other_account", "signin.number"),
            Option("opt.credits", "credits", do=open_credits),
        ),
        back="home",
        blanks=_who,
    ),
    Prompt("profile.old_pin", _old, ("profile.new_pin",), back="profile", secret=True),
    Prompt("profile.new_pin", _new, ("profile.repeat",), back="profile", secret=True),
    Prompt("profile.repeat", _repeat, ("profile.pin_changed",), back="profile.new_pin", secret=True),
    End("profile.pin_changed", told=True),
    Menu("profile.freeze", (Option("opt.freeze_now", "profile.frozen", do=_freeze),), back="profile"),
    End("profile.frozen", told=True),
    Prompt("profile.unfreeze", _unfreeze, ("home",), back="profile", secret=True),
    Prompt("profile.invite", _invite, ("profile.invited",), back="profile"),
    End("profile.invited", lambda s: {"to": s.text("to_shown")}),
)
