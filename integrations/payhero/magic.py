"""Phone numbers with a fate of their own at the simulated PayHero: payers first, then who is paid."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

Telling = Literal["once", "twice", "lost", "early"]


@dataclass(frozen=True, slots=True)
class Play:
    """What a payer does. ``code`` is the result, ``None`` leaves it to the prompt's time limit.

    ``extra`` is paid on top of (or, negative, below) what was asked for, in shillings; ``as_text`` tells it as text.
    """

    code: str | None = "0"
    callback: Telling = "once"
    http: Literal["fine", "hangs", "refused"] = "fine"
    extra: int = 0
    as_text: bool = False


class Magic(Enum):
    """A payer's number and what it is good for."""

    PAYS = ("+254700000601", "pays at once", Play())
    CANCELS = ("+254700000602", "cancels the prompt (1032)", Play("1032"))
    HAS_NO_MONEY = ("+254700000603", "has not enough money (1)", Play("1"))
    TYPES_WRONG_PIN = ("+254700000604", "types a wrong PIN (2001)", Play("2001"))
    NEVER_ANSWERS = ("+254700000605", "never answers: 1037 when the prompt's time is over", Play(None))
    CALLBACK_LOST = ("+254700000606", "pays, but the callback is lost: only the status tells", Play(callback="lost"))
    CALLBACK_EARLY = ("+254700000607", "pays; the callback comes before the HTTP answer", Play(callback="early"))
    CALLBACK_TWICE = ("+254700000608", "pays; the callback comes twice", Play(callback="twice"))
    PAYS_LESS = ("+254700000609", "pays ten shillings less than asked (at least one)", Play(extra=-10))
    PAYS_MORE = ("+254700000610", "pays ten shillings more than asked", Play(extra=10))
    HTTP_HANGS = ("+254700000611", "pays, but the request itself gets no HTTP answer in time", Play(http="hangs"))
    REFUSED = ("+254700000612", "the request is answered 200 with success false", Play(http="refused"))
    TEXT_AMOUNT = ("+254700000615", "pays; the callback tells the amount as text", Play(as_text=True))

    def __init__(self, e164: str, meaning: str, play: Play) -> None:
        self.e164 = e164
        self.meaning = meaning
        self.play = play


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a withdrawal to a number. Everybody else is paid."""

    code: str = "0"
    callback: Telling = "once"
    http: Literal["fine", "hangs", "refused"] = "fine"


class PaidMagic(Enum):
    """The number of somebody to be paid; to prompts its owner answers like any person."""

    NOT_REGISTERED = ("+254700000621", "cannot be paid: not registered (2040)", Fate("2040"))
    PAID_SILENTLY = ("+254700000622", "is paid, but the callback is lost: only the status tells", Fate(callback="lost"))
    PAID_TWICE_TOLD = ("+254700000623", "is paid; the callback comes twice", Fate(callback="twice"))
    PAID_EARLY = ("+254700000624", "is paid; the callback comes before the HTTP answer", Fate(callback="early"))
    PAID_HANGS = ("+254700000625", "is paid, but the withdrawal gets no HTTP answer in time", Fate(http="hangs"))
    NOT_ACCEPTED = ("+254700000626", "the withdrawal is answered 200 with success false", Fate(http="refused"))

    def __init__(self, e164: str, meaning: str, fate: Fate) -> None:
        self.e164 = e164
        self.meaning = meaning
        self.fate = fate


def play_of(e164: str) -> Play | None:
    """How this number plays, ``None`` when it waits for a person."""
    return next((magic.play for magic in Magic if magic.e164 == e164), None)


def fate_of(e164: str) -> Fate:
    return next((magic.fate for magic in PaidMagic if magic.e164 == e164), Fate())
