"""Phone numbers to which payouts go in a way of their own; the same fates may befall reversals and questions."""

from __future__ import annotations

import threading
from enum import Enum

from integrations.mpesa.magic import Magic, Play
from integrations.mpesa.options import Options


class Payee(Enum):
    """A payee's number and what becomes of a payout to it."""

    PAID = ("+254700000221", "is paid", Play())
    NOT_REGISTERED = ("+254700000222", "has no M-Pesa (2040)", Play("2040"))
    FULL = ("+254700000223", "would hold too much (8)", Play("8"))
    RESULT_LOST = ("+254700000224", "is paid, but the result is lost: only a question tells", Play(callback="lost"))
    RESULT_EARLY = ("+254700000225", "is paid; the result comes before the HTTP answer", Play(callback="early"))
    RESULT_TWICE = ("+254700000226", "is paid; the result comes twice", Play(callback="twice"))
    TEXT_CODES = ("+254700000227", "is paid; the result's codes are text", Play(as_text=True))
    HTTP_HANGS = ("+254700000228", "is paid, but the request gets no HTTP answer in time", Play(http="hangs"))
    QUEUE_THEN_PAID = ("+254700000229", "a queue timeout is told, then it is paid", Play(queue="late"))
    QUEUE_NEVER_PAID = (
        "+254700000230",
        "a queue timeout is told, and it is never paid: a question says failed",
        Play(queue="dropped"),
    )
    NO_FLOAT = ("+254700000231", "our account is too low for it (1)", Play("1"))
    SPIKE_ARREST = (
        "+254700000232",
        "every first request meets a spike arrest, the next one is paid",
        Play(http="spike", first_only=True),
    )
    NO_FLOAT_ONCE = (
        "+254700000233",
        "our account is too low for every first payout (1), the next one is paid",
        Play("1", first_only=True),
    )
    STRING_CODE = ("+254700000234", "fails with a code that is text (SFC_IC0003)", Play("SFC_IC0003"))
    RESULT_LATE = ("+254700000235", "is paid at once; the result comes late", Play(callback="late"))
    REFUSED = ("+254700000236", "the request is refused with 400.002.02", Play(http="refused"))

    def __init__(self, e164: str, meaning: str, play: Play) -> None:
        self.e164 = e164
        self.meaning = meaning
        self.play = play


class Plays:
    """Says what happens to a request: by its number, else by the options' fate, else nothing special."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._had_first: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def of(self, event: str, e164: str = "") -> Play | None:
        table = Magic if event == "push" else Payee
        own = next((each.play for each in table if each.e164 == e164), None)
        if own:
            return own if not own.first_only or self._is_first(event, e164) else Play()
        name = self._options.fate(event) if self._options.fate else None
        return table[name].play if name else None

    def _is_first(self, event: str, e164: str) -> bool:
        with self._lock:
            self._had_first ^= {(event, e164)}
            return (event, e164) in self._had_first
