"""Flutterwave's bodies in, our words out (2.3 to 2.5, 2.7), and who is believed to have sent them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.money import Money
from integrations.flutterwave.callbacks import authentic, read_payment, read_transfer
from integrations.protocols import PaymentResult, PaymentVerdict, PayoutResult

FLAT = (
    b'{"id":8944267,"txRef":"6c644038-9d6b-4f0e","flwRef":"FLW-MOCK-9b1e","orderRef":"URF_1745417322",'
    b'"paymentPlan":null,"paymentPage":null,"createdAt":"2025-04-23T14:08:43.000Z","amount":3100,'
    b'"charged_amount":3100,"status":"successful","IP":"54.75.161.64","currency":"NGN","appfee":43.4,"merchantfee":0,'
    b'"merchantbearsfee":1,"charge_type":"normal","customer":{"id":3004322,"phone":"9090","fullName":"Jane",'
    b'"customertoken":null,"email":"j@example.org","createdAt":"2025-04-23T14:08:42.000Z","AccountId":2599090},'
    b'"entity":{"card6":"553188","card_last4":"2950","card_country_iso":"NG","createdAt":"2020-04-24T15:19:22.000Z"},'
    b'"event.type":"CARD_TRANSACTION"}'
)
ENVELOPE = (
    b'{"event":"charge.completed","data":{"id":285959875,"tx_ref":"QTHXK948","flw_ref":"FLW-1",'
    b'"device_fingerprint":"N/A","amount":100,"currency":"KES","charged_amount":100,"app_fee":1.4,"merchant_fee":0,'
    b'"processor_response":"Approved","auth_model":"PIN","ip":"54.75.161.64","narration":"Mlango",'
    b'"status":"successful","payment_type":"card","created_at":"2025-01-14T09:23:03.000Z","account_id":17321,'
    b'"customer":{"id":1,"name":"Jane","phone_number":null,"email":"j@example.org",'
    b'"created_at":"2025-01-14T09:23:02.000Z"},"card":{"first_6digits":"553188","last_4digits":"2950",'
    b'"issuer":"MASTERCARD","country":"KE","type":"MASTERCARD","expiry":"09/32"}},"meta_data":{},'
    b'"event.type":"CARD_TRANSACTION"}'
)
V4 = (
    b'{"webhook_id":"wbk_1","timestamp":1734600000000,"type":"charge.completed","data":{"id":"chg_Xy1","amount":100,'
    b'"currency":"KES","reference":"QTHXK948","status":"succeeded","customer":{"id":"cus_1"},'
    b'"payment_method":{"type":"card"},"processor_response":{"type":"approved","code":"00"}}}'
)
TRANSFER = (
    b'{"event":"transfer.completed","event.type":"Transfer","data":{"id":396432,"account_number":"254712345678",'
    b'"bank_name":"MPESA","bank_code":"MPS","fullname":"Mlango customer","created_at":"2025-02-01T10:00:00.000Z",'
    b'"currency":"KES","debit_currency":"KES","amount":500,"fee":60,"status":"SUCCESSFUL","reference":"WD-1",'
    b'"meta":null,"narration":"Mlango","approver":null,"complete_message":"Transaction was successful",'
    b'"requires_approval":0,"is_approved":1}}'
)
LEGACY = (
    b'{"event.type":"Transfer","transfer":{"id":396433,"account_number":"254712345678","currency":"KES","amount":500,'
    b'"fee":60,"status":"FAILED","reference":"WD-2","complete_message":"DISBURSE FAILED: Insufficient funds",'
    b'"date_created":"2019-07-08T12:20:59.000Z"}}'
)
REFUND = (
    b'{"id":1,"AmountRefunded":100,"status":"completed","FlwRef":"FLW-1","destination":"payment_source","comments":"x",'
    b'"settlement_id":"NEW","meta":"{}","createdAt":"2025-01-01T00:00:00.000Z","walletId":1,"AccountId":2,'
    b'"TransactionId":285959875}'
)


def changed(raw: bytes, **changes: Any) -> bytes:
    told = json.loads(raw)
    told.get("data", told).update(changes)
    return json.dumps(told).encode()


def test_the_flat_webhook() -> None:
    assert read_payment(FLAT) == PaymentResult(
        PaymentVerdict.PAID,
        provider_id="6c644038-9d6b-4f0e",
        reference="6c644038-9d6b-4f0e",
        receipt="8944267",
        amount=Money.major(3_100, "NGN"),
        code="successful",
        occurred_at=datetime(2025, 4, 23, 14, 8, 43, tzinfo=UTC),
    )


def test_the_enveloped_webhook() -> None:
    assert read_payment(ENVELOPE) == PaymentResult(
        PaymentVerdict.PAID,
        provider_id="QTHXK948",
        reference="QTHXK948",
        receipt="285959875",
        amount=Money.major(100),
        code="successful",
        occurred_at=datetime(2025, 1, 14, 9, 23, 3, tzinfo=UTC),
    )


def test_version_four_tells_no_receipt_that_version_three_could_be_asked_by() -> None:
    read = read_payment(V4)
    assert read
    assert (read.verdict, read.reference, read.receipt) == (PaymentVerdict.PAID, "QTHXK948", None)
    assert read.amount == Money.major(100)


def test_what_visibuy_documents_is_enough() -> None:
    assert read_payment(b'{"txRef":"VISIBUY_1_2","status":"successful"}') == PaymentResult(
        PaymentVerdict.PAID, provider_id="VISIBUY_1_2", reference="VISIBUY_1_2", code="successful"
    )


@pytest.mark.parametrize("raw", [FLAT, ENVELOPE], ids=["flat", "envelope"])
@pytest.mark.parametrize(
    ("status", "verdict", "reason"),
    [
        ("successful", PaymentVerdict.PAID, ""),
        ("failed", PaymentVerdict.FAILED, "declined"),
        ("pending", PaymentVerdict.PENDING, ""),
        ("completed", PaymentVerdict.PENDING, ""),
        ("new-word", PaymentVerdict.PENDING, ""),
        ("", PaymentVerdict.PENDING, ""),
        (None, PaymentVerdict.PENDING, ""),
        (1, PaymentVerdict.PENDING, ""),
        ([], PaymentVerdict.PENDING, ""),
    ],
)
def test_only_two_words_decide(raw: bytes, status: Any, verdict: PaymentVerdict, reason: str) -> None:
    read = read_payment(changed(raw, status=status, processor_response=None))
    assert read
    assert (read.verdict, read.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Insufficient Funds", "no_money"),
        ("Do not honor", "declined"),
        ("Transaction cancelled", "cancelled"),
        ("Request timed out", "timeout"),
        ("Exceeds withdrawal limit", "limit"),
        ({"type": "declined"}, "declined"),
    ],
)
def test_why_a_card_failed(said: Any, reason: str) -> None:
    read = read_payment(changed(ENVELOPE, status="failed", processor_response=said))
    assert read
    assert read.reason == reason


@pytest.mark.parametrize(
    ("amount", "currency", "read_as"),
    [
        (100, "KES", Money.major(100)),
        (100.5, "KES", Money(10_050)),
        ("100.50", "KES", Money(10_050)),
        ("100", "NGN", Money.major(100, "NGN")),
        (0, "KES", Money(0)),
        (100, "USD", None),
        (100, None, None),
        (100.001, "KES", None),
        (-1, "KES", None),
        (True, "KES", None),
        ("1e3", "KES", None),
        ("\u0661\u0660\u0660", "KES", None),
        ("1,000", "KES", None),
        (10**15, "KES", None),
        (None, "KES", None),
        (100, "CREDITS", None),
    ],
)
def test_amounts_are_exact_or_unknown(amount: Any, currency: Any, read_as: Money | None) -> None:
    read = read_payment(changed(ENVELOPE, amount=amount, currency=currency))
    assert read
    assert read.amount == read_as


def test_a_transfer_that_arrived() -> None:
    assert read_transfer(TRANSFER) == PayoutResult(
        PaymentVerdict.PAID,
        own_id="WD-1",
        provider_id="396432",
        receipt="T396432",
        amount=Money.major(500),
        code="SUCCESSFUL",
        occurred_at=datetime(2025, 2, 1, 10, tzinfo=UTC),
    )


def test_a_transfer_that_failed_in_the_old_form() -> None:
    assert read_transfer(LEGACY) == PayoutResult(
        PaymentVerdict.FAILED,
        own_id="WD-2",
        provider_id="396433",
        amount=Money.major(500),
        code="FAILED",
        reason="no_float",
        occurred_at=datetime(2019, 7, 8, 12, 20, 59, tzinfo=UTC),
    )


@pytest.mark.parametrize("status", ["NEW", "PENDING", "successful", "failed", None, 5])
def test_a_transfer_is_decided_in_capitals_only(status: Any) -> None:
    read = read_transfer(changed(TRANSFER, status=status))
    assert read
    assert (read.verdict, read.receipt) == (PaymentVerdict.PENDING, None)


@pytest.mark.parametrize("raw", [TRANSFER, LEGACY, REFUND, b"", b"null", b"[]", b"\xff", b'{"txRef":null}', b"{}"])
def test_what_is_no_payment(raw: bytes) -> None:
    assert read_payment(raw) is None


@pytest.mark.parametrize("raw", [FLAT, ENVELOPE, V4, REFUND, b"", b"null", b"[]", b"\xff", b'{"transfer":3}'])
def test_what_is_no_transfer(raw: bytes) -> None:
    assert read_transfer(raw) is None


NAMES = ("id", "txRef", "tx_ref", "status", "amount", "currency", "created_at", "event", "type", "reference")
VALUES = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20) | st.just([{}])
BODIES = st.binary(max_size=200) | st.dictionaries(st.sampled_from(NAMES), VALUES).map(lambda t: json.dumps(t).encode())


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BODIES)
def test_no_bytes_break_a_reader(raw: bytes) -> None:
    for body in (raw, b'{"event":"charge.completed","data":' + raw + b"}", b'{"transfer":' + raw + b"}"):
        assert isinstance(read_payment(body), PaymentResult | None)
        assert isinstance(read_transfer(body), PayoutResult | None)


def v4(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


@pytest.mark.parametrize(
    ("headers", "secret", "believed"),
    [
        ({"verif-hash": "s3"}, "s3", True),
        ({"verificationhash": "s3"}, "s3", True),
        ({"verif-hash": "", "verificationhash": "s3"}, "s3", True),
        ({"flutterwave-signature": v4(FLAT, "s3")}, "s3", True),
        ({"verif-hash": "sé"}, "sé", True),
        ({"verif-hash": "S3"}, "s3", False),
        ({"verif-hash": "s3 "}, "s3", False),
        ({"verif-hash": "sé"}, "s3", False),
        ({}, "s3", False),
        ({"verif-hash": ""}, "s3", False),
        ({"verif-hash": ""}, "", False),
        ({}, "", False),
        ({"flutterwave-signature": "s3"}, "s3", False),
        ({"flutterwave-signature": v4(b"other", "s3")}, "s3", False),
        ({"flutterwave-signature": v4(FLAT, "s3")}, "s4", False),
        ({"flutterwave-signature": "é", "verif-hash": "s3"}, "s3", False),
    ],
)
def test_who_is_believed(headers: dict[str, str], secret: str, believed: bool) -> None:
    assert authentic(headers, FLAT, secret) is believed


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["verif-hash", "verificationhash", "flutterwave-signature"]), st.text()))
def test_no_header_breaks_the_check(headers: dict[str, str]) -> None:
    assert not authentic(headers, FLAT, "a secret that nobody guesses")
