"""The fingers on the phones: M-Pesa's prompts are answered, by people who make up their minds."""

from __future__ import annotations

import random
import threading
from contextlib import suppress

from integrations.mpesa.prompts import Prompts
from integrations.simulation import BadControl
from tests.badday.tally import Tally

#: M-Pesa's result codes; ``""`` leaves the phone lying there.
_ANSWERS = {"0": 70, "1032": 8, "2001": 5, "1037": 5, "": 12}
_LOOK_SECONDS = 0.2


def answer_prompts(prompts: Prompts, chance: random.Random, over: threading.Event, tally: Tally) -> None:
    """Until ``over``: each prompt once, unless its number or its fate decides."""
    seen: set[str] = set()
    while not over.wait(_LOOK_SECONDS):
        for prompt in prompts.open():
            if prompt.play is None and prompt.checkout_id not in seen:
                seen.add(prompt.checkout_id)
                code = chance.choices(list(_ANSWERS), list(_ANSWERS.values()))[0]
                tally.note("done", f"prompt answered {code}" if code else "prompt left alone")
                with suppress(BadControl):
                    if code:
                        prompts.answer(prompt.checkout_id, code)
