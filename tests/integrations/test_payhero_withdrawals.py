"""PayHero's withdrawals against a scripted PayHero: sent once, and looked for in silence."""

from __future__ import annotations

from typing import Any

import pytest
from requests.auth import HTTPBasicAuth

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.http import Patience
from integrations.payhero.calls import Calls
from integrations.payhero.withdrawals import Withdrawals
from integrations.protocols import Outcome, PaymentVerdict, PayoutAnswer, PayoutResult
from tests.integrations.stub import Said, Stub, as_json

PAYEE = Phone("+254708374149")
ACCEPTED = (
    b'{"status":"QUEUED","merchant_reference":"E8UWT7CLUW","checkout_request_id":"AG_1","response_code":"0",'
    b'"conversation_id":"AG_1"}'
)
QUICK = Patience(timeout_seconds=0.3, attempts=1)
REJECTED, UNKNOWN = Outcome.REJECTED, Outcome.UNKNOWN


@pytest.fixture
def withdrawals(stub: Stub) -> Withdrawals:
    return Withdrawals(Calls(stub.url, HTTPBasicAuth("user", "s3cret"), QUICK), 133)


def address(channel: str) -> str:
    return f"https://example.org/hooks/abc/{channel}"


def pay(withdrawals: Withdrawals, shillings: int = 500) -> PayoutAnswer:
    amount = Money.major(shillings)
    return withdrawals.pay(own_id="PO-1", phone=PAYEE, amount=amount, remarks="Withdrawal", addresses=address)


def ask(withdrawals: Withdrawals, provider_id: str | None = "E8UWT7CLUW") -> PayoutResult:
    return withdrawals.ask_payout(own_id="PO-1", provider_id=provider_id, addresses=address)


def row(**changes: Any) -> dict[str, Any]:
    told = {"external_reference": "PO-1", "status": "SUCCESS", "reference": "E8UWT7CLUW", "amount": 500}
    return told | {"provider_reference": "SAE3YULR0Z", "phone_number": "254708374149"} | changes


def listed(*rows: dict[str, Any]) -> Said:
    return as_json({"transactions": list(rows)})


def test_a_withdrawal_is_sent_exactly_as_documented(stub: Stub, withdrawals: Withdrawals) -> None:
    stub.says("/withdraw", Said(ACCEPTED))
    assert pay(withdrawals) == PayoutAnswer(Outcome.ACCEPTED, "E8UWT7CLUW", "0")
    assert stub.calls("/withdraw")[0].json == {
        "external_reference": "PO-1",
        "amount": 500,
        "phone_number": "254708374149",
        "network_code": "63902",
        "channel": "mobile",
        "channel_id": 133,
        "payment_service": "b2c",
        "callback_url": "https://example.org/hooks/abc/payhero-out",
    }


def test_cents_are_a_bug_of_the_caller_and_nothing_is_sent(stub: Stub, withdrawals: Withdrawals) -> None:
    with pytest.raises(ValueError, match="whole amount"):
        withdrawals.pay(own_id="PO-1", phone=PAYEE, amount=Money(150), remarks="", addresses=address)
    assert stub.heard == []


@pytest.mark.parametrize(
    ("said", "outcome", "reason", "retry_safe"),
    [
        (as_json({"success": False, "error_message": "no"}), REJECTED, "other", False),
        (as_json({"success": False, "error_message": "Insufficient balance"}), REJECTED, "no_float", False),
        (as_json({"error_message": "insufficient balance in wallet"}, 400), REJECTED, "no_float", True),
        (as_json({"error_message": "bad"}, 400), REJECTED, "config", True),
        (Said(b"", 401), REJECTED, "config", True),
        (Said(b"", 429), REJECTED, "busy", True),
        (as_json({"response_code": "1"}), REJECTED, "other", False),
        (as_json({"status": "QUEUED", "response_code": "1"}), UNKNOWN, "", False),
        (as_json({"status": "FAILED", "response_code": "0"}), UNKNOWN, "", False),
        (as_json({"merchant_reference": "E8UWT7CLUW"}), UNKNOWN, "", False),
        (as_json({"error_message": "duplicate"}, 409), UNKNOWN, "", False),
        (as_json({"error_message": "insufficient balance"}, 500), UNKNOWN, "", False),
        (Said(b"", 502), UNKNOWN, "", False),
        (Said(b"", 200), UNKNOWN, "", False),
        (Said(dead=True), UNKNOWN, "", False),
        (Said(ACCEPTED, hang=1), UNKNOWN, "", False),
    ],
)
def test_every_answer_to_a_withdrawal(
    stub: Stub, withdrawals: Withdrawals, said: Said, outcome: Outcome, reason: str, retry_safe: bool
) -> None:
    stub.says("/withdraw", said, Said(ACCEPTED))
    answer = pay(withdrawals)
    assert (answer.outcome, answer.reason, answer.retry_safe, answer.duplicate) == (outcome, reason, retry_safe, False)
    assert len(stub.calls("/withdraw")) == 1, "money is sent once, whatever the answer"


@pytest.mark.parametrize(
    ("said", "verdict", "receipt", "reason"),
    [
        ({"status": "SUCCESS", "provider_reference": "SAE3YULR0Z"}, PaymentVerdict.PAID, "SAE3YULR0Z", ""),
        ({"status": "SUCCESS", "provider_reference": "E8UWT7CLUW"}, PaymentVerdict.PAID, None, ""),
        ({"status": "FAILED"}, PaymentVerdict.FAILED, None, "other"),
        ({"status": "QUEUED"}, PaymentVerdict.PENDING, None, ""),
        ({"status": "ODD"}, PaymentVerdict.PENDING, None, ""),
    ],
)
def test_a_withdrawal_is_asked_about_by_payheros_reference(
    stub: Stub,
    withdrawals: Withdrawals,
    said: dict[str, Any],
    verdict: PaymentVerdict,
    receipt: str | None,
    reason: str,
) -> None:
    stub.says("/transaction-status", as_json({"success": True} | said))
    result = ask(withdrawals)
    assert (result.verdict, result.receipt, result.reason, result.own_id) == (verdict, receipt, reason, "PO-1")
    assert [request.path for request in stub.heard] == ["/transaction-status?reference=E8UWT7CLUW"]


def test_without_its_id_it_is_sought_among_the_transactions(stub: Stub, withdrawals: Withdrawals) -> None:
    stub.says("/transactions", listed(row(external_reference="PO-10", status="FAILED"), row()))
    assert ask(withdrawals, None) == PayoutResult(
        PaymentVerdict.PAID,
        "PO-1",
        "E8UWT7CLUW",
        receipt="SAE3YULR0Z",
        amount=Money.major(500),
        payee=PAYEE,
        code="success",
    )
    assert [request.path for request in stub.heard] == ["/transactions?page=1&per=20"]


def test_where_the_status_knows_nothing_the_list_is_read_too(stub: Stub, withdrawals: Withdrawals) -> None:
    stub.says("/transaction-status", as_json({"success": False, "status": "FAILED"}))
    stub.says("/transactions", listed(row(status="QUEUED")))
    assert ask(withdrawals).verdict is PaymentVerdict.PENDING


def test_the_list_is_read_page_by_page(stub: Stub, withdrawals: Withdrawals) -> None:
    full = listed(*(row(external_reference=f"X{number}") for number in range(20)))
    stub.says("/transactions", full, full, listed(row()))
    assert ask(withdrawals, None).verdict is PaymentVerdict.PAID
    assert [request.path for request in stub.heard] == [f"/transactions?page={page}&per=20" for page in (1, 2, 3)]


@pytest.mark.parametrize(
    "said", [listed(), listed(row(external_reference="PO-2")), Said(b"", 401), Said(dead=True), as_json({"x": 1})]
)
def test_what_is_not_found_is_no_answer_and_never_a_failure(stub: Stub, withdrawals: Withdrawals, said: Said) -> None:
    stub.says("/transactions", said)
    assert ask(withdrawals, None).verdict is PaymentVerdict.NO_ANSWER


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        (["FAILED", "SUCCESS"], PaymentVerdict.PAID),
        (["SUCCESS", "FAILED"], PaymentVerdict.PAID),
        (["FAILED", "QUEUED"], PaymentVerdict.PENDING),
        (["FAILED", "FAILED"], PaymentVerdict.FAILED),
    ],
)
def test_what_was_paid_once_is_paid(
    stub: Stub, withdrawals: Withdrawals, statuses: list[str], verdict: PaymentVerdict
) -> None:
    stub.says("/transactions", listed(*(row(status=status) for status in statuses)))
    assert ask(withdrawals, None).verdict is verdict
