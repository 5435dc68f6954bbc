"""The same write twice is done once and answered once, whatever dies in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from gateway.domain.errors import TryLater
from gateway.domain.money import Money
from gateway.services.api_requests import LEASE, ApiRequests
from gateway.services.credits import Credits
from gateway.services.payments import Payments
from tests.api.client import Program, is_problem
from tests.api.conftest import Shop

Person = Callable[..., str]


def _body(to: str, shillings: int = 500, **more: Any) -> dict[str, Any]:
    return {"to": to, "amount_minor": shillings * 100, "currency": "KES", **more}


def _payments_of(shop: Shop, number: str) -> int:
    query = "SELECT count(*) FROM payments p JOIN accounts a ON a.id = p.account_id WHERE a.number = %s"
    return shop.count(query, shop.number_of(number))


def test_the_same_write_again_has_the_same_answer(shop: Shop, program: Program, person: Person) -> None:
    number = person()
    first = program.posts("/payments", _body(number), once="order 17")
    shop.pays(number)  # what became of it meanwhile does not change what was answered
    again = program.posts("/payments", _body(number), once="order 17")
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert "Idempotent-Replay" not in first.headers
    assert again.headers["Idempotent-Replay"] == "true"
    assert _payments_of(shop, number) == 1


def test_the_same_json_written_otherwise_is_the_same_request(program: Program, person: Person) -> None:
    number = person()
    headers = {"Idempotency-Key": "order 18", "Content-Type": "application/json; charset=utf-8"}
    spaced = f'{{ "currency": "KES",\n "to": "{number}", "amount_minor": 50000 }}'
    first = program.posts("/payments", _body(number), once="order 18")
    again = program.sends("POST", "/api/v1/payments", data=spaced, headers=headers)
    assert again.data == first.data


def test_another_body_or_another_route_under_the_key_is_refused(shop: Shop, program: Program, person: Person) -> None:
    number = person()
    assert program.posts("/payments", _body(number), once="k").status_code == 202
    is_problem(program.posts("/payments", _body(number, 700), once="k"), 409, "key_reused")
    spending = {"account": number, "credits": 1, "because": "test"}
    is_problem(program.posts("/credits/spend", spending, once="k"), 409, "key_reused")
    assert _payments_of(shop, number) == 1


def test_keys_of_two_programs_have_nothing_to_do_with_each_other(shop: Shop, person: Person) -> None:
    one, other = person(), person()
    assert shop.program().posts("/payments", _body(one), once="1").status_code == 202
    assert shop.program().posts("/payments", _body(other), once="1").status_code == 202


def test_a_refusal_is_an_answer_too(program: Program, person: Person) -> None:
    number = person()
    assert program.posts("/payments", _body(number)).status_code == 202
    first = program.posts("/payments", _body(number, 70), once="no")
    again = program.posts("/payments", _body(number, 70), once="no")
    is_problem(again, 409, "payment_in_progress")
    assert again.data == first.data
    assert again.headers["Idempotent-Replay"] == "true"


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "schl\u00fcssel", "tab\tin it"])
def test_a_write_needs_a_key_that_can_be_read(program: Program, key: str) -> None:
    sent = {"Idempotency-Key": key.encode("utf-8").decode("latin-1")}
    answer = program.sends("POST", "/api/v1/payments", json=_body("ML-7F3K9Q"), headers=sent)
    is_problem(answer, 400, "idempotency_key_missing")


def test_a_key_of_255_characters_is_good(program: Program, person: Person) -> None:
    assert program.posts("/payments", _body(person()), once="k" * 255).status_code == 202


def test_twenty_at_once_under_one_key_have_one_effect(shop: Shop, program: Program, person: Person) -> None:
    number, gate, answers = person(), threading.Barrier(20), []

    def one() -> None:
        gate.wait()
        answers.append(program.posts("/payments", _body(number, way="link"), once="race"))

    _at_once(one, 20)
    assert {answer.status_code for answer in answers} <= {202, 409}
    references = {answer.get_json()["reference"] for answer in answers if answer.status_code == 202}
    assert len(references) == 1
    assert {answer.get_json()["code"] for answer in answers if answer.status_code == 409} <= {"request_in_progress"}
    assert _payments_of(shop, number) == 1
    assert program.posts("/payments", _body(number, way="link"), once="race").get_json()["reference"] in references


def test_twenty_at_once_spend_one_credit(shop: Shop, program: Program, person: Person) -> None:
    number, gate, answers = person(), threading.Barrier(20), []
    _has_credits(shop, program, number)
    body = {"account": number, "credits": 3, "because": "race"}

    def one() -> None:
        gate.wait()
        answers.append(program.posts("/credits/spend", body, once="race credits"))

    _at_once(one, 20)
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert shop.parts.credits.balance(shop.number_of(number)) == Money(7, "credits")
    assert shop.books_are_right()


def _has_credits(shop: Shop, program: Program, number: str) -> None:
    bought = program.posts("/credits/topups", {"account": number, "package_id": "pkg_10_credits"}).get_json()
    shop.pays_page(bought["reference"], Money.major(5_000, "NGN"))


def _at_once(one: Callable[[], None], times: int) -> None:
    threads = [threading.Thread(target=one) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Killed(BaseException):
    """The process dies here."""


def _dies(*_: object, **__: object) -> None:
    raise Killed


def test_a_process_that_dies_after_the_effect_leaves_a_request_that_is_run_again(
    shop: Shop, program: Program, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = person()
    with monkeypatch.context() as patched:
        patched.setattr(ApiRequests, "finish", _dies)
        patched.setattr(ApiRequests, "release", lambda *_: None)
        with pytest.raises(Killed):
            program.posts("/payments", _body(number), once="dies")
    waits = program.posts("/payments", _body(number), once="dies")
    is_problem(waits, 409, "request_in_progress")
    assert int(waits.headers["Retry-After"]) >= 1
    _later(shop, program)
    assert program.posts("/payments", _body(number), once="dies").status_code == 202
    assert _payments_of(shop, number) == 1


def _later(shop: Shop, program: Program) -> None:
    """The lease of what was left behind has ended."""
    ago = f"interval '{LEASE.total_seconds() + 1} seconds'"
    with shop.parts.db.transaction() as session:
        session.connection().exec_driver_sql(
            f"UPDATE api_requests SET leased_until = leased_until - {ago} WHERE status IS NULL"
        )


@pytest.mark.parametrize(("service", "method"), [(Payments, "request"), (Credits, "spend")])
def test_something_that_is_away_decides_nothing(
    program: Program, person: Person, monkeypatch: pytest.MonkeyPatch, service: type, method: str
) -> None:
    number = person()
    path, body = {
        "request": ("/payments", _body(number)),
        "spend": ("/credits/spend", {"account": number, "credits": 1, "because": "test"}),
    }[method]

    def away(*_: object, **__: object) -> None:
        raise TryLater

    with monkeypatch.context() as patched:
        patched.setattr(service, method, away)
        answer = program.posts(path, body, once=f"away {method}")
        is_problem(answer, 503, "try_later")
        assert int(answer.headers["Retry-After"]) >= 1
    assert program.posts(path, body, once=f"away {method}").status_code in (202, 409)


def test_what_nobody_expected_is_a_problem_and_may_be_sent_again(
    program: Program, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = person()

    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the inner life of the gateway")

    with monkeypatch.context() as patched:
        patched.setattr(Payments, "request", breaks)
        answer = program.posts("/payments", _body(number), once="breaks")
        is_problem(answer, 500, "unexpected")
        assert "inner life" not in answer.text
    assert program.posts("/payments", _body(number), once="breaks").status_code == 202


def test_no_full_phone_and_no_key_is_kept_with_the_answers(shop: Shop, program: Program, person: Person) -> None:
    number, payer = person(), "0735482916"
    program.posts("/payments", _body(number, phone=payer), once="private")
    program.posts("/payments", _body(payer), once="private too")
    with shop.parts.db.reading() as connection:
        rows = connection.exec_driver_sql("SELECT row_to_json(r)::text FROM api_requests r").scalars().all()
    assert rows
    assert not [row for row in rows if payer[1:] in row or number[1:] in row or program.key in row]


def test_after_a_month_the_answer_is_forgotten_and_the_effect_is_not(
    shop: Shop, program: Program, person: Person
) -> None:
    number = person()
    first = program.posts("/payments", _body(number), once="old").get_json()
    with shop.parts.db.transaction() as session:
        session.connection().exec_driver_sql(
            "UPDATE api_requests SET created_at = created_at - interval '31 days',"
            " leased_until = leased_until - interval '31 days' WHERE idempotency_key = 'old'"
        )
    assert shop.parts.api_requests.forget_old() >= 1
    again = program.posts("/payments", _body(number), once="old")
    assert again.get_json()["reference"] == first["reference"]
    assert "Idempotent-Replay" not in again.headers
    assert _payments_of(shop, number) == 1
