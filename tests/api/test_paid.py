"""The page a payer comes back to: what we know, in their language, and nothing that a browser claims."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from werkzeug.test import Client, TestResponse

from gateway.domain.money import Money
from gateway.settings import BadSettings, load_settings
from tests.api.client import Program
from tests.api.conftest import Shop

Person = Callable[..., str]


def _asked(shop: Shop, program: Program, number: str) -> tuple[str, str]:
    """A page for KES 500 was made: its reference, and where its payer comes back to."""
    body = {"to": number, "amount_minor": 50_000, "currency": "KES", "way": "link"}
    reference = program.posts("/payments", body).get_json()["reference"]
    return reference, str(shop.pages.page_of(reference)["return_url"]).removeprefix(shop.url)


def _page(shop: Shop, path: str) -> TestResponse:
    return Client(shop.app).get(path)


def _message(answer: TestResponse) -> dict[str, str]:
    said = re.search(r'reference: ("[^"]*"), state: ("[^"]*")', answer.text)
    assert said
    return {"reference": json.loads(said[1]), "state": json.loads(said[2])}


def test_while_nobody_knows_it_says_so_and_looks_again(shop: Shop, program: Program, person: Person) -> None:
    reference, path = _asked(shop, program, person())
    answer = _page(shop, path)
    assert answer.status_code == 200
    assert "Thank you. We check with the bank; you get an SMS." in answer.text
    assert "KES 500: not confirmed yet. Do not pay again." in answer.text
    assert f"Reference {reference}" in answer.text
    assert _message(answer) == {"reference": reference, "state": "prompted"}
    assert answer.headers["Refresh"] == "10"


def test_once_paid_it_says_so_in_the_language_of_the_account(shop: Shop, program: Program, person: Person) -> None:
    reference, path = _asked(shop, program, person(language="sw"))
    shop.pays_page(reference, Money.major(500))
    answer = _page(shop, path)
    assert "KES 500: imelipwa." in answer.text
    assert '<html lang="sw">' in answer.text
    assert _message(answer)["state"] == "confirmed"
    assert "Refresh" not in answer.headers


def test_what_failed_and_what_came_short_is_told_as_such(shop: Shop, program: Program, person: Person) -> None:
    reference, path = _asked(shop, program, person())
    shop.fails_page(reference)
    assert "not paid. No money moved." in _page(shop, path).text
    reference, path = _asked(shop, program, person())
    shop.pays_page(reference, Money.major(300))
    assert "less came than was asked. The money is safe with us." in _page(shop, path).text


def test_the_query_is_not_believed_and_not_repeated(shop: Shop, program: Program, person: Person) -> None:
    reference, path = _asked(shop, program, person())
    answer = _page(shop, f"{path}?status=successful&tx_ref={reference}&transaction_id=%3Cscript%3E1")
    assert _message(answer)["state"] == "prompted"
    assert "transaction_id" not in answer.text
    assert program.gets(f"/payments/{reference}").get_json()["state"] == "prompted"


def test_only_allowed_sites_may_frame_it_and_hear_it(shop: Shop, program: Program, person: Person) -> None:
    answer = _page(shop, _asked(shop, program, person())[1])
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors https://shop.example http://localhost:3000" in policy
    assert 'of ["https://shop.example", "http://localhost:3000"]' in answer.text
    assert '"*"' not in answer.text
    nonce = re.search(r"script-src 'nonce-([^']+)'", policy)
    assert nonce
    assert answer.text.count(f'nonce="{nonce[1]}"') == 2
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("token", ["0" * 32, "x", "%00", "..%2F..", "A" * 32])
def test_an_unknown_address_is_no_payment(shop: Shop, token: str) -> None:
    answer = _page(shop, f"/paid/{token}")
    assert answer.status_code == 404
    assert "<script" not in answer.text


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        ("", ()),
        ("https://shop.example/", ("https://shop.example",)),
        ("https://a.example, http://localhost:3000", ("https://a.example", "http://localhost:3000")),
    ],
)
@pytest.mark.parametrize("name", ["ALLOWED_ORIGINS", "FRONTEND_URL"])
def test_allowed_origins_are_read_from_either_name(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str, origins: tuple[str, ...]
) -> None:
    monkeypatch.setenv(name, given)
    assert load_settings().allowed_origins == origins


@pytest.mark.parametrize("given", ["*", "shop.example", "https://a.example/path", "https://a.example; script-src *"])
def test_what_is_no_origin_stops_the_start(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", given)
    with pytest.raises(BadSettings, match="ALLOWED_ORIGINS: needs origins"):
        load_settings()
