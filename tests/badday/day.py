"""The day itself: people call, phones are answered, and trouble comes, all at once."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable

from tests.badday.callers import Caller
from tests.badday.fingers import answer_prompts
from tests.badday.network import Network
from tests.badday.servers import Servers
from tests.badday.tally import Tally
from tests.badday.town import Town
from tests.badday.trouble import Trouble

_HANDS = 6
_THINKING_SECONDS = 0.6


class Day:
    """``live`` returns when all is said; the simulators may still have something to tell."""

    def __init__(self, town: Town, servers: Servers, seed: int, callers: int, tally: Tally) -> None:
        self._town, self._servers, self._seed, self._tally = town, servers, seed, tally
        numbers = [f"+2547190{number:05d}" for number in range(callers)]
        strangers = [f"+2547200{number:05d}" for number in range(max(2, callers // 3))]
        network = Network(town.url, tally)
        self._people = [
            Caller(
                number,
                [other for other in numbers if other != number],
                strangers,
                network,
                town.simulators.url,
                random.Random(f"caller {seed} {number}"),
                tally,
            )
            for number in numbers
        ]

    def live(self, operations: int) -> None:
        over = threading.Event()
        prompts, chance = self._town.simulators.mpesa.prompts, random.Random(f"fingers {self._seed}")
        self._together([lambda mine=mine: _each(mine, Caller.register) for mine in self._shares()])
        fingers = threading.Thread(target=answer_prompts, args=(prompts, chance, over, self._tally))
        trouble = Trouble(self._town, self._servers, self._seed, self._tally)
        stirring = threading.Thread(target=trouble.stir, args=(over,))
        for each in (fingers, stirring):
            each.start()
        left = itertools.islice(itertools.count(), operations)
        self._together([lambda mine=mine: self._call(mine, left) for mine in self._shares()])
        over.set()
        for each in (fingers, stirring):
            each.join()

    def _shares(self) -> list[list[Caller]]:
        """Whom each thread plays: a phone is in one hand only."""
        return [share for number in range(_HANDS) if (share := self._people[number::_HANDS])]

    def _call(self, people: list[Caller], left: itertools.islice[int]) -> None:
        chance, pause = random.Random(f"hand {self._seed} {people[0].number}"), threading.Event()
        for _ in left:
            chance.choice(people).work()
            pause.wait(chance.uniform(0, _THINKING_SECONDS))

    def _together(self, works: list[Callable[[], None]]) -> None:
        threads = [threading.Thread(target=work) for work in works]
        for each in threads:
            each.start()
        for each in threads:
            each.join()


def _each(people: list[Caller], act: Callable[[Caller], None]) -> None:
    for person in people:
        act(person)
