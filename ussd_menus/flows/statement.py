"""Balance and statement: PIN, then the last movements in pages, or all of them by SMS."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta, timezone

from gateway.domain.money import MINOR_UNITS
from ussd_menus.flows.who import member
from ussd_menus.ports import Line, World
from ussd_menus.screens import End, Listing, Option, Prompt, Screen, Sheet
from ussd_menus.session import Session
from ussd_menus.typed import read_digits

EAST_AFRICA = timezone(timedelta(hours=3))
MOST_LINES = 20


def _pin(world: World, session: Session, typed: str) -> Session:
    world.check_pin(member(session), read_digits(typed))
    return session.go("statement.list")


def _read(world: World, session: Session) -> Sheet:
    statement = world.statement(member(session), MOST_LINES)
    return Sheet({"balance": statement.balance}, tuple(statement.lines))


def _row(line: Line, say: Callable[[str], str]) -> str:
    """``20/11 +500 J*** M``; without cents when there are none, without the currency: the head has it."""
    units, cents = divmod(abs(line.amount.minor), MINOR_UNITS[line.amount.currency])
    amount = f"{'-' if line.amount.minor < 0 else '+'}{units:,}" + (f".{cents:02d}" if cents else "")
    return f"{line.at.astimezone(EAST_AFRICA):%d/%m} {amount} {line.counterpart or say(f'kind.{line.kind}')}"


def _by_sms(world: World, session: Session) -> Session:
    world.text_statement(member(session))
    return session.go("statement.sent")


SCREENS: tuple[Screen, ...] = (
    Prompt("statement.pin", _pin, ("statement.list",), back="home", secret=True),
    Listing(
        "statement.list",
        _read,
        _row,
        (Option("opt.by_sms", "statement.sent", do=_by_sms),),
        back="home",
    ),
    End("statement.sent", told=True),
)
