"""Money out by Flutterwave: transfers, refunds and the balance, against a scripted Flutterwave."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.flutterwave.refunds import Refunds
from integrations.flutterwave.transfers import BALANCE, TRANSFERS, Transfers
from integrations.http import Http, Patience
from integrations.protocols import BalanceResult, Outcome, PaymentVerdict, PayoutAnswer, PayoutResult
from tests.conftest import Clock
from tests.integrations.stub import Said, Stub, as_json
from tests.integrations.test_flutterwave_callbacks import TRANSFER

QUEUED = (
    b'{"status":"success","message":"Transfer Queued Successfully","data":{"id":396432,"account_number":"254712345678",'
    b'"bank_code":"MPS","full_name":"Mlango customer","created_at":"2025-02-01T10:00:00.000Z","currency":"KES",'
    b'"debit_currency":"KES","amount":500,"fee":60,"status":"NEW","reference":"WD-1","meta":null,"narration":"Mlango",'
    b'"complete_message":"","requires_approval":0,"is_approved":1,"bank_name":"MPESA"}}'
)
REFUNDED = (
    b'{"status":"success","message":"Transaction refund initiated","data":{"id":75923,"account_id":73362,'
    b'"tx_id":908790,"flw_ref":"URF_1","wallet_id":74639,"amount_refunded":500,"status":"completed",'
    b'"destination":"payment_source","meta":{"source":"availablebalance"},"created_at":"2021-01-24T09:18:37.366Z"}}'
)
SENT: dict[str, Any] = json.loads(TRANSFER)["data"]
REFUND = "/v3/transactions/908790/refund"
QUICK = Patience(timeout_seconds=0.3, attempts=1)


def address(channel: str) -> str:
    return f"https://mlango.example/hooks/abc/{channel}"


@pytest.fixture
def transfers(stub: Stub, clock: Clock) -> Transfers:
    return Transfers(Http("flutterwave", stub.url, QUICK), "FLWSECK_TEST-1", clock)


@pytest.fixture
def refunds(stub: Stub) -> Refunds:
    return Refunds(Http("flutterwave", stub.url, QUICK), "FLWSECK_TEST-1")


def pay(transfers: Transfers) -> PayoutAnswer:
    return transfers.pay(
        own_id="WD-1",
        phone=Phone("+254712345678"),
        amount=Money.major(500),
        remarks="Mlango withdrawal",
        addresses=address,
    )


def give_back(refunds: Refunds) -> PayoutAnswer:
    return refunds.give_back(own_id="BACK-1", receipt="908790", amount=Money.major(500), addresses=address)


def error(message: str, status: int) -> Said:
    return as_json({"status": "error", "message": message, "data": None}, status)


def test_a_transfer_is_sent_exactly_as_documented(stub: Stub, transfers: Transfers) -> None:
    stub.says(TRANSFERS, Said(QUEUED))
    assert pay(transfers) == PayoutAnswer(Outcome.ACCEPTED, "396432", "NEW")
    (request,) = stub.calls(TRANSFERS)
    assert request.headers["authorization"] == "Bearer FLWSECK_TEST-1"
    assert request.json == {
        "account_bank": "MPS",
        "account_number": "254712345678",
        "amount": 500,
        "currency": "KES",
        "debit_currency": "KES",
        "narration": "Mlango withdrawal",
        "reference": "WD-1",
        "callback_url": "https://mlango.example/hooks/abc/flutterwave-out",
        "beneficiary_name": "Mlango customer",
        "meta": {"sender": "Mlango", "sender_country": "KE", "mobile_number": "254712345678"},
    }


@pytest.mark.parametrize(
    ("said", "outcome", "reason", "retry_safe", "duplicate"),
    [
        (error("Invalid account_bank", 400), Outcome.REJECTED, "config", True, False),
        (error("Insufficient funds in customer wallet", 400), Outcome.REJECTED, "no_float", True, False),
        (error("Transfer limit exceeded", 400), Outcome.REJECTED, "limit", True, False),
        (error("IP not whitelisted", 403), Outcome.REJECTED, "config", True, False),
        (error("Unauthorized", 401), Outcome.REJECTED, "config", True, False),
        (error("Duplicate reference", 400), Outcome.UNKNOWN, "", False, True),
        (error("Transfer with this reference already exists", 400), Outcome.UNKNOWN, "", False, True),
        (error("slow down", 429), Outcome.REJECTED, "busy", True, False),
        (error("oops", 500), Outcome.UNKNOWN, "", False, False),
        (error("oops", 200), Outcome.UNKNOWN, "", False, False),
        (Said(b"", 503), Outcome.UNKNOWN, "", False, False),
        (as_json({"status": "success", "data": {}}), Outcome.UNKNOWN, "", False, False),
        (Said(hang=0.6), Outcome.UNKNOWN, "", False, False),
        (Said(dead=True), Outcome.UNKNOWN, "", False, False),
    ],
)
def test_what_an_answer_to_a_transfer_means(
    stub: Stub,
    transfers: Transfers,
    said: Said,
    outcome: Outcome,
    reason: str,
    retry_safe: bool,
    duplicate: bool,
) -> None:
    stub.says(TRANSFERS, said)
    answer = pay(transfers)
    assert (answer.outcome, answer.reason) == (outcome, reason)
    assert (answer.retry_safe, answer.duplicate) == (retry_safe, duplicate)
    assert len(stub.calls(TRANSFERS)) == 1, "money goes out once"


def test_a_transfer_that_failed_at_once_says_so(stub: Stub, transfers: Transfers) -> None:
    failed = json.loads(QUEUED)
    failed["data"] |= {"status": "FAILED", "complete_message": "DISBURSE FAILED: Insufficient funds"}
    stub.says(TRANSFERS, as_json(failed))
    answer = pay(transfers)
    assert answer.result
    assert (answer.result.verdict, answer.result.reason) == (PaymentVerdict.FAILED, "no_float")


def test_a_transfer_is_not_repeatable() -> None:
    assert Transfers.repeatable is False


@pytest.mark.parametrize(
    ("provider_id", "path", "data"),
    [
        ("396432", "/v3/transfers/396432", SENT),
        (None, "/v3/transfers?reference=WD-1", [SENT]),
        (None, "/v3/transfers?reference=WD-1", [SENT | {"reference": "WD-0"}, SENT]),
    ],
)
def test_a_transfer_is_asked_about(
    stub: Stub, transfers: Transfers, provider_id: str | None, path: str, data: Any
) -> None:
    stub.says(path.partition("?")[0], as_json({"status": "success", "data": data}))
    result = transfers.ask_payout(own_id="WD-1", provider_id=provider_id, addresses=address)
    assert (result.verdict, result.receipt, result.amount) == (PaymentVerdict.PAID, "T396432", Money.major(500))
    assert stub.heard[0].path == path


@pytest.mark.parametrize(
    "said",
    [
        as_json({"status": "success", "data": []}),
        as_json({"status": "success", "data": [SENT | {"reference": "WD-0"}]}),
        as_json({"status": "success", "data": None}),
        error("not found", 404),
        Said(b"", 503),
        Said(hang=0.6),
    ],
)
def test_a_transfer_that_is_not_found_has_not_failed(stub: Stub, transfers: Transfers, said: Said) -> None:
    stub.says(TRANSFERS, said)
    result = transfers.ask_payout(own_id="WD-1", provider_id=None, addresses=address)
    assert result.verdict is PaymentVerdict.NO_ANSWER


def test_a_refund_is_done_at_once(stub: Stub, refunds: Refunds) -> None:
    stub.says(REFUND, Said(REFUNDED))
    answer = give_back(refunds)
    assert (answer.outcome, answer.provider_id) == (Outcome.ACCEPTED, "75923")
    assert answer.result
    assert (answer.result.verdict, answer.result.own_id) == (PaymentVerdict.PAID, "BACK-1")
    assert (answer.result.receipt, answer.result.amount) == ("R75923", Money.major(500))
    assert stub.calls(REFUND)[0].json == {"amount": 500, "comments": "BACK-1"}


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("completed", PaymentVerdict.PAID),
        ("completed-bank-transfer", PaymentVerdict.PAID),
        ("pending", None),
        ("new", None),
        ("failed", PaymentVerdict.FAILED),
    ],
)
def test_a_refund_that_is_under_way_is_asked_about(
    stub: Stub, refunds: Refunds, status: str, verdict: PaymentVerdict | None
) -> None:
    told = json.loads(REFUNDED)
    told["data"]["status"] = status
    stub.says(REFUND, as_json(told))
    stub.says("/v3/refunds/75923", as_json(told))
    answer = give_back(refunds)
    assert (answer.result.verdict if answer.result else None) == verdict
    asked = refunds.ask_given_back(own_id="BACK-1", provider_id=answer.provider_id)
    assert asked.verdict is (verdict or PaymentVerdict.PENDING)


@pytest.mark.parametrize(
    ("said", "outcome", "reason", "retry_safe"),
    [
        (error("Transaction has already been refunded", 400), Outcome.REJECTED, "already", False),
        (error("Insufficient balance", 400), Outcome.REJECTED, "no_float", True),
        (error("No transaction was found for this id", 404), Outcome.REJECTED, "config", True),
        (error("oops", 500), Outcome.UNKNOWN, "", False),
        (Said(hang=0.6), Outcome.UNKNOWN, "", False),
    ],
)
def test_what_an_answer_to_a_refund_means(
    stub: Stub, refunds: Refunds, said: Said, outcome: Outcome, reason: str, retry_safe: bool
) -> None:
    stub.says(REFUND, said)
    answer = give_back(refunds)
    assert (answer.outcome, answer.reason, answer.retry_safe) == (outcome, reason, retry_safe)
    assert (answer.result is not None) == (reason == "already")


def test_a_receipt_that_is_none_is_not_sent(stub: Stub, refunds: Refunds) -> None:
    answer = refunds.give_back(own_id="B", receipt="1/../2", amount=Money.major(1), addresses=address)
    assert (answer.outcome, stub.heard) == (Outcome.REJECTED, [])


def test_a_refund_without_an_id_cannot_be_asked_about(stub: Stub, refunds: Refunds) -> None:
    asked = refunds.ask_given_back(own_id="BACK-1", provider_id=None)
    assert (asked, stub.heard) == (PayoutResult(PaymentVerdict.NO_ANSWER, "BACK-1"), [])


def test_the_balance_is_what_is_available(stub: Stub, transfers: Transfers, clock: Clock) -> None:
    told = {"currency": "KES", "available_balance": 39_830.15, "ledger_balance": 39_900}
    stub.says(BALANCE, as_json({"status": "success", "message": "Wallet balance fetched", "data": told}))
    held = {"available": Money(3_983_015)}
    assert transfers.ask_balance(addresses=address) == BalanceResult(held, "success", clock())
    assert transfers.is_up()


@pytest.mark.parametrize(
    ("said", "up"),
    [(error("x", 401), True), (Said(b"", 503), False), (error("x", 500), False), (Said(hang=0.6), False)],
)
def test_a_balance_that_is_not_told(stub: Stub, transfers: Transfers, said: Said, up: bool) -> None:
    stub.says(BALANCE, said)
    assert isinstance(transfers.ask_balance(addresses=address), Outcome)
    assert transfers.is_up() is up
