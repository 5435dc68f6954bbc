"""Phone numbers that answer an M-Pesa prompt by themselves, each in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal


@dataclass(frozen=True, slots=True)
class Play:
    """What happens to one request. ``code`` is its result; for a prompt ``None`` leaves it to the time limit.

    ``extra`` is paid on top of (or, negative, below) what was asked for, in shillings. ``queue`` is for requests that
    wait in one: ``late`` times out and is done all the same, ``dropped`` times out and is never done. ``as_text``
    writes codes as text. ``first_only``: every other request of the number goes well.
    """

    code: str | None = "0"
    callback: Literal["once", "twice", "lost", "early", "late"] = "once"
    http: Literal["fine", "hangs", "refused", "spike"] = "fine"
    extra: int = 0
    queue: Literal["passes", "late", "dropped"] = "passes"
    as_text: bool = False
    first_only: bool = False

    @property
    def tellings(self) -> int:
        """How often the result is told."""
        return {"lost": 0, "twice": 2}.get(self.callback, 1)


class Magic(Enum):
    """A payer's number and what it is good for."""

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
    SPIKE_ARREST = (
        "+254700000113",
        "every first push meets a spike arrest, the next one pays",
        Play(http="spike", first_only=True),
    )
    STRING_CODE = ("+254700000114", "fails with a code that is text (SFC_IC0003)", Play("SFC_IC0003"))
    CALLBACK_LATE = ("+254700000115", "pays at once; the callback comes late", Play(callback="late"))

    def __init__(self, e164: str, meaning: str, play: Play) -> None:
        self.e164 = e164
        self.meaning = meaning
        self.play = play
