"""Verification credits by the API: our packages, our prices, each paid once, none spent twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.domain.errors import KeyReused, NotEnoughCredits, NothingWaiting, SamePerson
from gateway.domain.money import Money
from gateway.domain.phone import parse_phone
from gateway.services.payment_results import Effect
from tests.api.client import Program, is_problem
from tests.api.conftest import Shop

Person = Callable[..., str]
TEN = Money(10, "credits")
PRICE = Money.major(5_000, "NGN")


@pytest.fixture
def buyer(shop: Shop, program: Program, person: Person) -> str:
    """Somebody with ten credits: the phone number."""
    number = person()
    shop.pays_page(_buys(program, number)["reference"], PRICE)
    return number


def _buys(program: Program, who: str, package: str = "pkg_10_credits", **more: Any) -> dict[str, Any]:
    bought: dict[str, Any] = program.posts(
        "/credits/topups", {"account": who, "package_id": package, **more}
    ).get_json()
    return bought


def _credits(shop: Shop, program: Program, phone: str) -> int:
    answer = program.gets(f"/credits/{shop.number_of(phone)}").get_json()
    return int(answer["credits"])


def test_the_packages_are_those_of_the_settings(program: Program) -> None:
    assert program.gets("/credits/packages").get_json() == {
        "packages": [
            {"package_id": "pkg_10_credits", "credits": 10, "amount_minor": 500_000, "currency": "NGN"},
            {"package_id": "pkg_25_credits", "credits": 25, "amount_minor": 1_250_000, "currency": "NGN"},
            {"package_id": "pkg_50_credits", "credits": 50, "amount_minor": 2_500_000, "currency": "NGN"},
        ]
    }


def test_a_package_is_there_once_it_is_paid_and_not_before(shop: Shop, program: Program, person: Person) -> None:
    number = person()
    answer = program.posts("/credits/topups", {"account": number, "package_id": "pkg_25_credits"})
    bought = answer.get_json()
    assert answer.status_code == 201
    assert bought == {
        "reference": bought["reference"],
        "link": f"https://pages.example/{bought['reference']}",
        "credits": 25,
        "amount_minor": 1_250_000,
        "currency": "NGN",
    }
    assert shop.pages.page_of(bought["reference"])["title"] == "25 credits"
    assert _credits(shop, program, number) == 0
    paid = Money.major(12_500, "NGN")
    assert shop.pays_page(bought["reference"], paid) is Effect.CONFIRMED
    assert _credits(shop, program, number) == 25
    assert program.gets(f"/payments/{bought['reference']}").get_json()["state"] == "confirmed"
    assert "25 credits" in shop.hears(number, bought["reference"])
    assert shop.balance(number) == 0
    assert shop.books_are_right()


def test_price_and_credits_are_never_the_clients_to_say(shop: Shop, program: Program, person: Person) -> None:
    bought = _buys(program, person(), amount_minor=1, credits=1_000)
    assert (bought["amount_minor"], bought["credits"]) == (500_000, 10)
    assert shop.pages.page_of(bought["reference"])["amount"] == PRICE


def test_a_second_package_adds_to_the_first(shop: Shop, program: Program, buyer: str) -> None:
    shop.pays_page(_buys(program, buyer)["reference"], PRICE)
    assert _credits(shop, program, buyer) == 20


def test_too_little_buys_nothing_and_waits_for_a_person(shop: Shop, program: Program, person: Person) -> None:
    number = person()
    reference = _buys(program, number)["reference"]
    assert shop.pays_page(reference, Money.major(4_000, "NGN")) is Effect.SHORT
    assert _credits(shop, program, number) == 0
    with pytest.raises(NothingWaiting):  # naira never enter a wallet of shillings
        shop.parts.payments.add_waiting(shop.number_of(number), reference, "add")
    assert shop.books_are_right()


def test_a_card_that_is_declined_buys_nothing(shop: Shop, program: Program, person: Person) -> None:
    number = person()
    reference = _buys(program, number)["reference"]
    assert shop.fails_page(reference) is Effect.FAILED
    assert _credits(shop, program, number) == 0
    assert "No money moved" in shop.hears(number, reference)


def test_buying_credits_is_no_uncertain_deposit_on_the_phone(shop: Shop, program: Program, person: Person) -> None:
    number = person()
    _buys(program, number)
    shop.phone(number).dials().sees("Mlango: Jane").does_not_see("CHECKING")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"package_id": "pkg_1000_credits"}, 422, "unknown_package"),
        ({"account": "ML-000000"}, 404, "account_not_found"),
        ({"package_id": ""}, 422, "invalid"),
        ({"package_id": 10}, 422, "invalid"),
        ({"account": None}, 422, "invalid"),
    ],
)
def test_a_topup_that_cannot_be(program: Program, person: Person, body: dict[str, Any], status: int, code: str) -> None:
    is_problem(
        program.posts("/credits/topups", {"account": person(), "package_id": "pkg_10_credits"} | body), status, code
    )


def test_five_open_pages_are_enough(program: Program, person: Person) -> None:
    number = person()
    for _ in range(5):
        _buys(program, number)
    answer = program.posts("/credits/topups", {"account": number, "package_id": "pkg_10_credits"})
    is_problem(answer, 409, "payment_in_progress")


def test_credits_are_spent_down_to_nothing_and_not_further(shop: Shop, program: Program, buyer: str) -> None:
    body = {"account": buyer, "because": "check_number"}
    spent = program.posts("/credits/spend", body | {"credits": 9})
    assert spent.status_code == 201
    assert (spent.get_json()["spent"], spent.get_json()["credits"]) == (9, 1)
    is_problem(program.posts("/credits/spend", body | {"credits": 2}), 409, "not_enough_credits")
    assert program.posts("/credits/spend", body | {"credits": 1}).get_json()["credits"] == 0
    is_problem(program.posts("/credits/spend", body | {"credits": 1}), 409, "not_enough_credits")
    assert shop.books_are_right()


def test_who_never_bought_any_has_none(shop: Shop, program: Program, person: Person) -> None:
    number = person()
    assert _credits(shop, program, number) == 0
    body = {"account": number, "credits": 1, "because": "check_number"}
    is_problem(program.posts("/credits/spend", body), 409, "not_enough_credits")
    is_problem(program.gets("/credits/ML-000000"), 404, "account_not_found")
    is_problem(program.gets("/credits/0712345678"), 404, "account_not_found")


@pytest.mark.parametrize("wrong", [{"credits": 0}, {"credits": 1.0}, {"credits": True}, {"because": "for Jane!"}])
def test_a_spending_that_cannot_be(program: Program, buyer: str, wrong: dict[str, Any]) -> None:
    body = {"account": buyer, "credits": 1, "because": "check_number"} | wrong
    is_problem(program.posts("/credits/spend", body), 422, "invalid")


# What one credit buys.


def test_a_check_says_who_and_since_when_for_one_credit_once_per_key(shop: Shop, buyer: str, person: Person) -> None:
    stranger, number = parse_phone(person(name="Achieng Odhiambo")), shop.number_of(buyer)
    first = shop.parts.credits.check(number, stranger, f"check {number}")
    again = shop.parts.credits.check(number, stranger, f"check {number}")
    assert (first.shown, first.verified, first.balance) == ("A*** O", False, Money(9, "credits"))
    assert again == first
    with pytest.raises(KeyReused):
        shop.parts.credits.check(number, parse_phone(person()), f"check {number}")


def test_a_number_nobody_has_costs_nothing(shop: Shop, buyer: str) -> None:
    checked = shop.parts.credits.check(shop.number_of(buyer), parse_phone("0790111222"), "nobody")
    assert (checked.shown, checked.balance) == (None, TEN)


def test_nobody_checks_themselves_or_without_credits(shop: Shop, buyer: str, person: Person) -> None:
    with pytest.raises(SamePerson):
        shop.parts.credits.check(shop.number_of(buyer), parse_phone(buyer), "self")
    with pytest.raises(NotEnoughCredits):
        shop.parts.credits.check(shop.number_of(person()), parse_phone(buyer), "poor")


def test_a_check_that_nobody_heard_of_is_undone(shop: Shop, buyer: str, person: Person) -> None:
    number, credits = shop.number_of(buyer), shop.parts.credits
    credits.check(number, parse_phone(person()), "unheard")
    assert credits.give_up(number, "unheard").code == "too_late"
    assert credits.give_up(number, "unheard").code == "too_late"
    assert credits.balance(number) == TEN
    assert shop.books_are_right()


def test_a_check_that_was_given_up_does_not_happen_afterwards(shop: Shop, buyer: str, person: Person) -> None:
    number, credits = shop.number_of(buyer), shop.parts.credits
    assert credits.give_up(number, "never").code == "too_late"
    with pytest.raises(KeyReused):
        credits.check(number, parse_phone(person()), "never")
    assert credits.balance(number) == TEN
