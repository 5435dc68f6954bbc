"""Daraja's bodies in, our words out: callbacks (2.4, 2.5) and queries (2.3)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.mpesa.callbacks import read_callback, read_query
from integrations.protocols import PaymentResult, PaymentVerdict

PAYER = Phone("+254708374149")
SUCCESS = (
    b'{"Body":{"stkCallback":{"MerchantRequestID":"29115-34620561-1","CheckoutRequestID":"ws_CO_191220191020363925",'
    b'"ResultCode":0,"ResultDesc":"The service request is processed successfully.","CallbackMetadata":{"Item":['
    b'{"Name":"Amount","Value":1.00},{"Name":"MpesaReceiptNumber","Value":"NLJ7RT61SV"},'
    b'{"Name":"TransactionDate","Value":20191219102115},{"Name":"PhoneNumber","Value":254708374149}]}}}}'
)
CANCELLED = (
    b'{"Body":{"stkCallback":{"MerchantRequestID":"f1e2-4b95-a71d-b30d3cdbb7a7942864",'
    b'"CheckoutRequestID":"ws_CO_21072024125243250708374149","ResultCode":1032,'
    b'"ResultDesc":"Request cancelled by user"}}}'
)
FAILURES = [
    ("1", "no_money"),
    ("2", "limit"),
    ("3", "limit"),
    ("4", "limit"),
    ("8", "limit"),
    ("17", "busy"),
    ("26", "busy"),
    ("1001", "busy"),
    ("1019", "timeout"),
    ("1025", "config"),
    ("1031", "cancelled"),
    ("1032", "cancelled"),
    ("1036", "timeout"),
    ("1037", "timeout"),
    ("1101", "config"),
    ("1102", "config"),
    ("2001", "wrong_pin"),
    ("2028", "config"),
    ("8006", "wrong_pin"),
    ("9999", "other"),
    ("SFC_IC0003", "config"),
    ("E3008", "other"),
]
UNVERIFIED = ("26", "9999", "E3008")


def callback(**changes: Any) -> bytes:
    told = json.loads(SUCCESS)["Body"]["stkCallback"] | changes
    return json.dumps({"Body": {"stkCallback": told}}).encode()


def paid_with(*items: dict[str, Any]) -> PaymentResult:
    result = read_callback(callback(CallbackMetadata={"Item": list(items)}))
    assert result is not None
    assert result.verdict is PaymentVerdict.PAID
    return result


def test_the_documented_success() -> None:
    assert read_callback(SUCCESS) == PaymentResult(
        PaymentVerdict.PAID,
        "ws_CO_191220191020363925",
        "29115-34620561-1",
        receipt="NLJ7RT61SV",
        amount=Money.major(1),
        payer=PAYER,
        code="0",
        occurred_at=datetime(2019, 12, 19, 7, 21, 15, tzinfo=UTC),
    )


def test_the_documented_cancellation() -> None:
    assert read_callback(CANCELLED) == PaymentResult(
        PaymentVerdict.FAILED,
        "ws_CO_21072024125243250708374149",
        "f1e2-4b95-a71d-b30d3cdbb7a7942864",
        code="1032",
        reason="cancelled",
    )


@pytest.mark.parametrize(("code", "reason"), FAILURES)
def test_every_result_code_has_our_word_as_number_and_as_text(code: str, reason: str) -> None:
    for written in {code, int(code) if code.isdigit() else code}:
        result = read_callback(callback(ResultCode=written))
        assert result is not None
        assert (result.verdict, result.code, result.reason) == (PaymentVerdict.FAILED, code, reason)
        assert result.receipt is None


@pytest.mark.parametrize("code", [4321, "NEW_CODE", -1])
def test_a_code_nobody_knows_is_a_definite_failure_in_a_callback(code: Any) -> None:
    result = read_callback(callback(ResultCode=code))
    assert result is not None
    assert (result.verdict, result.code, result.reason) == (PaymentVerdict.FAILED, str(code), "other")


@pytest.mark.parametrize("code", [4999, "4999"])
def test_still_processing_is_never_a_failure(code: Any) -> None:
    result = read_callback(callback(ResultCode=code))
    assert result is not None
    assert result.verdict is PaymentVerdict.PENDING


@pytest.mark.parametrize("code", [0, "0", 0.0])
def test_success_is_zero_however_it_is_written(code: Any) -> None:
    result = read_callback(callback(ResultCode=code))
    assert result is not None
    assert result.verdict is PaymentVerdict.PAID


def test_items_are_read_by_name_and_balance_may_have_no_value() -> None:
    result = paid_with(
        {"Name": "PhoneNumber", "Value": "254708374149"},
        {"Name": "Balance"},
        {"Name": "TransactionDate", "Value": "20191219102115"},
        {"Name": "MpesaReceiptNumber", "Value": "NLJ7RT61SV"},
        {"Name": "Amount", "Value": "1500.00"},
    )
    assert result.amount == Money.major(1500)
    assert result.payer == PAYER
    assert result.receipt == "NLJ7RT61SV"
    assert result.occurred_at == datetime(2019, 12, 19, 7, 21, 15, tzinfo=UTC)


def test_missing_items_are_none_and_the_payment_is_still_paid() -> None:
    result = paid_with({"Name": "Amount"})
    assert (result.amount, result.payer, result.receipt, result.occurred_at) == (None, None, None, None)


@pytest.mark.parametrize(
    "metadata", [None, "", [], {}, {"Item": None}, {"Item": {"Name": "Amount"}}, {"Item": [None, 1]}]
)
def test_metadata_of_any_shape_is_survived(metadata: Any) -> None:
    result = read_callback(callback(CallbackMetadata=metadata))
    assert result is not None
    assert result.verdict is PaymentVerdict.PAID


def test_of_an_item_that_comes_twice_the_first_counts() -> None:
    assert paid_with({"Name": "Amount", "Value": 10}, {"Name": "Amount", "Value": 9000}).amount == Money.major(10)


@pytest.mark.parametrize("amount", [-1, "1e3", "inf", True, "1,000", 10**12, None, [1], 0.001])
def test_an_amount_that_makes_no_sense_is_not_told(amount: Any) -> None:
    assert paid_with({"Name": "Amount", "Value": amount}).amount is None


def test_an_amount_with_a_giant_exponent_is_refused_without_being_written_out() -> None:
    body = SUCCESS.replace(b"1.00", b"1e999999")
    result = read_callback(body)
    assert result is not None
    assert result.amount is None


@pytest.mark.parametrize("phone", ["2547 ***** 126", "25470***149", 0, "abc", None, 1.5])
def test_a_masked_or_broken_phone_is_not_told(phone: Any) -> None:
    assert paid_with({"Name": "PhoneNumber", "Value": phone}).payer is None


@pytest.mark.parametrize("receipt", ["", "A\x00B", "x" * 200, "na\nme", {"a": 1}, True])
def test_a_receipt_that_could_break_a_row_is_not_told(receipt: Any) -> None:
    assert paid_with({"Name": "MpesaReceiptNumber", "Value": receipt}).receipt is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"Body":null}',
        b'{"Body":{"stkCallback":[]}}',
        b'{"Body":{"stkCallback":{"ResultCode":0}}}',
        b'{"Body":{"stkCallback":{"CheckoutRequestID":"ws_CO_1"}}}',
        b'{"Body":{"stkCallback":{"CheckoutRequestID":"ws_CO_1","ResultCode":null}}}',
        b'{"Body":{"stkCallback":{"CheckoutRequestID":"ws_CO_1","ResultCode":false}}}',
        b'{"Result":{"ResultCode":0}}',
        b"not json",
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_stk_callback_is_none(body: bytes) -> None:
    assert read_callback(body) is None


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
_items = st.lists(
    st.fixed_dictionaries(
        {"Name": st.sampled_from(["Amount", "MpesaReceiptNumber", "TransactionDate", "PhoneNumber"]) | _json},
        optional={"Value": _json | st.integers(10**13, 10**14)},
    )
    | _json
)


@given(st.binary())
def test_no_bytes_make_the_reader_raise(body: bytes) -> None:
    read_callback(body)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "ResultCode": st.just(0) | _json,
            "CheckoutRequestID": _json,
            "MerchantRequestID": _json,
            "CallbackMetadata": _json | st.fixed_dictionaries({"Item": _items | _json}),
        },
    )
)
def test_no_json_makes_the_reader_raise_or_tell_something_unstorable(told: dict[str, Any]) -> None:
    result = read_callback(json.dumps({"Body": {"stkCallback": told}}).encode())
    if result is not None:
        for word in (result.code, result.receipt or "", result.provider_id or "", result.request_id or ""):
            assert word.isascii()
            assert word.isprintable()
            assert len(word) <= 128
        assert result.amount is None or result.amount.minor >= 0


ID = "ws_CO_170820261404032708374149"


def answered(code: str, description: str = "") -> dict[str, Any]:
    return {
        "ResponseCode": "0",
        "MerchantRequestID": "m-1",
        "CheckoutRequestID": ID,
        "ResultCode": code,
        "ResultDesc": description,
    }


def failed(message: Any, code: str = "500.001.1001") -> dict[str, Any]:
    return {"requestId": "aaaa", "errorCode": code, "errorMessage": message}


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (answered("0"), PaymentVerdict.PAID),
        (answered("4999", "The transaction is still under processing"), PaymentVerdict.PENDING),
        (failed("The transaction is being processed"), PaymentVerdict.PENDING),
        (failed(""), PaymentVerdict.PENDING),
        (failed(None), PaymentVerdict.PENDING),
        (failed("The transaction does not exist"), PaymentVerdict.NO_ANSWER),
        (failed("Merchant does not exist"), PaymentVerdict.NO_ANSWER),
        (failed("Wrong credentials"), PaymentVerdict.NO_ANSWER),
        (failed("Spike arrest", "500.003.02"), PaymentVerdict.NO_ANSWER),
        (failed("", "500.003.03"), PaymentVerdict.NO_ANSWER),
        (failed("Invalid Access Token", "404.001.03"), PaymentVerdict.NO_ANSWER),
        (answered("1037", "DS timeout user cannot be reached"), PaymentVerdict.FAILED),
        (answered("77777"), PaymentVerdict.NO_ANSWER),
        ({}, PaymentVerdict.NO_ANSWER),
        ({"ResultCode": None}, PaymentVerdict.NO_ANSWER),
    ],
)
def test_every_row_of_the_query_table(answer: dict[str, Any], verdict: PaymentVerdict) -> None:
    result = read_query(ID, answer)
    assert result.verdict is verdict
    assert result.provider_id == ID
    assert result.receipt is None


@pytest.mark.parametrize(("code", "reason"), FAILURES)
def test_a_documented_failure_in_a_query_is_definite_and_any_other_is_asked_again(code: str, reason: str) -> None:
    result = read_query(ID, answered(code))
    expected = PaymentVerdict.NO_ANSWER if code in UNVERIFIED else PaymentVerdict.FAILED
    assert result.verdict is expected
    if expected is PaymentVerdict.FAILED:
        assert result.reason == reason
