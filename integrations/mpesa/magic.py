"""Phone numbers that answer an M-Pesa prompt by themselves, each in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal


@dataclass(frozen=True, slots=True)
class Play:
    """What a subscriber does. ``code`` is the result, ``None`` leaves it to the prompt's time limit.

    ``extra`` is paid on top of (or, negative, below) what was asked for, in shillings.
    """

    code: str | None = "0"
    callback: Literal["once", "twice", "lost", "early", "late"] = "once"
    http: Literal["fine", "hangs", "refused", "spike", "broken"] = "fine"
    extra: int = 0


class Magic(Enum):
    """A number and what it is good for."""

    PAYS = ("+254700000101", "pays at once", Play())
    CANCELS = ("+254700000102", "cancels the prompt (1032)", Play("1032"))
    HAS_NO_MONEY = ("+254700000103", "has not enough money (1)", Play("1"))
    TYPES_WRONG_PIN = ("+254700000104", "types a wrong PIN (2001)", Play("2001"))
    NEVER_ANSWERS = ("+254700000105", "never answers: 1037 when the prompt's time is over", Play(None))
    CALLBACK_LOST = ("+254700000106", "pays, but the callback is lost: only a query tells", Play(callback="lost"))
    CALLBACK_EARLY = ("+254700000107", "pays; the callback comes before the HTTP answer", Play(callback="early"))
    CALLBACK_TWICE = ("+254700000108", "pays; the callback comes twice", Play(callback="twice"))
    PAYS_LESS = ("+254700000109", "pays ten shillings less than asked (at least one)", Play(extra=-10))
    PAYS_MORE = ("+254700000110", "pays ten shillings more than asked", Play(extra=10))
    HTTP_HANGS = ("+254700000111", "pays, but the push itself gets no HTTP answer in time", Play(http="hangs"))
    PUSH_REFUSED = ("+254700000112", "the push is refused with 400.002.02", Play(http="refused"))
    SPIKE_ARREST = ("+254700000113", "every first push meets a spike arrest, the next one pays", Play(http="spike"))
    STRING_CODE = ("+254700000114", "fails with a code that is text (SFC_IC0003)", Play("SFC_IC0003"))
    CALLBACK_LATE = ("+254700000131", "pays; the callback comes much later", Play(callback="late"))
    HTTP_BROKEN = ("+254700000132", "the push is answered 500, and nothing was started", Play(http="broken"))
    NEVER_HEARD = ("+254700000133", "pays, but nothing of it is ever heard", Play(callback="lost", http="hangs"))

    def __init__(self, e164: str, meaning: str, play: Play) -> None:
        self.e164 = e164
        self.meaning = meaning
        self.play = play


def play_of(e164: str) -> Play | None:
    """How this number plays, ``None`` when it waits for a person."""
    return next((magic.play for magic in Magic if magic.e164 == e164), None)
