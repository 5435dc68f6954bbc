"""Who may send hops, and what a call that cannot be read is told."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from tests.phone import OverWsgi

FORM = {"phoneNumber": "+254712000001", "text": "", "serviceCode": "*384*123#"}
Make = Callable[..., OverWsgi]


def _post(
    network: OverWsgi, path: str = "/ussd", headers: dict[str, str] | None = None, **form: str
) -> tuple[int, str]:
    status, body, _ = network.post(path, urlencode({"sessionId": secrets.token_hex(8), **FORM, **form}), headers or {})
    return status, body


def test_without_a_key_anybody_may_send_hops(make_door: Make) -> None:
    status, body = _post(make_door())
    assert (status, body[:4]) == (200, "CON ")


def test_the_three_fields_of_the_source_contract_are_enough(make_door: Make) -> None:
    form = {"sessionId": secrets.token_hex(8), "phoneNumber": "+254712000001", "text": ""}
    status, body, headers = make_door().post("/ussd", urlencode(form), {})
    assert (status, body[:4]) == (200, "CON ")
    assert headers["Content-Type"].startswith("text/plain")


def test_with_a_key_the_header_is_required(make_door: Make) -> None:
    door = make_door(api_key="a key")
    assert _post(door) == (401, "END This service is closed to you.")
    assert _post(door, headers={"Authorization": "Bearer another"})[0] == 401
    assert _post(door, headers={"Authorization": "Bearer a key"})[0] == 200


def test_a_token_in_the_path_does_instead_of_the_header(make_door: Make) -> None:
    door = make_door(api_key="a key", token="0123456789abcdef")
    assert _post(door, "/ussd/0123456789abcdef")[0] == 200
    assert _post(door, "/ussd/0123456789abcdee")[0] == 401


def test_production_without_a_key_opens_the_tokened_address_only(make_door: Make) -> None:
    door = make_door(token="0123456789abcdef", untokened=False)
    assert _post(door)[0] == 401
    assert _post(door, "/ussd/0123456789abcdef")[0] == 200


@pytest.mark.parametrize("missing", ["sessionId", "phoneNumber", "text"])
def test_a_missing_field_is_a_bad_request_with_a_sentence(make_door: Make, missing: str) -> None:
    form = {name: value for name, value in {"sessionId": "ATUid_1", **FORM}.items() if name != missing}
    status, body, _ = make_door().post("/ussd", urlencode(form), {})
    assert (status, body) == (400, "END We could not read this call. Please dial again.")


@pytest.mark.parametrize("number", ["", "abc", "+1", "+254201234567", "+256772123456", "0" * 99])
def test_a_number_that_is_no_mobile_is_a_bad_request(make_door: Make, number: str) -> None:
    status, body = _post(make_door(), phoneNumber=number)
    assert (status, body[:4]) == (400, "END ")


@pytest.mark.parametrize("number", ["+254712000001", " 254712000001", "254712000001"])
def test_the_plus_may_arrive_as_a_blank(make_door: Make, number: str) -> None:
    assert _post(make_door(), phoneNumber=number)[0] == 200


@pytest.mark.parametrize("body", ["", "\xff\xfe", "a=" * 100, "x" * 20_000, "sessionId=%ff&phoneNumber=%fe&text="])
def test_garbage_is_a_bad_request(make_door: Make, body: str) -> None:
    status, page, _ = make_door().post("/ussd", body, {})
    assert (status, page[:4]) == (400, "END ")


def test_other_addresses_are_not_its_business(make_door: Make) -> None:
    door = make_door()
    for path in ("/", "/ussdx", "/ussd/events", "/ussd/a/b"):
        assert door.post(path, "", {})[:2] == (404, "elsewhere")
