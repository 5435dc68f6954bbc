"""Our Flutterwave client against a scripted Flutterwave: what it sends, and what it makes of every kind of answer."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.flutterwave.client import PAYMENTS, VERIFY, Flutterwave, build
from integrations.http import Http, Patience
from integrations.protocols import Buyer, LinkAnswer, Outcome, PaymentResult, PaymentVerdict
from integrations.rails import SIMULATED, Tools
from tests.conftest import Clock
from tests.integrations.stub import Said, Stub, as_json
from tests.integrations.test_flutterwave_callbacks import ENVELOPE

REFERENCE = "QTHXK948"
PRICE = Money.major(1_000)
LINK = "https://checkout.flutterwave.com/v3/hosted/pay/flwlnk-01"
MADE = b'{"status":"success","message":"Hosted Link","data":{"link":"https://checkout.flutterwave.com/v3/hosted/pay/flwlnk-01"}}'
NOT_FOUND = b'{"status":"error","message":"No transaction was found for this id","data":null}'
CHARGE: dict[str, Any] = json.loads(ENVELOPE)["data"]
QUICK = Patience(timeout_seconds=0.3, attempts=1)


@pytest.fixture
def flutterwave(stub: Stub, clock: Clock) -> Flutterwave:
    return Flutterwave(Http("flutterwave", stub.url, QUICK), "FLWSECK_TEST-1", clock)


def make(flutterwave: Flutterwave, clock: Clock, amount: Money = PRICE) -> LinkAnswer:
    return flutterwave.make_link(
        reference=REFERENCE,
        amount=amount,
        title="10 credits",
        buyer=Buyer("Jane Mwangi", Phone("+254712345678"), "ml-7f3k9q@mlango.example"),
        return_url="https://mlango.example/paid/abc",
        expires_at=clock() + timedelta(hours=24),
    )


def verified(**changes: Any) -> Said:
    return as_json({"status": "success", "message": "Transaction fetched successfully", "data": CHARGE | changes})


def test_a_page_is_asked_for_exactly_as_documented(stub: Stub, flutterwave: Flutterwave, clock: Clock) -> None:
    stub.says(PAYMENTS, Said(MADE))
    assert make(flutterwave, clock) == LinkAnswer(Outcome.ACCEPTED, LINK, REFERENCE, "success")
    (request,) = stub.calls(PAYMENTS)
    assert request.headers["authorization"] == "Bearer FLWSECK_TEST-1"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "tx_ref": REFERENCE,
        "amount": 1_000,
        "currency": "KES",
        "redirect_url": "https://mlango.example/paid/abc",
        "payment_options": "card",
        "customer": {
            "email": "ml-7f3k9q@mlango.example",
            "name": "Jane Mwangi",
            "phonenumber": "254712345678",
            "phone_number": "254712345678",
        },
        "customizations": {"title": "Mlango", "description": "10 credits"},
        "meta": {"reference": REFERENCE},
        "session_duration": 1440,
        "max_retry_attempt": 1,
        "configuration": {"session_duration": 1440, "max_retry_attempt": 1},
        "link_expiration": (clock() + timedelta(hours=24)).isoformat(timespec="seconds"),
    }


@pytest.mark.parametrize(
    ("amount", "sent", "currency"),
    [
        (Money(150_050), b'"amount": "1500.50"', b'"currency": "KES"'),
        (Money(1), b'"amount": "0.01"', b'"currency": "KES"'),
        (Money.major(5_000, "NGN"), b'"amount": 5000', b'"currency": "NGN"'),
    ],
)
def test_amounts_go_out_in_major_units_and_never_without_currency(
    stub: Stub, flutterwave: Flutterwave, clock: Clock, amount: Money, sent: bytes, currency: bytes
) -> None:
    stub.says(PAYMENTS, Said(MADE))
    make(flutterwave, clock, amount)
    assert sent in stub.calls(PAYMENTS)[0].body
    assert currency in stub.calls(PAYMENTS)[0].body


ERROR = {"status": "error", "message": "tx_ref is required", "data": None}


@pytest.mark.parametrize(
    ("said", "outcome", "reason", "retry_safe"),
    [
        (as_json(ERROR, 400), Outcome.REJECTED, "config", False),
        (as_json(ERROR, 401), Outcome.REJECTED, "config", False),
        (as_json(ERROR, 403), Outcome.REJECTED, "config", False),
        (as_json(ERROR, 422), Outcome.REJECTED, "config", False),
        (as_json(ERROR, 200), Outcome.REJECTED, "config", False),
        (as_json(ERROR, 429), Outcome.REJECTED, "busy", True),
        (Said(b"Too many requests", 429), Outcome.REJECTED, "busy", True),
        (as_json(ERROR, 500), Outcome.UNKNOWN, "", False),
        (Said(b"", 503), Outcome.UNKNOWN, "", False),
        (Said(b"<html>", 200), Outcome.UNKNOWN, "", False),
        (Said(b"", 302), Outcome.UNKNOWN, "", False),
        (as_json({"status": "success", "data": None}), Outcome.UNKNOWN, "", False),
        (as_json({"status": "success", "data": {"link": "javascript:alert(1)"}}), Outcome.UNKNOWN, "", False),
        (as_json({"status": "pending", "data": {"link": LINK}}), Outcome.UNKNOWN, "", False),
        (Said(hang=0.6), Outcome.UNKNOWN, "", False),
        (Said(dead=True), Outcome.UNKNOWN, "", False),
    ],
)
def test_what_an_answer_means(
    stub: Stub, flutterwave: Flutterwave, clock: Clock, said: Said, outcome: Outcome, reason: str, retry_safe: bool
) -> None:
    stub.says(PAYMENTS, said)
    answer = make(flutterwave, clock)
    assert (answer.outcome, answer.reason, answer.retry_safe) == (outcome, reason, retry_safe)
    assert len(stub.calls(PAYMENTS)) == 1, "a page is never asked for twice"
    assert answer.url is None
    assert answer.provider_id == (REFERENCE if outcome is Outcome.UNKNOWN else None), "unknown can be asked about"


def test_a_page_that_was_not_asked_for_may_be_asked_for_again(clock: Clock) -> None:
    nobody = Flutterwave(Http("flutterwave", "http://127.0.0.1:1", QUICK), "k", clock)
    answer = make(nobody, clock)
    assert (answer.outcome, answer.retry_safe) == (Outcome.REJECTED, True)


def test_a_refused_key_is_one_event_without_the_key(stub: Stub, flutterwave: Flutterwave, clock: Clock) -> None:
    stub.says(PAYMENTS, as_json(ERROR, 401))
    with structlog.testing.capture_logs() as logs:
        make(flutterwave, clock)
    assert logs == [{"event": "rail.credentials", "log_level": "error", "rail": "flutterwave", "status": 401}]


def test_a_payment_is_asked_about_by_our_reference(stub: Stub, flutterwave: Flutterwave) -> None:
    stub.says(VERIFY, verified())
    result = flutterwave.ask(REFERENCE)
    assert (result.verdict, result.receipt, result.amount) == (PaymentVerdict.PAID, "285959875", Money.major(100))
    assert (result.provider_id, result.reference) == (REFERENCE, REFERENCE)
    assert stub.heard[0].path == f"{VERIFY}?tx_ref={REFERENCE}"


def test_one_charge_of_a_page_is_asked_about_by_its_receipt(stub: Stub, flutterwave: Flutterwave) -> None:
    stub.says("/v3/transactions/8944267/verify", verified(id=8944267))
    assert flutterwave.ask(REFERENCE, "8944267").receipt == "8944267"
    stub.says(VERIFY, verified())
    assert flutterwave.ask(REFERENCE, "../../v3/balances").receipt == "285959875", "no slash reaches the address"


@pytest.mark.parametrize(
    ("said", "verdict", "reason"),
    [
        (verified(status="failed", processor_response="Declined"), PaymentVerdict.FAILED, "declined"),
        (verified(status="failed", processor_response="Insufficient Funds"), PaymentVerdict.FAILED, "no_money"),
        (verified(status="pending"), PaymentVerdict.PENDING, ""),
        (verified(status="SUCCESSFUL"), PaymentVerdict.PAID, ""),
        (verified(tx_ref="ANOTHER1"), PaymentVerdict.NO_ANSWER, ""),
        (verified(tx_ref=None), PaymentVerdict.NO_ANSWER, ""),
        (verified(currency="USD"), PaymentVerdict.NO_ANSWER, ""),
        (verified(amount=None), PaymentVerdict.NO_ANSWER, ""),
        (verified(id=None), PaymentVerdict.NO_ANSWER, ""),
        (Said(NOT_FOUND, 404), PaymentVerdict.PENDING, ""),
        (Said(NOT_FOUND, 400), PaymentVerdict.PENDING, ""),
        (Said(NOT_FOUND, 200), PaymentVerdict.PENDING, ""),
        (as_json({"status": "error", "message": "Invalid authorization key", "data": None}, 401), "no_answer", ""),
        (as_json({"status": "error", "message": "x", "data": CHARGE}), PaymentVerdict.NO_ANSWER, ""),
        (as_json({"status": "success", "data": CHARGE}, 500), PaymentVerdict.NO_ANSWER, ""),
        (as_json({"status": "success", "data": [CHARGE]}), PaymentVerdict.NO_ANSWER, ""),
        (Said(b"[]"), PaymentVerdict.NO_ANSWER, ""),
        (Said(b"", 503), PaymentVerdict.NO_ANSWER, ""),
        (Said(hang=0.6), PaymentVerdict.NO_ANSWER, ""),
    ],
)
def test_what_verify_means(stub: Stub, flutterwave: Flutterwave, said: Said, verdict: str, reason: str) -> None:
    stub.says(VERIFY, said)
    result: PaymentResult = flutterwave.ask(REFERENCE)
    assert (result.verdict, result.reason, result.provider_id) == (verdict, reason, REFERENCE)


@pytest.mark.parametrize("base", ["", "/v3"])
def test_the_address_may_be_given_with_its_version_or_without(stub: Stub, clock: Clock, base: str) -> None:
    stub.says(VERIFY, Said(NOT_FOUND, 404))
    settings = SimpleNamespace(
        flutterwave_base_url=stub.url + base, flutterwave_secret_key="k", flutterwave_hash="the hash"
    )
    rail = build(settings, "", Tools(clock))
    assert rail.links
    assert rail.links.ask(REFERENCE).verdict is PaymentVerdict.PENDING


def test_only_a_simulated_rail_believes_the_simulators_hash(clock: Clock) -> None:
    settings = SimpleNamespace(flutterwave_base_url="http://x", flutterwave_secret_key="k", flutterwave_hash="")
    for url, believed in (("", False), ("http://simulator", True)):
        (channel, out) = build(settings, url, Tools(clock)).channels
        assert channel.signed
        assert channel.signed({"verif-hash": SIMULATED}, b"") is believed
        assert (channel.passes_to, channel.proves, out.proves) == (out.name, False, False)
