"""Our PayHero clients against a scripted PayHero: what they send by each contract, and what every answer means."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from requests.auth import HTTPBasicAuth
from structlog.testing import capture_logs

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.settings import load_settings
from integrations.http import Patience
from integrations.payhero.calls import Bearer, Calls
from integrations.payhero.client import BASE_URL, PayHero, build
from integrations.payhero.older import BASE_URL as OLDER_BASE_URL
from integrations.payhero.older import OlderPayHero
from integrations.protocols import BalanceResult, Outcome, PaymentVerdict, PromptAnswer, Rail
from integrations.rails import Tools
from tests.integrations.stub import Said, Stub, as_json

PAYER = Phone("+254708374149")
ACCEPTED = b'{"success":true,"status":"QUEUED","reference":"E8UWT7CLUW","CheckoutRequestID":"ws_CO_150120241643215197"}'
QUICK = Patience(timeout_seconds=0.3, attempts=2, pause_seconds=0.01, silences_until_open=2, open_seconds=30)
V2 = {"payhero_username": "user", "payhero_password": "s3cret", "payhero_channel_id": 133}
REJECTED, UNKNOWN = Outcome.REJECTED, Outcome.UNKNOWN


@pytest.fixture
def payhero(stub: Stub) -> PayHero:
    return PayHero(Calls(stub.url, HTTPBasicAuth("user", "s3cret"), QUICK), 133)


@pytest.fixture
def older(stub: Stub) -> OlderPayHero:
    return OlderPayHero(Calls(stub.url, Bearer("k3y"), QUICK))


def prompt(client: PayHero | OlderPayHero, **changes: Any) -> PromptAnswer:
    asked: dict[str, Any] = {
        "phone": PAYER,
        "amount": Money.major(1500),
        "reference": "7F3K9QAB",
        "description": "Mlango",
        "addresses": lambda channel: f"https://example.org/hooks/abc/{channel}",
    }
    return client.prompt(**asked | changes)


def test_a_v2_request_is_sent_exactly_as_documented(stub: Stub, payhero: PayHero) -> None:
    stub.says("/payments", Said(ACCEPTED, 201))
    assert prompt(payhero) == PromptAnswer(Outcome.ACCEPTED, "E8UWT7CLUW", "ws_CO_150120241643215197", code="201")
    (request,) = stub.calls("/payments")
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"user:s3cret").decode()
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "amount": 1500,
        "phone_number": "0708374149",
        "channel_id": 133,
        "provider": "m-pesa",
        "external_reference": "7F3K9QAB",
        "callback_url": "https://example.org/hooks/abc/payhero",
    }


def test_an_older_request_is_sent_exactly_as_its_clients_do(stub: Stub, older: OlderPayHero) -> None:
    stub.says("/payments", as_json({"success": True, "transaction_id": "PH-1"}))
    assert prompt(older) == PromptAnswer(Outcome.ACCEPTED, "PH-1", code="200")
    (request,) = stub.calls("/payments")
    assert request.headers["authorization"] == "Bearer k3y"
    assert request.json == {
        "amount": 1500,
        "phone_number": "254708374149",
        "channel_id": 1,
        "external_reference": "7F3K9QAB",
        "callback_url": "https://example.org/hooks/abc/payhero",
        "provider": "mpesa",
    }


def test_cents_are_a_bug_of_the_caller_and_nothing_is_sent(stub: Stub, payhero: PayHero, older: OlderPayHero) -> None:
    for client in (payhero, older):
        with pytest.raises(ValueError, match="whole amount"):
            prompt(client, amount=Money(150))
    assert stub.heard == []


#: Answers of both contracts alike.
ANSWERS = [
    (as_json({"success": False, "status": "FAILED"}), REJECTED, "declined", False),
    (as_json({"success": False}, 201), REJECTED, "declined", False),
    (as_json({"error_message": "bad"}, 400), REJECTED, "config", True),
    (as_json({}, 401), REJECTED, "config", True),
    (Said(b"", 403), REJECTED, "config", True),
    (Said(b"<html>", 404, "text/html"), REJECTED, "config", True),
    (as_json({"error_message": "bad"}, 422), REJECTED, "config", True),
    (Said(b"", 429), REJECTED, "busy", True),
    (as_json({"success": False}, 409), UNKNOWN, "", False),  # perhaps a duplicate of one that was taken
    (as_json({"success": False}, 500), UNKNOWN, "", False),
    (Said(b"<html>Bad gateway</html>", 502, "text/html"), UNKNOWN, "", False),
    (Said(b"", 504), UNKNOWN, "", False),
    (Said(b"", 302), UNKNOWN, "", False),
    (Said(b"", 200), UNKNOWN, "", False),
    (Said(b"[]", 201), UNKNOWN, "", False),
    (Said(dead=True), UNKNOWN, "", False),
    (Said(ACCEPTED, hang=1), UNKNOWN, "", False),
]


@pytest.mark.parametrize(("said", "outcome", "reason", "retry_safe"), ANSWERS)
@pytest.mark.parametrize("contract", ["payhero", "older"])
def test_every_answer_to_a_request(
    request: pytest.FixtureRequest,
    stub: Stub,
    contract: str,
    said: Said,
    outcome: Outcome,
    reason: str,
    retry_safe: bool,
) -> None:
    stub.says("/payments", said, Said(ACCEPTED, 201))
    answer = prompt(request.getfixturevalue(contract))
    assert (answer.outcome, answer.reason, answer.retry_safe) == (outcome, reason, retry_safe)
    assert len(stub.calls("/payments")) == 1, "a request goes out once, whatever the answer"


@pytest.mark.parametrize(
    ("said", "outcome", "provider_id"),
    [
        ({"status": "QUEUED", "reference": "R"}, Outcome.ACCEPTED, "R"),
        ({"success": True}, Outcome.ACCEPTED, None),  # its callback finds us by our reference
        ({"reference": "R"}, Outcome.UNKNOWN, "R"),
        ({"success": "yes", "status": "odd"}, Outcome.UNKNOWN, None),
    ],
)
def test_v2_says_that_it_took_a_request(
    stub: Stub, payhero: PayHero, said: dict[str, Any], outcome: Outcome, provider_id: str | None
) -> None:
    stub.says("/payments", as_json(said, 201))
    assert (prompt(payhero).outcome, prompt(payhero).provider_id) == (outcome, provider_id)


@pytest.mark.parametrize(
    ("said", "outcome", "provider_id"),
    [
        ({"status": "pending", "reference": "R"}, Outcome.ACCEPTED, "R"),
        ({"message": "ok"}, Outcome.ACCEPTED, None),
        ({"status": "failed", "transaction_id": "T"}, Outcome.REJECTED, "T"),
    ],
)
def test_the_older_contract_takes_a_request_by_2xx(
    stub: Stub, older: OlderPayHero, said: dict[str, Any], outcome: Outcome, provider_id: str | None
) -> None:
    stub.says("/payments", as_json(said))
    answer = prompt(older)
    assert (answer.outcome, answer.provider_id) == (outcome, provider_id)


def test_refused_credentials_are_one_line_for_operators_without_the_credentials(
    stub: Stub, older: OlderPayHero
) -> None:
    stub.says("/payments", as_json({"message": "k3y is wrong"}, 401))
    with capture_logs() as logs:
        prompt(older)
    assert [(line["event"], line["log_level"], line["rail"]) for line in logs] == [("rail.config", "error", "payhero")]
    assert "k3y" not in str(logs)


def test_nobody_there_means_that_nothing_was_sent() -> None:
    answer = prompt(PayHero(Calls("http://127.0.0.1:1", HTTPBasicAuth("u", "p"), QUICK), 1))
    assert (answer.outcome, answer.code, answer.retry_safe) == (REJECTED, "not_sent", True)


def test_after_silences_nobody_is_prompted_for_a_while(stub: Stub, payhero: PayHero) -> None:
    stub.says("/transaction-status", Said(dead=True))
    stub.says("/payments", Said(ACCEPTED, 201))
    payhero.ask("R")
    answer = prompt(payhero)
    assert (answer.outcome, answer.code, answer.retry_safe) == (REJECTED, "breaker_open", True)
    assert stub.calls("/payments") == []


def test_a_payment_is_asked_about_by_payheros_reference(stub: Stub, payhero: PayHero) -> None:
    stub.says(
        "/transaction-status", as_json({"success": True, "status": "SUCCESS", "provider_reference": "SAE3YULR0Y"})
    )
    result = payhero.ask("E8UWT7CLUW")
    assert (result.verdict, result.receipt, result.provider_id) == (PaymentVerdict.PAID, "SAE3YULR0Y", "E8UWT7CLUW")
    assert stub.heard[0].path == "/transaction-status?reference=E8UWT7CLUW"


@pytest.mark.parametrize(
    "said",
    [
        Said(dead=True),
        Said(b"", 503),
        as_json({"status": "SUCCESS"}, 404),
        as_json({"status": "FAILED"}, 401),
        Said(b"[]"),
        Said(b"SUCCESS"),
    ],
)
def test_what_is_no_status_is_no_answer(stub: Stub, payhero: PayHero, said: Said) -> None:
    stub.says("/transaction-status", said)
    assert payhero.ask("R").verdict is PaymentVerdict.NO_ANSWER


def test_the_older_contract_cannot_be_asked(stub: Stub, older: OlderPayHero) -> None:
    assert older.ask("PH-1").verdict is PaymentVerdict.NO_ANSWER
    assert stub.heard == []


def test_wallets_are_told_in_shillings(stub: Stub, payhero: PayHero) -> None:
    stub.says("/wallets", as_json({"wallet_type": "service_wallet", "currency": "KES", "available_balance": 30.5}))
    stub.says("/payment_channels/133", as_json({"id": 133, "balance_plain": {"balance": 1200}}))
    assert payhero.ask_balance(addresses=str) == BalanceResult(
        {"service_wallet": Money(3050), "payment_wallet": Money.major(1200)}
    )
    assert stub.calls("/wallets")[0].path == "/wallets?wallet_type=service_wallet"


def test_the_payment_wallet_is_also_sought_where_it_was_before(stub: Stub, payhero: PayHero) -> None:
    stub.says("/wallets", as_json({"available_balance": "30"}))
    told = payhero.ask_balance(addresses=str)
    assert isinstance(told, BalanceResult)
    assert told.accounts == {"service_wallet": Money.major(30), "payment_wallet": Money.major(30)}
    assert stub.calls("/wallets")[-1].path == "/wallets?wallet_type=payment_wallet"


@pytest.mark.parametrize(
    "said", [Said(b"", 401), Said(dead=True), as_json({"currency": "USD", "available_balance": 5})]
)
def test_a_balance_that_is_not_told_is_unknown(stub: Stub, payhero: PayHero, said: Said) -> None:
    stub.says("/wallets", said)
    assert payhero.ask_balance(addresses=str) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("said", "up"), [(as_json({"id": 1}), True), (Said(b"", 401), False), (Said(dead=True), False)]
)
def test_v2_is_up_when_a_wallet_is_told(stub: Stub, payhero: PayHero, said: Said, up: bool) -> None:
    stub.says("/wallets", said)
    assert payhero.is_up() is up


@pytest.mark.parametrize(("said", "up"), [(Said(b"", 405), True), (Said(b"", 404), True), (Said(b"", 503), False)])
def test_the_older_contract_is_up_when_anybody_answers(stub: Stub, older: OlderPayHero, said: Said, up: bool) -> None:
    stub.says("/payments", said)
    assert older.is_up() is up
    assert {request.method for request in stub.heard} == {"GET"}


def test_secrets_are_not_shown(payhero: PayHero, older: OlderPayHero) -> None:
    assert "s3cret" not in repr(vars(payhero)) + repr(vars(payhero._calls))
    assert "k3y" not in repr(vars(older)) + repr(vars(older._calls))


# Which contract the settings choose.


def rail(simulator_url: str = "", **values: Any) -> Rail:
    return build(load_settings(app_env="development", **values), simulator_url, Tools())


def base_url(of: Rail) -> str:
    return of.collects._calls._http.base_url  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("values", "simulator", "kind", "url"),
    [
        (V2, "", PayHero, BASE_URL),
        (V2 | {"payhero_api_key": "k"}, "", PayHero, BASE_URL),
        (V2 | {"payhero_base_url": "http://stub"}, "", PayHero, "http://stub"),
        ({"payhero_api_key": "k"}, "", OlderPayHero, OLDER_BASE_URL),
        ({"payhero_api_key": "k", "payhero_username": "user"}, "", OlderPayHero, OLDER_BASE_URL),
        ({"payhero_api_key": "k", "payhero_base_url": "http://stub"}, "", OlderPayHero, "http://stub"),
        ({"payhero_base_url": "http://stub"}, "", PayHero, "http://stub"),
        ({}, "http://sim/payhero", PayHero, "http://sim/payhero"),
    ],
)
def test_the_credentials_choose_the_contract(values: dict[str, Any], simulator: str, kind: type, url: str) -> None:
    built = rail(simulator, **values)
    assert isinstance(built.collects, kind)
    assert base_url(built) == url
    assert (built.pays_out is not None, built.tells_balance is not None) == (kind is PayHero, kind is PayHero)
    assert (built.gives_back, built.looks_up) == (None, None)
    assert [channel.name for channel in built.channels] == ["payhero", "payhero-out"]


def test_withdrawals_are_not_repeatable() -> None:
    assert rail(**V2).pays_out.repeatable is False  # type: ignore[union-attr]


def test_the_older_contract_is_waited_for_half_a_minute() -> None:
    assert rail(payhero_api_key="k").collects._calls._http._patience.timeout_seconds == 30  # type: ignore[union-attr]
