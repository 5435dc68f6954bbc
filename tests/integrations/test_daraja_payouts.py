"""Payouts and reversals against a scripted Daraja: what is sent, and what is made of every kind of answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.mpesa.initiator import Initiator
from integrations.mpesa.lookups import STATE, Lookups
from integrations.mpesa.payouts import PAY, REVERSE, Payouts, Reversals, cleaned
from integrations.mpesa.tokens import PATH
from integrations.protocols import Outcome, PaymentVerdict, PayoutAnswer, PayoutResult
from tests.conftest import Clock
from tests.integrations.daraja_kit import addresses, error, line, line_to_nobody, taken, token
from tests.integrations.stub import Said, Stub, as_json

PAYEE = Phone("+254708374149")
OWN = "3f0c9a1e-77aa-4d0e-9d55-5f1c0a6f0001"
CONVERSATION = "AG_20240706_2010364430d9bbdaf872"
#: Printed in the documentation; answered with HTTP 500.
DUPLICATE = (
    b'{"requestId":"1c5b-4ba8-815c-ac45c57a3db01469899","errorCode":"500.002.1001",'
    b'"errorMessage":"Duplicate OriginatorConversationID."}'
)


@pytest.fixture
def initiator() -> Initiator:
    return Initiator("apiuser", "Safaricom999!*!")


@pytest.fixture
def payouts(stub: Stub, clock: Clock, initiator: Initiator) -> Payouts:
    daraja = line(stub, clock)
    return Payouts(
        daraja, initiator, Lookups(daraja, initiator, shortcode="174379", paying="600992"), shortcode="600992"
    )


@pytest.fixture
def reversals(stub: Stub, clock: Clock, initiator: Initiator) -> Reversals:
    return Reversals(line(stub, clock), initiator, shortcode="174379")


def pay(payouts: Payouts, shillings: int = 1500, remarks: str = "Withdrawal") -> PayoutAnswer:
    return payouts.pay(own_id=OWN, phone=PAYEE, amount=Money.major(shillings), remarks=remarks, addresses=addresses)


def give_back(reversals: Reversals) -> PayoutAnswer:
    return reversals.give_back(own_id=OWN, receipt="SKC82PACB8", amount=Money.major(1), addresses=addresses)


def test_a_payout_is_sent_exactly_as_documented(stub: Stub, payouts: Payouts, initiator: Initiator) -> None:
    stub.says(PAY, taken())
    assert pay(payouts) == PayoutAnswer(Outcome.ACCEPTED, CONVERSATION, "0")
    (request,) = stub.calls(PAY)
    assert request.path == "/mpesa/b2c/v3/paymentrequest"
    assert request.headers["authorization"] == "Bearer token-1"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "OriginatorConversationID": OWN,
        "InitiatorName": "apiuser",
        "SecurityCredential": initiator.credential,
        "CommandID": "BusinessPayment",
        "Amount": 1500,
        "PartyA": "600992",
        "PartyB": "254708374149",
        "Remarks": "Withdrawal",
        "QueueTimeOutURL": "https://example.org/hooks/0a1b/b2c-late",
        "ResultURL": "https://example.org/hooks/0a1b/b2c",
        "Occassion": "3f0c9a1e77aa4d0e9d555f1c0a6f0001",
    }


def test_a_reversal_is_sent_exactly_as_documented(stub: Stub, reversals: Reversals, initiator: Initiator) -> None:
    stub.says(REVERSE, taken())
    assert give_back(reversals) == PayoutAnswer(Outcome.ACCEPTED, CONVERSATION, "0")
    assert stub.calls("/mpesa/reversal/v1/request")[0].json == {
        "Initiator": "apiuser",
        "SecurityCredential": initiator.credential,
        "CommandID": "TransactionReversal",
        "TransactionID": "SKC82PACB8",
        "Amount": 1,
        "ReceiverParty": "174379",
        "RecieverIdentifierType": "11",
        "ResultURL": "https://example.org/hooks/0a1b/undo",
        "QueueTimeOutURL": "https://example.org/hooks/0a1b/undo-late",
        "Remarks": "Reversal",
        "Occasion": "3f0c9a1e77aa4d0e9d555f1c0a6f0001",
    }


def test_a_question_about_a_payout_names_it_by_our_id(stub: Stub, payouts: Payouts, initiator: Initiator) -> None:
    stub.says(STATE, taken())
    asked = payouts.ask_payout(own_id=OWN, provider_id=CONVERSATION, addresses=addresses)
    assert asked == PayoutResult(PaymentVerdict.PENDING, OWN, CONVERSATION)
    assert stub.calls("/mpesa/transactionstatus/v1/query")[0].json == {
        "Initiator": "apiuser",
        "SecurityCredential": initiator.credential,
        "CommandID": "TransactionStatusQuery",
        "OriginalConversationID": OWN,
        "PartyA": "600992",
        "IdentifierType": "4",
        "Remarks": "Status",
        "ResultURL": "https://example.org/hooks/0a1b/payout-state",
        "QueueTimeOutURL": "https://example.org/hooks/0a1b/payout-state-late",
    }


@pytest.mark.parametrize(
    "said", [error("400.002.02", "Bad Request", 400), Said(dead=True), Said(b"", 500), Said(b"{}")]
)
def test_a_question_that_was_not_taken_is_no_answer(stub: Stub, payouts: Payouts, said: Said) -> None:
    stub.says(STATE, said)
    asked = payouts.ask_payout(own_id=OWN, provider_id=None, addresses=addresses)
    assert replace(asked, code="") == PayoutResult(PaymentVerdict.NO_ANSWER, OWN)


def test_a_duplicate_proves_that_the_first_call_was_taken(stub: Stub, payouts: Payouts) -> None:
    stub.says(PAY, Said(DUPLICATE, 500))
    assert pay(payouts) == PayoutAnswer(Outcome.ACCEPTED, code="500.002.1001", duplicate=True)


REFUSED, UNKNOWN = Outcome.REJECTED, Outcome.UNKNOWN
ANSWERS = [
    (error("400.002.02", "Bad Request - Invalid Remarks", 400), REFUSED, "config", True),
    (error("400.002.05", "Invalid Request Payload", 400), REFUSED, "config", True),
    (error("400.003.01", "Invalid Access Token", 400), REFUSED, "config", True),
    (error("400.003.02", "Bad Request", 400), REFUSED, "config", True),
    (error("401.002.01", "Invalid Access Token", 401), REFUSED, "config", True),
    (error("401.003.01", "Invalid API call as no apiproduct match found", 401), REFUSED, "config", True),
    (error("404.001.01", "Resource not found", 404), REFUSED, "config", True),
    (error("404.001.03", "Invalid Access Token", 404), REFUSED, "config", True),
    (error("404.001.04", "Invalid Authentication Header", 404), REFUSED, "config", True),
    (error("404.002.01", "Resource not found", 404), REFUSED, "config", True),
    (error("404.003.01", "Resource not found", 404), REFUSED, "config", True),
    (error("405.001", "Method Not Allowed", 405), REFUSED, "config", True),
    (error("400.002.02", "Bad Request", 200), REFUSED, "config", True),
    (error("500.003.02", "Error Occurred: Spike Arrest Violation"), REFUSED, "busy", True),
    (error("500.003.02", "System is busy. Please try again in few minutes."), REFUSED, "busy", True),
    (error("500.003.03", "Error Occurred: Quota Violation"), REFUSED, "busy", True),
    (Said(b"", 400), REFUSED, "config", True),
    (Said(b"<html>", 404, "text/html"), REFUSED, "config", True),
    (Said(b"", 429), REFUSED, "busy", True),
    (error("500.001.1001", "Wrong credentials"), REFUSED, "config", False),
    (as_json({"ResponseCode": "1"}), REFUSED, "no_float", False),
    (as_json({"ResponseCode": "2001"}), REFUSED, "config", False),
    (as_json({"ResponseCode": "77"}), REFUSED, "other", False),
    (error("500.002.1001", "System internal error."), UNKNOWN, "", False),
    (error("500.002.1001", None), UNKNOWN, "", False),
    (error("500.001.1001", ""), UNKNOWN, "", False),
    (error("500.003.1001", "Internal Server Error"), UNKNOWN, "", False),
    (error("00.002.1001", "Service is under maintenance"), UNKNOWN, "", False),
    (error("777.1", "new"), UNKNOWN, "", False),
    (Said(b"", 500), UNKNOWN, "", False),
    (Said(b"<html>Bad gateway</html>", 502, "text/html"), UNKNOWN, "", False),
    (Said(b"", 504), UNKNOWN, "", False),
    (Said(b"", 200), UNKNOWN, "", False),
    (Said(b"[]", 200), UNKNOWN, "", False),
    (Said(b"", 302), UNKNOWN, "", False),
    (Said(dead=True), UNKNOWN, "", False),
    (Said(hang=1), UNKNOWN, "", False),
]


@pytest.mark.parametrize(("said", "outcome", "reason", "retry_safe"), ANSWERS)
def test_every_answer_to_a_payout(
    stub: Stub, payouts: Payouts, said: Said, outcome: Outcome, reason: str, retry_safe: bool
) -> None:
    stub.says(PAY, said)
    answer = pay(payouts)
    assert (answer.outcome, answer.reason, answer.retry_safe, answer.duplicate) == (outcome, reason, retry_safe, False)


@pytest.mark.parametrize(("said", "outcome", "reason", "retry_safe"), ANSWERS)
def test_every_answer_to_a_reversal(
    stub: Stub, reversals: Reversals, said: Said, outcome: Outcome, reason: str, retry_safe: bool
) -> None:
    stub.says(REVERSE, said)
    answer = give_back(reversals)
    assert (answer.outcome, answer.reason, answer.retry_safe) == (outcome, reason, retry_safe)


@pytest.mark.parametrize("said", [Said(dead=True), Said(b"", 503), error("500.002.1001", "System internal error.")])
def test_a_payout_without_a_definite_answer_goes_out_once(stub: Stub, payouts: Payouts, said: Said) -> None:
    stub.says(PAY, said, taken())
    assert pay(payouts).outcome is UNKNOWN
    assert len(stub.calls(PAY)) == 1


def test_a_refused_token_is_replaced_and_the_payout_repeated_under_the_same_id(stub: Stub, payouts: Payouts) -> None:
    stub.says(PAY, error("404.001.03", "Invalid Access Token", 404), taken())
    assert pay(payouts).outcome is Outcome.ACCEPTED
    first, second = (call.json for call in stub.calls(PAY))
    assert first == second


@pytest.mark.parametrize(("said", "reason"), [(Said(b"", 400), "config"), (Said(dead=True), "busy")])
def test_without_a_token_nobody_is_paid(stub: Stub, payouts: Payouts, said: Said, reason: str) -> None:
    stub.says(PATH, said)
    answer = pay(payouts)
    assert (answer.outcome, answer.reason, answer.retry_safe) == (REFUSED, reason, True)
    assert stub.calls(PAY) == []


def test_an_open_breaker_pays_nobody_and_says_busy(stub: Stub, payouts: Payouts) -> None:
    stub.says(STATE, Said(b"", 503))
    for _ in range(2):
        payouts.ask_payout(own_id=OWN, provider_id=None, addresses=addresses)
    assert pay(payouts) == PayoutAnswer(REFUSED, code="breaker_open", reason="busy", retry_safe=True)
    assert stub.calls(PAY) == []


@pytest.mark.parametrize("of", [pay, give_back])
def test_a_refused_connection_proves_that_nothing_was_sent(
    clock: Clock, initiator: Initiator, of: Callable[..., PayoutAnswer]
) -> None:
    daraja = line_to_nobody(clock)
    lookups = Lookups(daraja, initiator, shortcode="174379", paying="600992")
    rail = (
        Payouts(daraja, initiator, lookups, shortcode="1") if of is pay else Reversals(daraja, initiator, shortcode="1")
    )
    assert of(rail) == PayoutAnswer(REFUSED, code="not_sent", reason="busy", retry_safe=True)


def test_cents_are_a_bug_of_the_caller_and_nothing_is_sent(stub: Stub, payouts: Payouts) -> None:
    with pytest.raises(ValueError, match="whole amount"):
        payouts.pay(own_id=OWN, phone=PAYEE, amount=Money(1050), remarks="R", addresses=addresses)
    assert stub.heard == []


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("Withdrawal ML-7F3K9Q", "Withdrawal ML 7F3K9Q"),
        ("a&b<c>'d\"", "a b c d"),
        ("", "Payment"),
        ("é!", "Payment"),
        ("x", "Payment"),
        ("ok", "ok"),
        ("y" * 150, "y" * 100),
        ("z" * 99 + " end", "z" * 99),
    ],
)
def test_remarks_are_two_to_a_hundred_plain_characters(given: str, sent: str) -> None:
    assert cleaned(given) == sent


def test_nothing_of_the_payee_or_the_keys_is_logged(
    stub: Stub, payouts: Payouts, initiator: Initiator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(5)
    stub.says(PATH, token("token-1"))
    stub.says(PAY, Said(dead=True))
    pay(payouts)
    for secret in ("708374149", "Safaricom999", initiator.credential, "token-1"):
        assert secret not in caplog.text
