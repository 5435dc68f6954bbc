"""What M-Pesa does on a bad day: every request draws its fate from the seed."""

from __future__ import annotations

import random
import threading

from tests.badday.tally import Tally

Weights = dict[str, int]

#: ``""`` is an ordinary request: a person with a phone in the hand, a payout that is paid.
PUSH: Weights = {
    "": 20, "PAYS": 25, "CALLBACK_LOST": 8, "CALLBACK_EARLY": 8, "CALLBACK_TWICE": 8, "CALLBACK_LATE": 6,
    "HTTP_HANGS": 5, "SPIKE_ARREST": 5, "CANCELS": 3, "HAS_NO_MONEY": 3, "TYPES_WRONG_PIN": 3, "NEVER_ANSWERS": 3,
    "PAYS_LESS": 4, "PAYS_MORE": 4, "PUSH_REFUSED": 3, "STRING_CODE": 3,
}  # fmt: skip
PAYOUT: Weights = {
    "": 25, "RESULT_LOST": 8, "RESULT_EARLY": 8, "RESULT_TWICE": 8, "RESULT_LATE": 6, "TEXT_CODES": 6, "HTTP_HANGS": 5,
    "SPIKE_ARREST": 5, "QUEUE_THEN_PAID": 6, "QUEUE_NEVER_PAID": 5, "NO_FLOAT": 4, "NOT_REGISTERED": 3, "FULL": 3,
    "STRING_CODE": 3, "REFUSED": 3,
}  # fmt: skip
QUESTION: Weights = {
    "": 40, "RESULT_LOST": 10, "RESULT_EARLY": 8, "RESULT_TWICE": 8, "RESULT_LATE": 6, "TEXT_CODES": 6,
    "HTTP_HANGS": 5, "SPIKE_ARREST": 5, "QUEUE_THEN_PAID": 6, "QUEUE_NEVER_PAID": 6,
}  # fmt: skip
ARRIVAL: Weights = {"": 60, "RESULT_LOST": 15, "RESULT_TWICE": 15, "RESULT_LATE": 10}
_BY_EVENT = {"push": PUSH, "payout": PAYOUT, "arrival": ARRIVAL}


class Fates:
    """Called by the simulators' threads with an event; see ``integrations.mpesa.options.Fate``."""

    def __init__(self, seed: int, tally: Tally) -> None:
        self._random = random.Random(f"fates {seed}")
        self._lock = threading.Lock()
        self._tally = tally

    def __call__(self, event: str) -> str | None:
        weights = _BY_EVENT.get(event, QUESTION)
        with self._lock:
            name = self._random.choices(list(weights), list(weights.values()))[0]
        if name:
            self._tally.note("injected", f"{event} {name}")
        return name or None
