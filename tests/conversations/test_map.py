"""The menus are data: these tests walk them, and prove that the check would notice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from ussd_menus.flows import all_screens
from ussd_menus.map import page, problems
from ussd_menus.screens import End, Menu, Option, Prompt, Screen
from ussd_menus.texts import Texts

SCREENS = {screen.id: screen for screen in all_screens()}
MAP = Path(__file__).parent.parent.parent / "docs" / "menus.md"


def _without(name: str) -> tuple[Screen, ...]:
    return tuple(screen for screen in SCREENS.values() if screen.id != name)


def _texts(texts: Texts, language: str, changes: Mapping[str, str | None]) -> Texts:
    catalogues = {code: {name: texts.raw(name, code) for name in texts.names(code)} for code in texts.languages}
    for name, sentence in changes.items():
        if sentence is None:
            del catalogues[language][name]
        else:
            catalogues[language][name] = sentence
    return Texts(catalogues)


@pytest.mark.parametrize("limit", [160, 184])
def test_every_screen_exists_is_reachable_translated_fits_and_is_fast_enough(texts: Texts, limit: int) -> None:
    assert problems(all_screens(), texts, limit) == []


def test_the_check_finds_a_target_that_does_not_exist(texts: Texts) -> None:
    assert "send.confirm leads to send.done, which does not exist" in problems(_without("send.done"), texts)


def test_the_check_finds_a_screen_nobody_reaches(texts: Texts) -> None:
    lost = _texts(_texts(texts, "en", {"lost": "Lost"}), "sw", {"lost": "Potea"})
    assert problems((*all_screens(), End("lost")), lost) == ["lost cannot be reached"]


def test_the_check_finds_a_missing_sentence_and_other_blanks(texts: Texts) -> None:
    found = problems(all_screens(), _texts(texts, "sw", {"nav.exit": None, "home": "Mlango: {number}"}))
    assert "nav.exit is not in every language" in found
    assert "home has other blanks in sw" in found


def test_the_check_finds_a_page_that_no_longer_fits_a_phone(texts: Texts) -> None:
    found = problems(all_screens(), _texts(texts, "en", {"send.to": "Please tell us " + "very " * 20 + "kindly:"}))
    assert any(said.startswith("send.to has ") and said.endswith("156 fit") for said in found)


def test_the_check_finds_a_reason_that_leaves_no_room_for_its_question(texts: Texts) -> None:
    found = problems(all_screens(), _texts(texts, "sw", {"no.bad_option": "Tafadhali " * 8}))
    assert any(said.startswith("no.bad_option has 80 septets in sw") for said in found)


def test_the_check_finds_a_journey_longer_than_a_session(texts: Texts) -> None:
    steps = [f"step{n}" for n in range(15)]
    screens = [Prompt(one, lambda _, s, __: s, (after,), back="home") for one, after in pairwise(steps)]
    home = replace(SCREENS["home"], options=(Option("opt.send", "step0"),))  # type: ignore[type-var]
    assert isinstance(home, Menu)
    words = {step: "One more question" for step in steps}
    found = problems((home, *screens, End(steps[-1])), _texts(_texts(texts, "en", words), "sw", words))
    assert any("a session has 180" in said for said in found)


def test_the_drawing_in_the_docs_is_the_menus_as_they_are(texts: Texts) -> None:
    assert page(all_screens(), texts) == MAP.read_text(), "run `flask --app wsgi menus > docs/menus.md`"
