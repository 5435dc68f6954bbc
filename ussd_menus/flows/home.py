"""The first menus: for a stranger, for a member, and after a dropped call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ussd_menus.ports import World
from ussd_menus.screens import End, Menu, Option, Screen
from ussd_menus.session import Session


def frozen(session: Session) -> bool:
    return session.caller is not None and session.caller.frozen


def open_(session: Session) -> bool:
    return not frozen(session)


def _short(session: Session) -> bool:
    return session.facts.get("notice") == "home.short"


def _title(session: Session) -> str:
    if frozen(session):
        return "home.frozen"
    return session.text("notice") if "notice" in session.facts else "home"


def _home_blanks(session: Session) -> Mapping[str, object]:
    blanks: dict[str, object] = {"name": session.caller.first_name if session.caller else ""}
    if "notice" in session.facts:
        blanks |= {"amount": session.money("notice_minor"), "reference": session.text("about")}
    return blanks


def _draft_blanks(session: Session) -> Mapping[str, object]:
    draft = Session.from_json(session.draft or {})
    return {
        "amount": draft.money("amount_minor") if "amount_minor" in draft.facts else "",
        "to": draft.text("to_shown"),
    }


def _withdrawing(session: Session) -> bool:
    return str((session.draft or {})["s"]).startswith("withdraw.")


def _sending(session: Session) -> bool:
    return not _withdrawing(session)


def _draft_title(session: Session) -> str:
    if _withdrawing(session):
        return "resume.withdraw"
    return "resume" if "amount_minor" in (session.draft or {})["f"] else "resume.no_amount"


def _go_on(_: World, session: Session) -> Session:
    """Back to where the call dropped. The caller's row is today's, the rest is the draft's."""
    draft = Session.from_json(session.draft or {})
    return replace(draft, caller=session.caller, language=session.language, draft=None)


def _start_again(_: World, session: Session) -> Session:
    return replace(session.go("home"), draft=None)


def _deposit(world: World, session: Session) -> Session:
    world.check_deposits()
    return session.go("deposit.amount")


def _withdraw(world: World, session: Session) -> Session:
    world.check_withdrawals()
    return session.go("withdraw.amount")


def _add_waiting(world: World, session: Session) -> Session:
    assert session.caller is not None
    world.add_waiting(session.caller, session.text("about"))
    return session.go("home.added")


SCREENS: tuple[Screen, ...] = (
    Menu(
        "welcome",
        (
            Option("opt.create", "register.which"),
            Option("opt.sign_in", "signin.number"),
            Option("opt.language", "language"),
        ),
        zero="nav.exit",
    ),
    Menu(
        "home",
        (
            Option("opt.send", "send.to", when=open_),
            Option("opt.deposit", "deposit.amount", do=_deposit),
            Option("opt.withdraw", "withdraw.amount", when=open_, do=_withdraw),
            Option("opt.statement", "statement.pin"),
            Option("opt.unfreeze", "profile.unfreeze", when=frozen),
            Option("opt.profile", "profile"),
            Option("opt.add_waiting", "home.added", when=_short, do=_add_waiting),
        ),
        blanks=_home_blanks,
        title=_title,
        zero="nav.exit",
    ),
    End(
        "home.added",
        lambda s: {"amount": s.money("notice_minor"), "reference": s.text("about")},
        told=True,
    ),
    Menu(
        "resume",
        (
            Option("opt.continue", "send.confirm", when=_sending, do=_go_on),
            Option("opt.continue", "withdraw.confirm", when=_withdrawing, do=_go_on),
            Option("opt.start_again", "home", do=_start_again),
        ),
        blanks=_draft_blanks,
        title=_draft_title,
        back="home",
        zero="nav.back",
    ),
    End("bye"),
)
