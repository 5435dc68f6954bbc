"""Our Daraja client against a scripted Daraja: what it sends, and what it makes of every kind of answer."""

from __future__ import annotations

import base64
import socket
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.http import Patience
from integrations.mpesa.client import (
    PUSH,
    QUERY,
    SANDBOX_PASSKEY,
    TILL,
    Mpesa,
    account_reference,
    password,
    transaction_description,
)
from integrations.mpesa.daraja import Daraja
from integrations.mpesa.tokens import PATH, MemoryTokenCache
from integrations.protocols import Outcome, PaymentVerdict, PromptAnswer
from tests.conftest import Clock
from tests.integrations.daraja_kit import error, token
from tests.integrations.stub import Said, Stub, as_json

PAYER = Phone("+254708374149")
ID = "ws_CO_170820261404032708374149"
ACCEPTED = (
    b'{"MerchantRequestID":"234f-43a9-ae11-d0b0c2dbe930108127","CheckoutRequestID":"ws_CO_170820261404032708374149",'
    b'"ResponseCode":"0","ResponseDescription":"Success. Request accepted for processing",'
    b'"CustomerMessage":"Success. Request accepted for processing"}'
)
QUICK = Patience(timeout_seconds=0.3, attempts=2, pause_seconds=0.01, silences_until_open=2, open_seconds=30)


def client(url: str, clock: Clock, *, consumer_key: str = "key", tokens: Any = None, **changes: Any) -> Mpesa:
    daraja = Daraja(url, consumer_key, "secret", clock=clock, tokens=tokens, patience=QUICK)
    return Mpesa(daraja, **{"shortcode": "174379", "passkey": SANDBOX_PASSKEY, "clock": clock} | changes)


@pytest.fixture
def mpesa(stub: Stub, clock: Clock) -> Mpesa:
    stub.says(PATH, *(token(f"token-{number}") for number in range(1, 5)))
    return client(stub.url, clock)


def prompt(mpesa: Mpesa, **changes: Any) -> PromptAnswer:
    asked: dict[str, Any] = {
        "phone": PAYER,
        "amount": Money.major(1500),
        "reference": "ML-7F3K9Q",
        "description": "Deposit",
        "addresses": lambda _: "https://example.org/hooks/abc",
    }
    return mpesa.prompt(**asked | changes)


def test_the_documented_password() -> None:
    assert password("174379", SANDBOX_PASSKEY, "20210628092408") == (
        "MTc0Mzc5YmZiMjc5ZjlhYTliZGJjZjE1OGU5N2RkNzFhNDY3Y2QyZTBjODkzMDU5YjEwZjc4ZTZiNzJhZGExZWQyYzkxOTIwMjEwNjI4MDkyNDA4"
    )


def test_a_push_is_sent_exactly_as_documented(stub: Stub, mpesa: Mpesa, clock: Clock) -> None:
    clock.now = datetime(2021, 6, 28, 6, 24, 8, tzinfo=UTC)  # 09:24:08 in Nairobi
    stub.says(PUSH, Said(ACCEPTED))
    assert prompt(mpesa) == PromptAnswer(Outcome.ACCEPTED, ID, "234f-43a9-ae11-d0b0c2dbe930108127", "0")
    request = stub.calls(PUSH)[0]
    assert request.headers["authorization"] == "Bearer token-1"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "BusinessShortCode": "174379",
        "Password": password("174379", SANDBOX_PASSKEY, "20210628092408"),
        "Timestamp": "20210628092408",
        "TransactionType": "CustomerPayBillOnline",
        "Amount": 1500,
        "PartyA": "254708374149",
        "PartyB": "174379",
        "PhoneNumber": "254708374149",
        "CallBackURL": "https://example.org/hooks/abc",
        "AccountReference": "ML7F3K9Q",
        "TransactionDesc": "Deposit",
    }


def test_a_till_is_paid_itself_under_the_store_number(stub: Stub, clock: Clock) -> None:
    stub.says(PATH, token("t"))
    stub.says(PUSH, Said(ACCEPTED))
    prompt(client(stub.url, clock, transaction_type=TILL, till="555000"))
    sent = stub.calls(PUSH)[0].json
    assert (sent["TransactionType"], sent["BusinessShortCode"], sent["PartyB"]) == (TILL, "174379", "555000")


@pytest.mark.parametrize(
    ("given", "sent"),
    [("ML-7F3K9Q", "ML7F3K9Q"), ("a b/c*d", "abcd"), ("X" * 20, "X" * 12), ("--", "Payment"), ("", "Payment")],
)
def test_the_reference_is_twelve_letters_and_digits(given: str, sent: str) -> None:
    assert account_reference(given) == sent


@pytest.mark.parametrize(
    ("given", "sent"),
    [("Deposit", "Deposit"), ("", "Payment"), ("Mlango deposit now", "Mlango deposi"), ("é!", "Payment")],
)
def test_the_description_is_never_empty_and_thirteen_long(given: str, sent: str) -> None:
    assert transaction_description(given) == sent


def test_cents_are_a_bug_of_the_caller_and_nothing_is_sent(stub: Stub, mpesa: Mpesa) -> None:
    with pytest.raises(ValueError, match="whole amount"):
        prompt(mpesa, amount=Money(150))
    assert stub.heard == []


@pytest.mark.parametrize(
    ("said", "outcome", "reason", "retry_safe"),
    [
        (error("400.002.02", "Bad Request - Invalid Remarks", 400), Outcome.REJECTED, "config", True),
        (error("400.002.05", "Invalid Request Payload", 400), Outcome.REJECTED, "config", True),
        (error("400.003.02", "Bad Request", 400), Outcome.REJECTED, "config", True),
        (error("401.003.01", "Invalid API call as no apiproduct match found", 401), Outcome.REJECTED, "config", True),
        (error("404.001.04", "Invalid Authentication Header", 404), Outcome.REJECTED, "config", True),
        (error("404.001.01", "Resource not found", 404), Outcome.REJECTED, "config", True),
        (error("404.002.01", "Resource not found", 404), Outcome.REJECTED, "config", True),
        (error("404.003.01", "Resource not found", 404), Outcome.REJECTED, "config", True),
        (error("405.001", "Method Not Allowed", 405), Outcome.REJECTED, "config", True),
        (error("400.002.02", "Bad Request", 200), Outcome.REJECTED, "config", True),
        (error("500.003.02", "Spike arrest"), Outcome.REJECTED, "busy", True),
        (error("500.003.03", "Quota violation"), Outcome.REJECTED, "busy", True),
        (
            error("500.001.1001", "Unable to lock subscriber, a transaction is already in process"),
            Outcome.REJECTED,
            "busy",
            False,
        ),
        (error("500.001.1001", "Merchant does not exist"), Outcome.REJECTED, "config", False),
        (error("500.001.1001", "Wrong credentials"), Outcome.REJECTED, "config", False),
        (error("499.000.01", "new refusal", 422), Outcome.REJECTED, "other", False),
        (as_json({"ResponseCode": "1", "MerchantRequestID": "m"}), Outcome.REJECTED, "no_money", False),
        (as_json({"ResponseCode": "77"}), Outcome.REJECTED, "other", False),
        (Said(b"", 400), Outcome.REJECTED, "config", True),
        (Said(b"<html>", 404, "text/html"), Outcome.REJECTED, "config", True),
        (Said(b"", 429), Outcome.REJECTED, "busy", True),
        (error("500.001.1001", ""), Outcome.UNKNOWN, "", False),
        (error("500.001.1001", None), Outcome.UNKNOWN, "", False),
        (error("500.001.1001", "The transaction is being processed"), Outcome.UNKNOWN, "", False),
        (error("500.002.1001", "System internal error."), Outcome.UNKNOWN, "", False),
        (error("500.003.1001", "Internal Server Error"), Outcome.UNKNOWN, "", False),
        (error("00.002.1001", "Maintenance"), Outcome.UNKNOWN, "", False),
        (error("400.999.99", "new", 500), Outcome.UNKNOWN, "", False),
        (Said(b"", 500), Outcome.UNKNOWN, "", False),
        (Said(b"<html>Bad gateway</html>", 502, "text/html"), Outcome.UNKNOWN, "", False),
        (Said(b"", 504), Outcome.UNKNOWN, "", False),
        (Said(b"", 200), Outcome.UNKNOWN, "", False),
        (Said(b"[]", 200), Outcome.UNKNOWN, "", False),
        (Said(b"", 302), Outcome.UNKNOWN, "", False),
        (as_json({"ResponseCode": "0"}), Outcome.UNKNOWN, "", False),
        (Said(dead=True), Outcome.UNKNOWN, "", False),
        (Said(ACCEPTED, hang=1), Outcome.UNKNOWN, "", False),
    ],
)
def test_every_answer_to_a_push(
    stub: Stub, mpesa: Mpesa, said: Said, outcome: Outcome, reason: str, retry_safe: bool
) -> None:
    stub.says(PUSH, said)
    answer = prompt(mpesa)
    assert (answer.outcome, answer.reason, answer.retry_safe) == (outcome, reason, retry_safe)


@pytest.mark.parametrize("said", [Said(dead=True), Said(b"", 503), error("500.002.1001", "System internal error.")])
def test_a_push_without_a_definite_answer_is_never_sent_again(stub: Stub, mpesa: Mpesa, said: Said) -> None:
    stub.says(PUSH, said, Said(ACCEPTED))
    assert prompt(mpesa).outcome is Outcome.UNKNOWN
    assert len(stub.calls(PUSH)) == 1


def test_one_token_serves_many_calls_and_is_asked_for_as_documented(stub: Stub, mpesa: Mpesa) -> None:
    stub.says(PUSH, Said(ACCEPTED))
    for _ in range(3):
        prompt(mpesa)
    asked = stub.calls(PATH)
    assert len(asked) == 1
    assert asked[0].method == "GET"
    assert asked[0].path.endswith("?grant_type=client_credentials")
    assert asked[0].headers["authorization"] == "Basic " + base64.b64encode(b"key:secret").decode()


@pytest.mark.parametrize("expires_in", [3599, "3599"])
def test_a_token_is_renewed_a_minute_early(stub: Stub, mpesa: Mpesa, clock: Clock, expires_in: object) -> None:
    stub.says(PATH, token("first", expires_in), token("second", expires_in))
    stub.says(PUSH, Said(ACCEPTED))
    prompt(mpesa)
    clock.move(seconds=3538)
    prompt(mpesa)
    clock.move(seconds=2)
    prompt(mpesa)
    assert [call.headers["authorization"] for call in stub.calls(PUSH)] == [
        "Bearer first",
        "Bearer first",
        "Bearer second",
    ]


@pytest.mark.parametrize(
    "refusal",
    [
        error("404.001.03", "Invalid Access Token", 404),
        error("400.003.01", "Invalid Access Token", 400),
        error("401.002.01", "Error Occurred - Invalid Access Token", 401),
        Said(b"", 401),
    ],
)
def test_a_refused_token_is_replaced_once_and_the_call_repeated(stub: Stub, mpesa: Mpesa, refusal: Said) -> None:
    stub.says(PUSH, refusal, Said(ACCEPTED))
    assert prompt(mpesa).outcome is Outcome.ACCEPTED
    assert [call.headers["authorization"] for call in stub.calls(PUSH)] == ["Bearer token-1", "Bearer token-2"]


def test_a_token_refused_twice_is_a_refusal_and_not_a_loop(stub: Stub, mpesa: Mpesa) -> None:
    stub.says(PUSH, error("404.001.03", "Invalid Access Token", 404))
    assert prompt(mpesa) == PromptAnswer(Outcome.REJECTED, code="404.001.03", reason="config", retry_safe=True)
    assert (len(stub.calls(PUSH)), len(stub.calls(PATH))) == (2, 2)


def test_another_workers_new_token_is_used_instead_of_asking_for_a_third(stub: Stub, clock: Clock) -> None:
    stub.says(PATH, token("old"), token("one too many"))
    stub.says(PUSH, Said(ACCEPTED), error("404.001.03", "", 404), Said(ACCEPTED))
    cache = MemoryTokenCache(clock)
    mpesa = client(stub.url, clock, tokens=cache)
    prompt(mpesa)
    taken = cache.get
    seen: list[str | None] = []

    def get(key: str) -> str | None:  # between our call and its refusal, another worker stored a new one
        seen.append(taken(key))
        if len(seen) == 1:
            cache.set(key, "theirs", 100)
        return seen[-1]

    cache.get = get  # type: ignore[method-assign]
    prompt(mpesa)
    assert [call.headers["authorization"] for call in stub.calls(PUSH)][1:] == ["Bearer old", "Bearer theirs"]
    assert len(stub.calls(PATH)) == 1


def test_apps_on_different_hosts_or_keys_do_not_share_tokens(stub: Stub, clock: Clock) -> None:
    stub.says(PATH, token("a"), token("b"))
    stub.says(PUSH, Said(ACCEPTED))
    cache = MemoryTokenCache(clock)
    prompt(client(stub.url, clock, tokens=cache))
    prompt(client(stub.url, clock, tokens=cache, consumer_key="other"))
    assert len(stub.calls(PATH)) == 2


def test_the_cache_key_tells_neither_consumer_key_nor_host(stub: Stub, clock: Clock) -> None:
    stub.says(PATH, token("a"))
    stub.says(PUSH, Said(ACCEPTED))
    keys: list[str] = []

    class Spy(MemoryTokenCache):
        def set(self, key: str, token: str, seconds: int) -> None:
            keys.append(key)

    prompt(client(stub.url, clock, tokens=Spy(clock), consumer_key="k3y"))
    assert keys
    assert "k3y" not in keys[0]
    assert "127.0.0.1" not in keys[0]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Said(b"", 400), "config"),
        (error("400.008.01", "Invalid Authentication passed", 400), "config"),
        (as_json({"expires_in": 3599}), "config"),
        (Said(b"", 503), "busy"),
        (Said(dead=True), "busy"),
    ],
)
def test_without_a_token_nothing_is_pushed_and_trying_again_is_safe(
    stub: Stub, mpesa: Mpesa, said: Said, reason: str
) -> None:
    stub.says(PATH, said)
    answer = prompt(mpesa)
    assert (answer.outcome, answer.reason, answer.retry_safe) == (Outcome.REJECTED, reason, True)
    assert stub.calls(PUSH) == []


def test_an_open_breaker_sends_nothing_and_says_busy(stub: Stub, mpesa: Mpesa) -> None:
    stub.says(PUSH, Said(ACCEPTED))
    stub.says(QUERY, Said(b"", 503))
    assert mpesa.ask(ID).verdict is PaymentVerdict.NO_ANSWER
    assert prompt(mpesa) == PromptAnswer(Outcome.REJECTED, code="breaker_open", reason="busy", retry_safe=True)
    assert stub.calls(PUSH) == []


def test_a_refused_connection_is_a_refusal_that_may_be_repeated(clock: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    cache = MemoryTokenCache(clock)
    mpesa = client(f"http://127.0.0.1:{port}", clock, tokens=cache)
    cache.get = lambda key: "a token"  # type: ignore[method-assign]
    assert prompt(mpesa) == PromptAnswer(Outcome.REJECTED, code="not_sent", reason="busy", retry_safe=True)


def test_a_query_is_sent_as_documented_and_read(stub: Stub, mpesa: Mpesa, clock: Clock) -> None:
    clock.now = datetime(2026, 8, 17, 22, 0, 0, tzinfo=UTC) + timedelta(hours=2)
    stub.says(
        QUERY,
        Said(
            b'{"ResponseCode":"0","ResponseDescription":"The service request has been accepted successsfully",'
            b'"MerchantRequestID":"847c-4573-85db-96a68dacad1992169467",'
            b'"CheckoutRequestID":"ws_CO_010320241200000001708374149","ResultCode":"1037",'
            b'"ResultDesc":"DS timeout user cannot be reached"}'
        ),
    )
    result = mpesa.ask(ID)
    assert (result.verdict, result.code, result.reason) == (PaymentVerdict.FAILED, "1037", "timeout")
    assert stub.calls(QUERY)[0].json == {
        "BusinessShortCode": "174379",
        "Password": password("174379", SANDBOX_PASSKEY, "20260818030000"),
        "Timestamp": "20260818030000",
        "CheckoutRequestID": ID,
    }


@pytest.mark.parametrize("status", [200, 500])
def test_a_query_that_is_still_processing_is_pending_under_either_status(stub: Stub, mpesa: Mpesa, status: int) -> None:
    stub.says(QUERY, error("500.001.1001", "The transaction is being processed", status))
    assert mpesa.ask(ID).verdict is PaymentVerdict.PENDING


@pytest.mark.parametrize("said", [Said(dead=True), Said(hang=1), Said(b"", 500), Said(b"<html>", 200, "text/html")])
def test_a_query_nobody_answers_is_no_answer(stub: Stub, mpesa: Mpesa, said: Said) -> None:
    stub.says(QUERY, said)
    assert mpesa.ask(ID).verdict is PaymentVerdict.NO_ANSWER


def test_a_query_survives_a_refused_token(stub: Stub, mpesa: Mpesa) -> None:
    stub.says(QUERY, error("404.001.03", "", 404), as_json({"ResponseCode": "0", "ResultCode": "0"}))
    assert mpesa.ask(ID).verdict is PaymentVerdict.PAID


def test_nothing_of_the_payer_or_the_keys_is_logged(stub: Stub, mpesa: Mpesa, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(5)
    stub.says(PUSH, Said(dead=True))
    stub.says(QUERY, Said(dead=True))
    prompt(mpesa)
    mpesa.ask(ID)
    for secret in ("708374149", "secret", SANDBOX_PASSKEY, "token-1"):
        assert secret not in caplog.text


def test_threads_that_need_a_token_at_once_ask_for_one(stub: Stub, clock: Clock) -> None:
    stub.says(PATH, *(as_json({"access_token": f"t{n}", "expires_in": 3599}, hang=0.1) for n in range(8)))
    stub.says(QUERY, as_json({"ResponseCode": "0", "ResultCode": "0"}))
    mpesa = client(stub.url, clock)
    threads = [threading.Thread(target=mpesa.ask, args=(ID,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(stub.calls(PATH)), len(stub.calls(QUERY))) == (1, 8)
