"""Verification credits on the phone: what there is, buying more, and looking at a number before paying it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.fake_world import Town
from tests.house import PIN, House
from tests.phone import Phone

Numbers = Iterator[str]
MEMBER, FRIEND = "+254712345678", "+254722000002"


@pytest.fixture
def caller(town: Town, phone: Callable[[str], Phone]) -> Phone:
    """Jane, who has two credits, on *My account*."""
    town.moves_in(MEMBER, "Jane Mwangi")
    town.people[MEMBER].credits = 2
    town.moves_in(FRIEND, "John Odhiambo")
    return phone(MEMBER).dials().chooses("My account").chooses("Credits").sees("Credits left: 2.")


def test_a_package_is_picked_by_its_number_and_the_link_comes_by_sms(caller: Phone, town: Town) -> None:
    caller.chooses("Buy credits").sees("1 10 credits NGN 5,000", "2 25 credits NGN 12,500", "3 50 credits NGN 25,000")
    caller.types("2").sees("You will get an SMS with a link to pay NGN 12,500 for 25 credits.").hears_goodbye()
    assert town.effects == [("credits", "more")]


def test_the_same_hop_twice_asks_for_one_link(caller: Phone, town: Town) -> None:
    caller.chooses("Buy credits").types("1").again()
    assert town.effects == [("credits", "ten")]


@pytest.mark.parametrize("typed", ["4", "10", "ten", "", "*"])
def test_a_package_that_is_not_on_the_list_is_asked_again(caller: Phone, town: Town, typed: str) -> None:
    caller.chooses("Buy credits").types(typed).sees("Pick a number from the list.", "3 50 credits")
    assert town.effects == []


def test_a_check_costs_one_credit_and_says_who_it_is(caller: Phone, town: Town) -> None:
    caller.chooses("Check a number").types("0722000002").sees("Check 0722***002 for 1 credit", "Enter PIN")
    caller.types("2580").sees("0722***002 is J*** O, with Mlango since 03/2026", "Credits left: 1").hears_goodbye()
    caller.again()
    assert town.effects == [("check", FRIEND)]


def test_a_number_nobody_has_costs_nothing(caller: Phone, town: Town) -> None:
    caller.chooses("Check a number").types("0733000003", "2580").sees("has no Mlango account", "Credits left: 2")
    assert town.effects == []


def test_a_wrong_pin_checks_nothing(caller: Phone, town: Town) -> None:
    caller.chooses("Check a number").types("0722000002", "1111").sees("Wrong PIN. 2 tries left", "Enter PIN")
    assert town.effects == []


def test_the_own_number_and_no_number_are_asked_again(caller: Phone) -> None:
    caller.chooses("Check a number").types("0712345678").sees("That is your own number").types("12")
    caller.sees("Not a mobile number", "Check which phone number")


def test_without_credits_the_way_leads_to_buying_some(caller: Phone, town: Town) -> None:
    town.people[MEMBER].credits = 0
    caller.chooses("Check a number").types("0722000002", "2580").sees("You have no credits left", "Buy credits")


def test_a_dropped_check_is_not_offered_again(caller: Phone) -> None:
    caller.chooses("Check a number").types("0722000002").sees("Enter PIN")
    caller.dials().sees("Mlango: Jane").does_not_see("Continue")


def test_buying_and_checking_on_the_whole_gateway_in_swahili(house: House, numbers: Numbers) -> None:
    number, friend = next(numbers), next(numbers)
    house.member(friend, "Achieng Odhiambo")
    caller = house.member(number, "Juma Ali", language="sw").dials()
    caller.chooses("Akaunti yangu").chooses("Credits").sees("Credits zilizobaki: 0.").chooses("Angalia nambari")
    caller.types(friend).sees("kwa credit 1", "Weka PIN").types(PIN).sees("Credits hazitoshi", "Nunua credits")
    caller.chooses("Nunua credits").sees("1 10 credits NGN 5,000").types("1").sees("Utapata SMS", "NGN 5,000")
    caller.hears_goodbye()
    with house.parts.db.reading() as connection:
        asked = connection.exec_driver_sql(
            "SELECT purpose, package, way, currency FROM payments ORDER BY id DESC LIMIT 1"
        ).one()
    assert tuple(asked) == ("credits", "pkg_10_credits", "link", "NGN")


def test_where_no_rail_takes_naira_nobody_picks_a_package(house: House, numbers: Numbers) -> None:
    rails = house.parts.payments._desk.rails
    flutterwave = rails["flutterwave"]
    caller = house.member(next(numbers)).dials().chooses("My account").chooses("Credits")
    rails["flutterwave"] = replace(flutterwave, links=rails["stripe"].links)  # type: ignore[index]
    try:
        caller.chooses("Buy credits").sees("It cannot be paid by card now. No money moved.", "Credits left: 0.")
    finally:
        rails["flutterwave"] = flutterwave  # type: ignore[index]
    caller.chooses("Buy credits").sees("1 10 credits NGN 5,000")


def test_while_the_rail_of_cards_is_silent_nobody_picks_a_package(house: House, numbers: Numbers) -> None:
    caller = house.member(next(numbers)).dials().chooses("My account").chooses("Credits")
    for _ in range(3):
        house.parts.health.note("flutterwave", answered=False)
    caller.chooses("Buy credits").sees("It cannot be paid by card now.")
    house.parts.health.note("flutterwave", answered=True)
    caller.chooses("Buy credits").sees("1 10 credits NGN 5,000")
