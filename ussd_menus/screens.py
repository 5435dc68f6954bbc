"""The few kinds of screen. A flow is a list of these; functions stand only where behaviour is needed.

What every kind shows is the sentence ``<id>`` of the catalogue, filled by ``blanks(session)``. ``0`` goes ``back``.
Only a screen that ``acts`` changes the world: the key of what it does is minted when it is entered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ussd_menus.ports import Line, World
from ussd_menus.session import Session

#: As a ``back``: home for a member, the welcome page for a stranger.
ROOT = "root"

Blanks = Callable[[Session], Mapping[str, object]]
Test = Callable[[Session], bool]
Answer = Callable[[World, Session, str], Session]
Read = Callable[[World, Session], "Sheet"]


def no_blanks(_: Session) -> Mapping[str, object]:
    return {}


def always(_: Session) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Option:
    """One numbered line: the sentence ``text``, and the screen it leads to (or what ``do`` decides)."""

    text: str
    to: str
    when: Test = always
    do: Callable[[World, Session], Session] | None = None


@dataclass(frozen=True, slots=True)
class Menu:
    """Pick a number from the list. ``title`` names another sentence than the screen's own when it should."""

    id: str
    options: tuple[Option, ...]
    back: str = ""
    blanks: Blanks = no_blanks
    title: Callable[[Session], str] | None = None
    zero: str = "nav.back"
    acts: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """Type something. ``answer`` reads it and moves on, or refuses and the question stands again.

    ``leads`` lists every screen that ``answer`` may move to, so that the map can be drawn and checked.
    ``secret`` answers are never walked through again from a transcript.
    """

    id: str
    answer: Answer
    leads: tuple[str, ...]
    back: str
    blanks: Blanks = no_blanks
    secret: bool = False
    acts: bool = False
    resumes: bool = False


@dataclass(frozen=True, slots=True)
class Confirm:
    """What will happen, its price, and the PIN that makes it happen: once, under the key minted on entry.

    ``returns`` says where a refusal by that code leads instead of asking for the PIN again.
    """

    id: str
    do: Answer
    leads: tuple[str, ...]
    back: str
    blanks: Blanks = no_blanks
    returns: Mapping[str, str] = field(default_factory=dict)
    resumes: bool = True
    secret: bool = True
    acts: bool = True


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a list shows: a head sentence's blanks and the movements."""

    blanks: Mapping[str, object]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A paged list: ``9`` More, ``0`` Back, ``99`` Home, and options of its own before them."""

    id: str
    read: Read
    row: Callable[[Line, Callable[[str], str]], str]
    options: tuple[Option, ...]
    back: str
    acts: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """The last page of a call. ``told`` screens have an SMS of their own behind them."""

    id: str
    blanks: Blanks = no_blanks
    told: bool = False
    acts: bool = False
    secret: bool = False


Screen = Menu | Prompt | Confirm | Listing | End
