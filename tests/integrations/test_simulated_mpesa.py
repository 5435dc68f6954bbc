"""Our client and the simulated M-Pesa, over loopback: every magic number, persons at their phones, and the books."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any

import phonenumbers
import pytest
import requests

from gateway.domain.money import Money
from gateway.domain.phone import Phone, parse_phone
from integrations.http import Patience
from integrations.mpesa.callbacks import read_callback
from integrations.mpesa.client import PUSH, QUERY, SANDBOX_PASSKEY, Mpesa, password
from integrations.mpesa.daraja import Daraja
from integrations.mpesa.magic import Magic
from integrations.mpesa.simulated_door import WRONG_KEY
from integrations.mpesa.simulator import MpesaSimulator
from integrations.mpesa.tokens import PATH
from integrations.protocols import Outcome, PaymentResult, PaymentVerdict, PromptAnswer
from integrations.simulators import Simulators
from tests.integrations.stub import Said, Stub

PERSON = Phone("+254711000001")
HOOK = "/hooks/abc"


@pytest.fixture
def mpesa(simulators: Simulators, stub: Stub) -> Mpesa:
    stub.says(HOOK, Said(b'{"ResultCode":0,"ResultDesc":"Accepted"}'))
    return client(simulators)


def client(simulators: Simulators, *, consumer_key: str = "k", passkey: str = SANDBOX_PASSKEY) -> Mpesa:
    patience = Patience(timeout_seconds=0.4, attempts=1)
    daraja = Daraja(simulators.url + "/mpesa", consumer_key, "s", patience=patience)
    return Mpesa(daraja, shortcode="174379", passkey=passkey)


def push(mpesa: Mpesa, stub: Stub, phone: Phone = PERSON, shillings: int = 500) -> PromptAnswer:
    return mpesa.prompt(
        phone=phone,
        amount=Money.major(shillings),
        reference="ML-7F3K9Q",
        description="Deposit",
        addresses=lambda _: stub.url + HOOK,
    )


def results(mpesa: Mpesa, stub: Stub, number: int = 1) -> list[PaymentResult]:
    """The callbacks that came, in our words."""
    read = [read_callback(call.body) for call in stub.wait_for(HOOK, number)]
    assert None not in read
    return read  # type: ignore[return-value]


def until_paid(simulators: Simulators, shillings: int) -> None:
    ends = time.monotonic() + 5
    while simulators.mpesa.prompts.books.organisation < shillings and time.monotonic() < ends:
        time.sleep(0.01)
    assert simulators.mpesa.prompts.books.organisation == shillings


def control(simulators: Simulators, path: str, **body: Any) -> Any:
    return requests.post(f"{simulators.url}/control/mpesa{path}", json=body, timeout=5).json()


def prompts(simulators: Simulators, phone: str = PERSON.national) -> list[dict[str, Any]]:
    return requests.get(f"{simulators.url}/control/mpesa/prompts", params={"phone": phone}, timeout=5).json()["prompts"]


@pytest.mark.parametrize("magic", list(Magic))
def test_every_magic_number_is_a_kenyan_mobile(magic: Magic) -> None:
    assert parse_phone(magic.e164).e164 == magic.e164
    assert phonenumbers.is_valid_number(phonenumbers.parse(magic.e164))


@pytest.mark.parametrize(
    ("magic", "verdict", "reason", "shillings"),
    [
        (Magic.PAYS, PaymentVerdict.PAID, "", 500),
        (Magic.CANCELS, PaymentVerdict.FAILED, "cancelled", 0),
        (Magic.HAS_NO_MONEY, PaymentVerdict.FAILED, "no_money", 0),
        (Magic.TYPES_WRONG_PIN, PaymentVerdict.FAILED, "wrong_pin", 0),
        (Magic.PAYS_LESS, PaymentVerdict.PAID, "", 490),
        (Magic.PAYS_MORE, PaymentVerdict.PAID, "", 510),
        (Magic.STRING_CODE, PaymentVerdict.FAILED, "config", 0),
    ],
)
def test_magic_numbers_answer_by_themselves(
    simulators: Simulators, mpesa: Mpesa, stub: Stub, magic: Magic, verdict: PaymentVerdict, reason: str, shillings: int
) -> None:
    accepted = push(mpesa, stub, Phone(magic.e164))
    assert accepted.outcome is Outcome.ACCEPTED
    assert accepted.provider_id is not None
    (result,) = results(mpesa, stub)
    assert (result.verdict, result.reason, result.provider_id) == (verdict, reason, accepted.provider_id)
    asked = mpesa.ask(accepted.provider_id)
    assert (asked.verdict, asked.code, asked.receipt) == (verdict, result.code, None)
    books = simulators.mpesa.prompts.books
    assert books.organisation == shillings
    assert books.balance(magic.e164) == 10_000 - shillings
    if shillings:
        assert (result.amount, result.payer) == (Money.major(shillings), Phone(magic.e164))
        assert [receipt.receipt for receipt in books.receipts] == [result.receipt]
        assert result.occurred_at is not None


def test_who_never_answers_times_out(simulators: Simulators, mpesa: Mpesa, stub: Stub) -> None:
    control(simulators, "/settings", prompt_seconds=0.1)
    push(mpesa, stub, Phone(Magic.NEVER_ANSWERS.e164))
    (result,) = results(mpesa, stub)
    assert (result.verdict, result.code, result.reason) == (PaymentVerdict.FAILED, "1037", "timeout")


def test_a_lost_callback_is_found_by_asking(simulators: Simulators, mpesa: Mpesa, stub: Stub) -> None:
    accepted = push(mpesa, stub, Phone(Magic.CALLBACK_LOST.e164))
    until_paid(simulators, 500)
    assert mpesa.ask(accepted.provider_id or "").verdict is PaymentVerdict.PAID
    assert stub.calls(HOOK) == []


def test_a_callback_may_come_before_the_answer_to_the_push(mpesa: Mpesa, stub: Stub) -> None:
    accepted = push(mpesa, stub, Phone(Magic.CALLBACK_EARLY.e164))
    (call,) = stub.calls(HOOK)  # no waiting: it was there first
    assert accepted.provider_id in call.body.decode()


def test_a_callback_may_come_twice_for_one_payment(simulators: Simulators, mpesa: Mpesa, stub: Stub) -> None:
    push(mpesa, stub, Phone(Magic.CALLBACK_TWICE.e164))
    first, second = results(mpesa, stub, 2)
    assert first == second
    assert len(simulators.mpesa.prompts.books.receipts) == 1


def test_a_push_that_hangs_is_unknown_to_us_and_paid_all_the_same(
    simulators: Simulators, mpesa: Mpesa, stub: Stub
) -> None:
    assert push(mpesa, stub, Phone(Magic.HTTP_HANGS.e164)).outcome is Outcome.UNKNOWN
    (result,) = results(mpesa, stub)
    assert result.verdict is PaymentVerdict.PAID
    assert simulators.mpesa.prompts.books.organisation == 500


def test_a_refused_push_starts_nothing(simulators: Simulators, mpesa: Mpesa, stub: Stub) -> None:
    answer = push(mpesa, stub, Phone(Magic.PUSH_REFUSED.e164))
    assert (answer.outcome, answer.code, answer.retry_safe) == (Outcome.REJECTED, "400.002.02", True)
    assert simulators.mpesa.prompts.open() == []


def test_after_a_spike_arrest_the_next_push_pays(mpesa: Mpesa, stub: Stub) -> None:
    spiked = Phone(Magic.SPIKE_ARREST.e164)
    first = push(mpesa, stub, spiked)
    assert (first.outcome, first.reason, first.retry_safe) == (Outcome.REJECTED, "busy", True)
    assert push(mpesa, stub, spiked).outcome is Outcome.ACCEPTED
    assert results(mpesa, stub)[0].verdict is PaymentVerdict.PAID


def test_a_person_sees_the_prompt_and_pays(simulators: Simulators, mpesa: Mpesa, stub: Stub) -> None:
    accepted = push(mpesa, stub)
    (shown,) = prompts(simulators)
    assert (shown["id"], shown["amount"], shown["reference"]) == (accepted.provider_id, 500, "ML7F3K9Q")
    assert {mpesa.ask(shown["id"]).verdict for _ in range(4)} == {PaymentVerdict.PENDING}
    answered = control(simulators, "/accept", id=shown["id"])
    (result,) = results(mpesa, stub)
    assert (result.verdict, result.receipt) == (PaymentVerdict.PAID, answered["receipt"])
    assert prompts(simulators) == []


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [("/refuse", {}, "1032"), ("/ignore", {}, "1037"), ("/accept", {"pin_ok": False}, "2001")],
)
def test_a_person_may_also_not_pay(
    simulators: Simulators, mpesa: Mpesa, stub: Stub, path: str, body: dict[str, Any], code: str
) -> None:
    push(mpesa, stub)
    assert control(simulators, path, id=prompts(simulators)[0]["id"], **body) == {"code": code, "receipt": None}
    assert results(mpesa, stub)[0].code == code
    assert simulators.mpesa.prompts.books.organisation == 0


def test_who_has_too_little_cannot_pay(simulators: Simulators, mpesa: Mpesa, stub: Stub) -> None:
    control(simulators, "/balance", phone="0711 000 001", balance=499)
    push(mpesa, stub)
    assert control(simulators, "/accept", id=prompts(simulators)[0]["id"])["code"] == "1"
    assert results(mpesa, stub)[0].reason == "no_money"


def test_a_prompt_is_answered_once(simulators: Simulators, mpesa: Mpesa, stub: Stub) -> None:
    push(mpesa, stub)
    shown = prompts(simulators)[0]["id"]
    answers: list[Any] = []
    persons = [
        threading.Thread(target=lambda: answers.append(control(simulators, "/accept", id=shown))) for _ in range(8)
    ]
    for person in persons:
        person.start()
    for person in persons:
        person.join()
    assert sorted("error" in answer for answer in answers) == [False] + [True] * 7
    assert simulators.mpesa.prompts.books.organisation == 500


def test_one_phone_has_one_open_prompt(simulators: Simulators, mpesa: Mpesa, stub: Stub) -> None:
    push(mpesa, stub)
    second = push(mpesa, stub)
    assert (second.outcome, second.code, second.reason) == (Outcome.REJECTED, "500.001.1001", "busy")
    control(simulators, "/refuse", id=prompts(simulators)[0]["id"])
    assert push(mpesa, stub).outcome is Outcome.ACCEPTED


def test_unattended_demos_can_accept_by_themselves(simulators: Simulators, mpesa: Mpesa, stub: Stub) -> None:
    control(simulators, "/settings", auto_accept=True)
    push(mpesa, stub)
    assert results(mpesa, stub)[0].verdict is PaymentVerdict.PAID


def test_an_expired_token_is_replaced_without_anybody_noticing(
    simulators: Simulators, mpesa: Mpesa, stub: Stub
) -> None:
    push(mpesa, stub, Phone(Magic.CANCELS.e164))
    results(mpesa, stub)
    control(simulators, "/expire-tokens")
    assert push(mpesa, stub).outcome is Outcome.ACCEPTED


def test_wrong_credentials_send_nothing(simulators: Simulators, stub: Stub) -> None:
    answer = push(client(simulators, consumer_key=WRONG_KEY), stub)
    assert (answer.outcome, answer.code, answer.reason) == (Outcome.REJECTED, "400", "config")


def test_a_known_passkey_is_checked(simulators: Simulators, stub: Stub) -> None:
    simulators.mpesa.pushes.passkey = SANDBOX_PASSKEY
    assert push(client(simulators), stub).outcome is Outcome.ACCEPTED
    answer = push(client(simulators, passkey="another"), stub, Phone(Magic.PAYS.e164))
    assert (answer.outcome, answer.code, answer.reason) == (Outcome.REJECTED, "500.001.1001", "config")


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("https://example.org/hooks/0a1b", Outcome.ACCEPTED),
        ("https://example.org/mpesa/cb", Outcome.REJECTED),
        ("https://example.org/Safaricom", Outcome.REJECTED),
        ("https://example.org/query", Outcome.REJECTED),
        ("your callback url", Outcome.REJECTED),
    ],
)
def test_callback_addresses_are_judged_as_in_production(simulators: Simulators, url: str, outcome: Outcome) -> None:
    answer = client(simulators).prompt(
        phone=PERSON, amount=Money.major(1), reference="R", description="D", addresses=lambda _: url
    )
    assert answer.outcome is outcome


@pytest.fixture
def bearer(simulators: Simulators) -> dict[str, str]:
    answer = requests.get(
        simulators.url + "/mpesa" + PATH, params={"grant_type": "client_credentials"}, auth=("k", "s"), timeout=5
    )
    assert answer.json().keys() == {"access_token", "expires_in"}
    assert len(answer.json()["access_token"]) == 28
    return {"Authorization": "Bearer " + answer.json()["access_token"]}


def fields(stub: Stub, phone: str, **changes: Any) -> dict[str, Any]:
    return {
        "BusinessShortCode": "174379",
        "Password": password("174379", SANDBOX_PASSKEY, "20260817140403"),
        "Timestamp": "20260817140403",
        "TransactionType": "CustomerPayBillOnline",
        "Amount": "10",
        "PartyA": phone,
        "PartyB": "174379",
        "PhoneNumber": phone,
        "CallBackURL": stub.url + HOOK,
        "AccountReference": "R",
        "TransactionDesc": "D",
    } | changes


def test_the_simulator_speaks_in_the_documented_shapes(
    simulators: Simulators, stub: Stub, bearer: dict[str, str]
) -> None:
    stub.says(HOOK, Said(b""))
    at = simulators.url + "/mpesa"
    pushed = requests.post(at + PUSH, json=fields(stub, Magic.PAYS.e164[1:]), headers=bearer, timeout=5)
    accepted = pushed.json()
    assert list(accepted) == [
        "MerchantRequestID", "CheckoutRequestID", "ResponseCode", "ResponseDescription", "CustomerMessage",
    ]  # fmt: skip
    assert re.fullmatch(r"ws_CO_\d{14}\d{1,4}700000101", accepted["CheckoutRequestID"])
    assert re.fullmatch(r"[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{18}", accepted["MerchantRequestID"])

    call = stub.wait_for(HOOK)[0]
    assert call.headers["content-type"] == "application/json;charset=UTF-8"
    assert call.headers["businessshortcode"] == "174379"
    told = call.json["Body"]["stkCallback"]
    assert list(told) == ["MerchantRequestID", "CheckoutRequestID", "ResultCode", "ResultDesc", "CallbackMetadata"]
    items = {item["Name"]: item.get("Value") for item in told["CallbackMetadata"]["Item"]}
    assert items.keys() == {"Amount", "MpesaReceiptNumber", "Balance", "TransactionDate", "PhoneNumber"}
    assert re.fullmatch(r"[A-Z0-9]{10}", items["MpesaReceiptNumber"])
    assert (told["ResultCode"], items["Amount"], items["Balance"]) == (0, 10, None)
    assert len(str(items["TransactionDate"])) == 14

    query = {key: fields(stub, "")[key] for key in ("BusinessShortCode", "Password", "Timestamp")}
    asked = requests.post(
        at + QUERY, json=query | {"CheckoutRequestID": told["CheckoutRequestID"]}, headers=bearer, timeout=5
    )
    assert list(asked.json()) == [
        "ResponseCode", "ResponseDescription", "MerchantRequestID", "CheckoutRequestID", "ResultCode", "ResultDesc",
    ]  # fmt: skip
    assert asked.json()["ResultCode"] == "0"


def test_a_failed_callback_has_no_metadata_and_keeps_a_code_that_is_text(
    simulators: Simulators, stub: Stub, bearer: dict[str, str]
) -> None:
    stub.says(HOOK, Said(b""))
    body = fields(stub, Magic.STRING_CODE.e164[1:])
    requests.post(simulators.url + "/mpesa" + PUSH, json=body, headers=bearer, timeout=5)
    told = stub.wait_for(HOOK)[0].json["Body"]["stkCallback"]
    assert list(told) == ["MerchantRequestID", "CheckoutRequestID", "ResultCode", "ResultDesc"]
    assert told["ResultCode"] == "SFC_IC0003"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Amount": "0"}, "Bad Request - Invalid Amount"),
        ({"Amount": "10.5"}, "Bad Request - Invalid Amount"),
        ({"Amount": "250001"}, "Bad Request - Invalid Amount"),
        ({"PhoneNumber": "0708374149"}, "Bad Request - Invalid PhoneNumber"),
        ({"AccountReference": "X" * 13}, "Bad Request - Invalid AccountReference"),
        ({"TransactionDesc": ""}, "Bad Request - Invalid Remarks"),
        ({"TransactionDesc": None}, "Bad Request - Invalid Remarks"),
        ({"Timestamp": "now"}, "Bad Request - Invalid Timestamp"),
    ],
)
def test_the_simulator_refuses_what_daraja_refuses(
    simulators: Simulators, stub: Stub, bearer: dict[str, str], changes: dict[str, Any], message: str
) -> None:
    body = fields(stub, "254711000001", **changes)
    answer = requests.post(simulators.url + "/mpesa" + PUSH, json=body, headers=bearer, timeout=5)
    assert answer.status_code == 400
    assert answer.json().keys() == {"requestId", "errorCode", "errorMessage"}
    assert (answer.json()["errorCode"], answer.json()["errorMessage"]) == ("400.002.02", message)


def test_without_a_token_nothing_is_answered(simulators: Simulators, stub: Stub) -> None:
    answer = requests.post(simulators.url + "/mpesa" + PUSH, json=fields(stub, "254711000001"), timeout=5)
    assert (answer.status_code, answer.json()["errorCode"]) == (404, "404.001.03")


def test_a_prompt_nobody_knows_is_no_answer(simulators: Simulators) -> None:
    assert client(simulators).ask("ws_CO_nobody").verdict is PaymentVerdict.NO_ANSWER


def test_the_books_always_balance(simulators: Simulators, mpesa: Mpesa, stub: Stub) -> None:
    numbers = (Magic.PAYS, Magic.PAYS_LESS, Magic.CANCELS, Magic.CALLBACK_TWICE, Magic.CALLBACK_LOST)
    for magic in numbers:
        push(mpesa, stub, Phone(magic.e164))
    results(mpesa, stub, 5)
    until_paid(simulators, 1990)
    books = requests.get(simulators.url + "/control/mpesa/books", timeout=5).json()
    spent = sum(10_000 - balance for balance in books["subscribers"].values())
    assert books["organisation"] == spent == sum(receipt["amount"] for receipt in books["receipts"]) == 1990
    json.dumps(books)


def test_a_strange_request_does_not_break_the_simulator(simulators: Simulators) -> None:
    assert isinstance(simulators.mpesa, MpesaSimulator)
    for body in (b"", b"[]", b"\xff", b"{" * 1000):
        answer = requests.post(simulators.url + "/mpesa" + PUSH, data=body, timeout=5)
        assert answer.status_code == 404
    assert requests.post(simulators.url + "/control/mpesa/accept", data=b"\xff", timeout=5).status_code == 400
    assert (
        requests.post(simulators.url + "/control/mpesa/settings", json={"prompt_seconds": "x"}, timeout=5).status_code
        == 400
    )
    assert requests.get(simulators.url + "/nowhere", timeout=5).status_code == 404
