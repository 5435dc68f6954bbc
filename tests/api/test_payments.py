"""Programs ask people to pay, and see what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.domain.money import Money
from integrations.protocols import LinkAnswer, Outcome
from tests.api.client import Program, is_problem
from tests.api.conftest import Shop
from tests.house import eventually

Person = Callable[..., str]


def _body(to: str, shillings: int = 500, **more: Any) -> dict[str, Any]:
    return {"to": to, "amount_minor": shillings * 100, "currency": "KES", **more}


@pytest.mark.parametrize("named", ["phone", "account", "account in small letters"])
def test_a_prompt_rings_the_owners_phone_and_fills_the_wallet(
    shop: Shop, program: Program, person: Person, named: str
) -> None:
    number = person()
    who = {"phone": number, "account": shop.number_of(number)}.get(named, shop.number_of(number).lower())
    answer = program.posts("/payments", _body(who))
    asked = answer.get_json()
    assert answer.status_code == 202
    assert (asked["state"], asked["amount_minor"], asked["currency"], asked["way"]) == (
        "requested", 50_000, "KES", "prompt",
    )  # fmt: skip
    assert asked["link"] is None
    shop.pays(number)
    seen = eventually(lambda: _confirmed(program, asked["reference"]))
    assert (seen["state"], seen["received_minor"]) == ("confirmed", 50_000)
    assert shop.balance(number) == 500
    assert shop.books_are_right()


def _confirmed(program: Program, reference: str) -> dict[str, Any] | None:
    seen: dict[str, Any] = program.gets(f"/payments/{reference}").get_json()
    return seen if seen["state"] == "confirmed" else None


def test_another_phone_may_pay_and_is_shown_masked(
    shop: Shop, program: Program, person: Person, numbers: Iterator[str]
) -> None:
    payer, owner = next(numbers), person()
    asked = program.posts("/payments", _body(owner, phone=payer)).get_json()
    assert shop.prompt(payer)
    assert asked["payer"] == f"{payer[:4]}***{payer[-3:]}"
    answer = program.gets(f"/payments/{asked['reference']}")
    assert payer[1:] not in answer.text


def test_a_link_is_in_the_answer_and_goes_out_once(shop: Shop, program: Program, person: Person) -> None:
    number = person()
    asked = program.posts("/payments", _body(number, way="link")).get_json()
    assert asked["link"] == f"https://pages.example/{asked['reference']}"
    assert (asked["way"], asked["state"]) == ("link", "prompted")
    shop.pays_page(asked["reference"], Money.major(500))
    assert shop.balance(number) == 500
    assert [page["reference"] for page in shop.pages.made].count(asked["reference"]) == 1


def test_a_rail_that_makes_no_page_at_once_gives_no_link_yet(shop: Shop, program: Program, person: Person) -> None:
    shop.pages.answers.append(LinkAnswer(Outcome.UNKNOWN))
    asked = program.posts("/payments", _body(person(), way="link")).get_json()
    assert (asked["link"], asked["state"]) == (None, "unknown")


REFUSED = [
    ({"amount_minor": 150}, 422, "whole_shillings_only"),
    ({"amount_minor": 30_000_000}, 422, "amount_too_large"),
    ({"to": "ML-000000"}, 404, "account_not_found"),
    ({"to": "0720000000"}, 404, "account_not_found"),
    ({"to": "020000000000"}, 422, "invalid_phone"),
    ({"phone": "020000000000"}, 422, "invalid_phone"),
]


@pytest.mark.parametrize(("wrong", "status", "code"), REFUSED)
def test_what_the_business_refuses_is_a_problem(
    program: Program, person: Person, wrong: dict[str, Any], status: int, code: str
) -> None:
    problem = is_problem(program.posts("/payments", _body(person()) | wrong), status, code)
    if code == "amount_too_large":
        assert problem["most"] == {"amount_minor": 25_000_000, "currency": "KES"}


def test_a_second_prompt_while_one_is_open_is_refused(program: Program, person: Person) -> None:
    number = person()
    assert program.posts("/payments", _body(number)).status_code == 202
    problem = is_problem(program.posts("/payments", _body(number, 70)), 409, "payment_in_progress")
    assert problem["amount"] == {"amount_minor": 50_000, "currency": "KES"}


INVALID = [
    ("amount_minor", True),
    ("amount_minor", 500.0),
    ("amount_minor", "50000"),
    ("amount_minor", 0),
    ("amount_minor", -1),
    ("amount_minor", 10**19),
    ("amount_minor", None),
    ("currency", "USD"),
    ("currency", "kes"),
    ("to", ""),
    ("to", "ML-7F3K9Q\x00"),
    ("to", 254712345678),
    ("to", ["ML-7F3K9Q"]),
    ("way", "cheque"),
    ("phone", "07'; DROP"),
]


@pytest.mark.parametrize(("field", "value"), INVALID)
def test_what_is_not_as_it_must_be_names_its_field(program: Program, field: str, value: object) -> None:
    problem = is_problem(program.posts("/payments", _body("ML-7F3K9Q") | {field: value}), 422, "invalid")
    assert [fault["field"] for fault in problem["errors"]] == [field]


def test_all_faults_are_listed_and_no_value_is_repeated(program: Program) -> None:
    answer = program.posts("/payments", {"to": "0712345678!", "amount_minor": "lots", "phone": "0733999888x"})
    problem = is_problem(answer, 422, "invalid")
    assert {fault["field"] for fault in problem["errors"]} == {"to", "amount_minor", "currency", "phone"}
    assert "0733999888" not in answer.text


def test_a_phone_and_a_link_do_not_go_together(program: Program) -> None:
    is_problem(program.posts("/payments", _body("ML-7F3K9Q", way="link", phone="0712345678")), 422, "invalid")


def test_unknown_fields_are_ignored(program: Program, person: Person) -> None:
    assert program.posts("/payments", _body(person(), memo="rent")).status_code == 202


@pytest.mark.parametrize("reference", ["7F3K9QAB", "%00", "..%2F", "x" * 200, "%F0%9F%92%A9"])
def test_an_unknown_payment_is_not_found(program: Program, reference: str) -> None:
    assert program.gets(f"/payments/{reference}").status_code == 404


def test_a_list_is_read_page_by_page_newest_first(shop: Shop, program: Program, person: Person) -> None:
    number = person()
    made = [program.posts("/payments", _body(number, n, way="link")).get_json()["reference"] for n in range(1, 6)]
    account, seen, cursor = shop.number_of(number), [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = program.gets("/payments", account=account, limit=2, **more).get_json()
        seen.append([item["reference"] for item in page["items"]])
        cursor = page["next"]
        if cursor is None:
            break
    newest_first = made[::-1]
    assert seen == [newest_first[:2], newest_first[2:4], newest_first[4:]]


def test_a_list_is_of_one_account_and_names_no_phone_in_the_address(
    shop: Shop, program: Program, person: Person
) -> None:
    account = shop.number_of(person())
    assert program.gets("/payments", account=account).get_json() == {"items": [], "next": None}
    other = program.posts("/payments", _body(person(), way="link")).get_json()["reference"]
    foreign = program.gets("/payments", account=shop.number_of(person()), cursor=_cursor(other))
    is_problem(foreign, 404, "account_not_found")
    is_problem(program.gets("/payments", account="0712345678"), 422, "invalid")
    is_problem(program.gets("/payments", account="ML-000000"), 404, "account_not_found")


def _cursor(reference: str) -> str:
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(f"1{reference}".encode()).decode().rstrip("=")


@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"cursor": "x"}, {"cursor": "MQ"}])
def test_a_page_that_cannot_be_is_a_problem(
    shop: Shop, program: Program, person: Person, asked: dict[str, object]
) -> None:
    problem = is_problem(program.gets("/payments", account=shop.number_of(person()), **asked), 422, "invalid")
    assert problem["errors"][0]["field"] in asked
