"""Everything that can be wrong with a request is a problem by RFC 9457; every refusal has a status."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client

import gateway.app  # noqa: F401  (all refusals are known once everything is imported)
from gateway.domain.errors import AmountTooLarge, PaymentInProgress, PinLocked, Refusal, TryLater, WrongPin
from gateway.domain.money import Money
from gateway.web.api.problems import OWN, STATUS, Problems
from tests.api.client import Program, is_problem
from tests.api.conftest import Shop
from tests.conftest import Clock
from ussd_menus.texts import load_texts

PAYMENTS = "/api/v1/payments"
JSON = {"Content-Type": "application/json", "Idempotency-Key": "k"}


def _every_refusal() -> list[type[Refusal]]:
    found, waiting = [], [Refusal]
    while waiting:
        kinds = waiting.pop().__subclasses__()
        found += [kind for kind in kinds if kind.__module__.startswith(("gateway", "ussd_menus"))]
        waiting += kinds
    return found


def test_every_refusal_has_a_status_and_every_status_a_refusal() -> None:
    assert {kind.code for kind in _every_refusal()} == set(STATUS)
    assert not set(STATUS) & set(OWN)


def _one(kind: type[Refusal]) -> Refusal:
    """A refusal of this kind, with something in each of its blanks."""
    wanted = set(getattr(kind.__init__, "__annotations__", {})) - {"return"}
    values = {"until": Clock()(), "minutes": 15, "tries_left": 2}
    return kind(**{name: values.get(name, Money.major(70)) for name in wanted})


@pytest.mark.parametrize("kind", _every_refusal(), ids=lambda kind: kind.code)
def test_every_refusal_is_a_problem(kind: type[Refusal]) -> None:
    problem = Problems(load_texts()).of(_one(kind))
    members = problem.members
    assert (problem.status, members["status"], members["code"]) == (STATUS[kind.code], STATUS[kind.code], kind.code)
    assert members["title"].endswith(".")
    assert "{" not in members["detail"]
    assert 400 <= problem.status < 500 or "Retry-After" in problem.headers
    assert problem.body


@pytest.mark.parametrize(
    ("refusal", "members"),
    [
        (AmountTooLarge(Money.major(70)), {"most": {"amount_minor": 7_000, "currency": "KES"}}),
        (PaymentInProgress(Money(101)), {"amount": {"amount_minor": 101, "currency": "KES"}}),
        (WrongPin(1), {"tries_left": 1}),
        (PinLocked(Clock()(), 15), {"minutes": 15}),
        (TryLater(), {"detail": load_texts()("no.try_later", "en")}),
    ],
)
def test_what_a_refusal_knows_is_in_its_problem(refusal: Refusal, members: dict[str, Any]) -> None:
    problem = Problems(load_texts()).of(refusal)
    assert {name: problem.members[name] for name in members} == members


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/api/v1/", 404, "not_found"),
        ("POST", "/api/v1/payments/", 404, "not_found"),
        ("DELETE", PAYMENTS, 405, "method_not_allowed"),
        ("PUT", f"{PAYMENTS}/7F3K9QAB", 405, "method_not_allowed"),
        ("POST", "/api/v1/credits/packages", 405, "method_not_allowed"),
    ],
)
def test_an_address_or_method_that_is_not_is_a_problem(
    program: Program, method: str, path: str, status: int, code: str
) -> None:
    answer = program.sends(method, path)
    is_problem(answer, status, code)
    assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("data", "headers", "status", "code"),
    [
        (b"", JSON, 400, "not_json"),
        (b"{", JSON, 400, "not_json"),
        (b'{"a": NaN}', JSON, 400, "not_json"),
        (b'{"a": "\xff"}', JSON, 400, "not_json"),
        (b'{"a": "\\ud800"}', JSON, 400, "not_json"),
        (b"[" * 5_000, JSON, 400, "not_json"),
        (b'"text"', JSON, 422, "invalid"),
        (b"[]", JSON, 422, "invalid"),
        (b"null", JSON, 422, "invalid"),
        (b"{}", JSON, 422, "invalid"),
        (b" " * 20_000, JSON, 413, "body_too_large"),
        (b"{}", JSON | {"Content-Type": "text/plain"}, 415, "not_json_type"),
        (b"to=x", JSON | {"Content-Type": "application/x-www-form-urlencoded"}, 415, "not_json_type"),
        (b"{}", {"Idempotency-Key": "k"}, 415, "not_json_type"),
        (b"{}", {"Content-Type": "application/json"}, 400, "idempotency_key_missing"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem(
    program: Program, data: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    is_problem(program.sends("POST", PAYMENTS, data=data, headers=headers), status, code)


def test_other_pages_speak_as_before(shop: Shop) -> None:
    answer = Client(shop.app).get("/nothing")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


def test_every_type_of_problem_is_explained_on_the_page_it_names(shop: Shop) -> None:
    page = Client(shop.app).get("/docs").text
    assert [code for code in OWN if f'id="{code}"' not in page] == []
    assert [code for code in ("payment_in_progress", "not_enough_credits") if f'id="{code}"' not in page] == []
