"""PayHero's bodies in, our words out: payments by both contracts, withdrawals, and what its status says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.payhero.callbacks import CHANNELS, read_payment, read_payout, read_status
from integrations.payhero.words import PAYOUT_REASONS, REASONS
from integrations.protocols import About, PaymentResult, PaymentVerdict, PayoutResult

PAYER = Phone("+254708374149")
V2_SUCCESS = (
    b'{"forward_url":"","response":{"Amount":10,"CheckoutRequestID":"ws_CO_14012024103543427708374149",'
    b'"ExternalReference":"INV-009","MerchantRequestID":"3202-70921557-1","MpesaReceiptNumber":"SAE3YULR0Y",'
    b'"Phone":"+254708374149","ResultCode":0,"ResultDesc":"The service request is processed successfully.",'
    b'"Status":"Success"},"status":true}'
)
V2_FAILURE = (
    b'{"status":false,"response":{"ExternalReference":"INV-009","ResultCode":1032,"ResultDesc":'
    b'"Request cancelled by user","Status":"Failed"}}'
)
OLDER_SUCCESS = (
    b'{"transaction_id":"PH-TEST-0001","status":"success","external_reference":"INV-009","amount":"10",'
    b'"phone_number":"254708374149"}'
)
WITHDRAWN = (
    b'{"forward_url":"","response":{"Amount":500,"CheckoutRequestID":"AG_2024","ExternalReference":"PO-1",'
    b'"MerchantRequestID":"3202-1","RecipientAccountNumber":"254708374149","ResultCode":0,'
    b'"ResultDesc":"The service request is processed successfully.","Status":"Success","TransactionID":"SAE3YULR0Z"},'
    b'"status":true}'
)
OUTCOMES = {PaymentVerdict.PAID, PaymentVerdict.FAILED, PaymentVerdict.PENDING}


def v2(body: bytes = V2_SUCCESS, **changes: Any) -> bytes:
    told = json.loads(body)
    told["response"] |= changes
    return json.dumps(told).encode()


def older(**changes: Any) -> bytes:
    return json.dumps(json.loads(OLDER_SUCCESS) | changes).encode()


def payment(body: bytes) -> PaymentResult:
    result = read_payment(body)
    assert result is not None
    return result


def payout(body: bytes) -> PayoutResult:
    result = read_payout(body)
    assert result is not None
    return result


def test_the_documented_success() -> None:
    assert read_payment(V2_SUCCESS) == PaymentResult(
        PaymentVerdict.PAID,
        provider_id=None,  # PayHero's own reference is not told
        request_id="ws_CO_14012024103543427708374149",
        receipt="SAE3YULR0Y",
        amount=Money.major(10),
        payer=PAYER,
        code="0",
        reference="INV-009",
    )


def test_the_success_of_production_has_wallet_balances_too() -> None:
    body = v2(PaymentWalletBalance=1200.5, ServiceWalletBalance=30)
    assert read_payment(body) == read_payment(V2_SUCCESS)


def test_the_failure_that_others_assume() -> None:
    assert read_payment(V2_FAILURE) == PaymentResult(
        PaymentVerdict.FAILED, code="1032", reason="cancelled", reference="INV-009"
    )


def test_the_success_of_the_older_contract_has_its_transaction_for_a_receipt() -> None:
    assert read_payment(OLDER_SUCCESS) == PaymentResult(
        PaymentVerdict.PAID,
        receipt="PH-TEST-0001",
        amount=Money.major(10),
        payer=PAYER,
        code="success",
        reference="INV-009",
    )


def test_the_withdrawal_that_others_document() -> None:
    assert read_payout(WITHDRAWN) == PayoutResult(
        PaymentVerdict.PAID,
        own_id="PO-1",
        receipt="SAE3YULR0Z",
        amount=Money.major(500),
        payee=PAYER,
        code="0",
    )


@pytest.mark.parametrize(("code", "reason"), [*REASONS.items(), ("4321", "other"), ("NEW", "other"), ("-1", "other")])
@pytest.mark.parametrize("status", ["Failed", "Success", "", None])
def test_every_other_code_has_failed_whatever_the_status_says(code: str, reason: str, status: str | None) -> None:
    for written in {code, int(code) if code.lstrip("-").isdigit() else code}:
        result = payment(v2(ResultCode=written, Status=status))
        assert (result.verdict, result.code, result.reason) == (PaymentVerdict.FAILED, code, reason)
        assert (result.receipt, result.amount) == (None, None)


@pytest.mark.parametrize("status", ["Success", "success", "SUCCESS", " Success "])
@pytest.mark.parametrize("code", [0, "0", 0.0])
def test_success_is_zero_and_the_word_in_any_case(code: Any, status: str) -> None:
    assert payment(v2(ResultCode=code, Status=status)).verdict is PaymentVerdict.PAID


@pytest.mark.parametrize("status", ["Failed", "Queued", "", None, True, 1, {}])
def test_zero_with_another_word_decides_nothing(status: Any) -> None:
    assert payment(v2(ResultCode=0, Status=status)).verdict is PaymentVerdict.PENDING


def test_still_processing_is_no_failure() -> None:
    assert payment(v2(ResultCode=4999, Status="Failed")).verdict is PaymentVerdict.PENDING


@pytest.mark.parametrize("status", ["success", "Success", "SUCCESS"])
def test_the_older_word_is_read_in_any_case(status: str) -> None:
    assert payment(older(status=status)).verdict is PaymentVerdict.PAID


@pytest.mark.parametrize(
    ("status", "verdict", "reason"),
    [
        ("failed", PaymentVerdict.FAILED, "declined"),
        ("Cancelled", PaymentVerdict.FAILED, "cancelled"),
        ("expired", PaymentVerdict.FAILED, "timeout"),
        ("pending", PaymentVerdict.PENDING, ""),
        ("QUEUED", PaymentVerdict.PENDING, ""),
        ("successful?", PaymentVerdict.PENDING, ""),
    ],
)
def test_other_words_of_the_older_contract(status: str, verdict: PaymentVerdict, reason: str) -> None:
    result = payment(older(status=status))
    assert (result.verdict, result.reason, result.receipt, result.reference) == (verdict, reason, None, "INV-009")


@pytest.mark.parametrize(
    ("told", "amount"),
    [
        (10, Money.major(10)),
        ("10", Money.major(10)),
        (" 10.00 ", Money.major(10)),
        (10.5, Money(1050)),
        ("10.50", Money(1050)),
        (0, Money(0)),
        ("KES 10", None),
        ("10.005", None),
        (-10, None),
        ("1e3", None),
        (10**12, None),
        (True, None),
        (None, None),
        ("", None),
        ([10], None),
    ],
)
def test_amounts_are_numbers_or_text_and_exact(told: Any, amount: Money | None) -> None:
    assert payment(v2(Amount=told)).amount == amount
    assert payment(older(amount=told)).amount == amount
    assert payout(v2(WITHDRAWN, Amount=told)).amount == amount


@pytest.mark.parametrize("told", ["+254708374149", "254708374149", 254708374149, "0708374149", "708374149"])
def test_phones_come_in_any_form(told: Any) -> None:
    assert payment(v2(Phone=told)).payer == PAYER
    assert payment(older(phone_number=told)).payer == PAYER
    assert payout(v2(WITHDRAWN, RecipientAccountNumber=told)).payee == PAYER


@pytest.mark.parametrize("told", ["2547****4149", "", None, 5, True, "abc"])
def test_a_phone_that_is_none_is_not_told(told: Any) -> None:
    assert payment(v2(Phone=told)).payer is None


def test_a_success_without_its_receipt_or_amount_says_so() -> None:
    result = payment(v2(MpesaReceiptNumber="", Amount=None))
    assert (result.verdict, result.receipt, result.amount) == (PaymentVerdict.PAID, None, None)


def test_the_shape_tells_the_contract_not_the_status() -> None:
    both = json.dumps(json.loads(OLDER_SUCCESS) | {"response": json.loads(V2_SUCCESS)["response"]}).encode()
    assert payment(both).receipt == "SAE3YULR0Y"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"response":null,"status":true}',
        b'{"response":{},"status":true}',
        b'{"response":{"ResultCode":0,"Status":"Success"},"status":true}',
        b'{"status":true,"transaction_id":"T"}',
        b'{"status":"success"}',
        b'{"status":"success","transaction_id":""}',
        b'{"status":"success","transaction_id":{"a":1}}',
        b'{"Body":{"stkCallback":{"ResultCode":0,"CheckoutRequestID":"ws"}}}',
        b'{"response":{"ResultCode":NaN,"ExternalReference":"a"}}',
    ],
)
def test_what_is_no_payment_is_none(body: bytes) -> None:
    assert read_payment(body) is None


@pytest.mark.parametrize(("code", "reason"), [*PAYOUT_REASONS.items(), ("4321", "other")])
def test_a_failed_withdrawal_has_our_word(code: str, reason: str) -> None:
    result = payout(v2(WITHDRAWN, ResultCode=code, Status="Failed", TransactionID=""))
    assert result == PayoutResult(PaymentVerdict.FAILED, "PO-1", code=code, reason=reason)


@pytest.mark.parametrize(("code", "status"), [(0, "Failed"), (2040, "Success"), (0, ""), (1, None), (4999, "Failed")])
def test_a_withdrawal_that_contradicts_itself_decides_nothing(code: int, status: str | None) -> None:
    result = payout(v2(WITHDRAWN, ResultCode=code, Status=status))
    assert (result.verdict, result.receipt) == (PaymentVerdict.PENDING, None)


@pytest.mark.parametrize("body", [b"", b"[]", OLDER_SUCCESS, b'{"response":{"ResultCode":0,"Status":"Success"}}'])
def test_what_is_no_withdrawal_is_none(body: bytes) -> None:
    assert read_payout(body) is None


STATUS = {
    "transaction_date": "2024-01-14T10:35:51+03:00",
    "provider": "m-pesa",
    "success": True,
    "merchant": "SHOP",
    "payment_reference": "SAE3YULR0Y",
    "third_party_reference": "SAE3YULR0Y",
    "status": "SUCCESS",
    "reference": "E8UWT7CLUW",
    "CheckoutRequestID": "ws_CO_14012024103543427708374149",
    "provider_reference": "SAE3YULR0Y",
}


def test_a_status_tells_the_receipt_but_neither_amount_nor_payer() -> None:
    assert read_status("E8UWT7CLUW", STATUS) == PaymentResult(
        PaymentVerdict.PAID,
        "E8UWT7CLUW",
        "ws_CO_14012024103543427708374149",
        receipt="SAE3YULR0Y",
        code="success",
    )


@pytest.mark.parametrize(
    ("changes", "verdict", "reason"),
    [
        ({"status": "success"}, PaymentVerdict.PAID, ""),
        ({"status": "FAILED"}, PaymentVerdict.FAILED, "declined"),
        ({"status": "QUEUED"}, PaymentVerdict.PENDING, ""),
        ({"status": "REVERSING"}, PaymentVerdict.PENDING, ""),
        ({"status": True}, PaymentVerdict.NO_ANSWER, ""),
        ({"status": None}, PaymentVerdict.NO_ANSWER, ""),
        ({"success": False}, PaymentVerdict.NO_ANSWER, ""),  # the look-up did not work
        ({"success": False, "status": "FAILED"}, PaymentVerdict.NO_ANSWER, ""),
    ],
)
def test_the_status_counts_and_success_only_says_that_the_look_up_worked(
    changes: dict[str, Any], verdict: PaymentVerdict, reason: str
) -> None:
    result = read_status("E8UWT7CLUW", STATUS | changes)
    assert (result.verdict, result.reason) == (verdict, reason)
    assert (result.receipt is None) == (verdict is not PaymentVerdict.PAID)


@pytest.mark.parametrize("receipt", ["E8UWT7CLUW", "", None, 0.5, {}])
def test_payheros_own_reference_is_never_taken_for_a_receipt(receipt: Any) -> None:
    result = read_status("E8UWT7CLUW", STATUS | {"provider_reference": receipt})
    assert (result.verdict, result.receipt) == (PaymentVerdict.PAID, None)


def test_each_channel_says_what_it_is_about_and_none_is_believed_unasked() -> None:
    assert [(channel.name, channel.about, channel.proves) for channel in CHANNELS] == [
        ("payhero", About.PAYMENT, False),
        ("payhero-out", About.PAYOUT, False),
    ]


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["success", "0", "Failed"]) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=3,
)
_names = list(json.loads(V2_SUCCESS)["response"]) + list(json.loads(WITHDRAWN)["response"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary())
def test_no_bytes_make_a_reader_raise(body: bytes) -> None:
    for channel in CHANNELS:
        assert channel.read(body) is None


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(_names), _values), st.booleans())
def test_no_values_make_a_reader_raise(values: dict[str, Any], whole: bool) -> None:
    body = v2(V2_SUCCESS if whole else V2_FAILURE, **values)
    for channel in CHANNELS:
        result = channel.read(body)
        assert result is None or getattr(result, "verdict", None) in OUTCOMES


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*json.loads(OLDER_SUCCESS), "response"]), _values))
def test_no_older_values_make_a_reader_raise(values: dict[str, Any]) -> None:
    result = read_payment(older(**values))
    assert result is None or result.verdict in OUTCOMES


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(list(STATUS)), _values))
def test_no_status_makes_its_reader_raise(values: dict[str, Any]) -> None:
    assert read_status("E8UWT7CLUW", STATUS | values).verdict in PaymentVerdict
