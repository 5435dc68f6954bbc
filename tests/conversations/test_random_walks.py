"""Thousands of callers who type anything: no error, no page over its limit, no dead end, in both languages."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from tests.fake_world import CODE, Town
from ussd_menus.engine import Engine, Hop, Turn
from ussd_menus.flows import all_screens
from ussd_menus.page import septets
from ussd_menus.ports import Notice
from ussd_menus.texts import Texts

ME, FRIEND = "+254712000001", "+254712000002"
TYPED = ["1", "2", "3", "4", "5", "6", "0", "9", "99", "", "*", "1*2", "0712000002", "0799000009", "0712000001", "500"]
TYPED += ["1,500/-", "70000", "99999", "inf", "-1", "2580", "1111", CODE, "Jane", "J" * 41, "\u2019", "😀", "x" * 200]
FITTING = {
    **{asks: ["2580"] for asks in ("pin", "repeat", "old_pin", "new_pin", "confirm", "unfreeze")},
    **{asks: ["0712000002", "0712000001"] for asks in ("number", "to", "check")},
    "code": [CODE],
    "name": ["Jane Mwangi"],
    "amount": ["500"],
}
WALKS = 2_500
ROOM = 156


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "sw"])
def test_no_walk_fails_overflows_or_ends_in_a_wall(texts: Texts, language: str) -> None:
    engine = Engine(all_screens(), texts)
    dice = random.Random(f"walks in {language}")
    seen: set[str] = set()
    for number in range(WALKS):
        town = _town(dice)
        hop = Hop(town.world(Phone(ME), "me"), lambda: str(dice.random()), ROOM)
        turn = engine.dial(hop, language)
        for _ in range(12):
            _check(turn)
            seen.add(turn.session.screen)
            if not turn.goes_on:
                break
            turn = engine.answer(turn.session, _typed(dice, turn.session.screen), hop)
        assert turn.session.language in texts.languages, number
    assert seen >= {screen.id for screen in all_screens()} - {"resume"}, "the walks do not reach every screen"


def _typed(dice: random.Random, screen: str) -> str:
    """Half of the answers fit the question, so that walks get far; the rest is anything."""
    fitting = FITTING.get(screen.rpartition(".")[2], ["1", "2", "3", "4", "5", "6"])
    return dice.choice(fitting if dice.random() < 0.6 else TYPED)


def _check(turn: Turn) -> None:
    assert turn.page.strip()
    assert septets(turn.page) <= ROOM, turn.page
    assert "{" not in turn.page
    if turn.goes_on:
        assert " 0 " in turn.page.replace("\n", " "), f"no way back:\n{turn.page}"


def _town(dice: random.Random) -> Town:
    town = Town()
    if dice.random() < 0.7:
        me = town.moves_in(ME, "Wanjiku wa Kamau-Ng'ang'a", shillings=dice.choice([0, 100_000]))
        town.people[ME].caller = replace(me, frozen=dice.random() < 0.2)
        town.people[ME].credits = dice.choice([0, 5])
        town.notice = dice.choice([None, Notice("home.short", Money.major(250_000), "MMMMMMMM")])
    if dice.random() < 0.7:
        town.moves_in(FRIEND, "Zacharia Otieno")
        town.people[FRIEND].verified = dice.random() < 0.5
    return town
