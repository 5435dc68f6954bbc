"""Stripe's events in, our words out (3.1, 3.3), and whose signature is believed."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.money import Money
from integrations.protocols import PaymentResult, PaymentVerdict
from integrations.stripe.callbacks import authentic, read_event, read_session, signature

COMPLETED = (
    b'{\n  "id": "evt_1", "object": "event", "api_version": "2026-10-28.endive", "created": 1735689600,\n'
    b'  "data": {"object": {"id": "cs_test_a1", "object": "checkout.session", "amount_subtotal": 100000,\n'
    b'  "amount_total": 100000, "client_reference_id": "QTHXK948", "currency": "kes", "created": 1735689000,\n'
    b'  "metadata": {"reference": "QTHXK948"}, "mode": "payment", "payment_intent": "pi_3Mtw", \n'
    b'  "payment_status": "paid", "status": "complete", "url": null}},\n'
    b'  "livemode": false, "type": "checkout.session.completed"\n}'
)
SECRET = "whsec_x"
NOW = 1_735_689_600


def event(kind: str = "checkout.session.completed", **changes: Any) -> bytes:
    told = json.loads(COMPLETED)
    told["type"] = kind
    told["data"]["object"] |= changes
    return json.dumps(told).encode()


def now() -> datetime:
    return datetime.fromtimestamp(NOW, UTC)


def v1(body: bytes, at: object = NOW, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def test_a_session_that_is_paid() -> None:
    assert read_event(COMPLETED) == PaymentResult(
        PaymentVerdict.PAID,
        provider_id="cs_test_a1",
        reference="QTHXK948",
        receipt="pi_3Mtw",
        amount=Money.major(1_000),
        code="checkout.session.completed",
        occurred_at=datetime(2025, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("kind", "status", "payment_status", "verdict", "reason"),
    [
        ("completed", "complete", "paid", PaymentVerdict.PAID, ""),
        ("completed", "complete", "unpaid", PaymentVerdict.PENDING, ""),
        ("completed", "complete", "no_payment_required", PaymentVerdict.PENDING, ""),
        ("completed", "complete", None, PaymentVerdict.PENDING, ""),
        ("completed", "complete", ["paid"], PaymentVerdict.PENDING, ""),
        ("async_payment_succeeded", "complete", "paid", PaymentVerdict.PAID, ""),
        ("async_payment_succeeded", "complete", "unpaid", PaymentVerdict.PENDING, ""),
        ("async_payment_failed", "complete", "unpaid", PaymentVerdict.FAILED, "declined"),
        ("expired", "expired", "unpaid", PaymentVerdict.FAILED, "timeout"),
    ],
)
def test_what_an_event_says(kind: str, status: str, payment_status: Any, verdict: PaymentVerdict, reason: str) -> None:
    read = read_event(event(f"checkout.session.{kind}", status=status, payment_status=payment_status))
    assert read
    assert (read.verdict, read.reason, read.provider_id) == (verdict, reason, "cs_test_a1")


@pytest.mark.parametrize(
    "raw",
    [
        event("payment_intent.succeeded"),
        event("charge.refunded"),
        event("charge.dispute.created"),
        event("checkout.session"),
        event(id="pi_1"),
        event(id=None),
        event(id="cs_1/../../refunds"),
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"type":["checkout.session.completed"],"data":{"object":{"id":"cs_1"}}}',
        b'{"type":"checkout.session.completed","data":[]}',
    ],
)
def test_what_is_no_such_event(raw: bytes) -> None:
    assert read_event(raw) is None


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ({"status": "open", "payment_status": "unpaid", "payment_intent": None}, PaymentVerdict.PENDING),
        ({"status": "complete", "payment_status": "unpaid"}, PaymentVerdict.PENDING),
        ({"status": "complete", "payment_status": "no_payment_required"}, PaymentVerdict.PENDING),
        ({"status": "complete", "payment_status": "paid"}, PaymentVerdict.PAID),
        ({"status": "expired", "payment_status": "unpaid"}, PaymentVerdict.FAILED),
        ({"status": "expired", "payment_status": "paid"}, PaymentVerdict.PAID),
        ({"payment_status": "paid", "currency": "usd"}, PaymentVerdict.NO_ANSWER),
        ({"payment_status": "paid", "amount_total": None}, PaymentVerdict.NO_ANSWER),
        ({"payment_status": "paid", "amount_total": 1.5}, PaymentVerdict.NO_ANSWER),
        ({"payment_status": "paid", "payment_intent": None}, PaymentVerdict.NO_ANSWER),
    ],
)
def test_what_a_session_says_when_it_is_asked(told: dict[str, Any], verdict: PaymentVerdict) -> None:
    session = json.loads(COMPLETED)["data"]["object"]
    assert read_session(session | told).verdict is verdict


def test_event_and_question_tell_the_same_receipt_also_when_it_is_a_whole_object() -> None:
    session = json.loads(COMPLETED)["data"]["object"]
    told = read_event(COMPLETED)
    assert told
    assert read_session(session).receipt == told.receipt == "pi_3Mtw"
    assert (
        read_session(session | {"payment_intent": {"id": "pi_3Mtw", "object": "payment_intent"}}).receipt == "pi_3Mtw"
    )


def test_the_header_is_the_documented_one() -> None:
    """``printf '1735689600.{}' | openssl dgst -sha256 -hmac whsec_x``."""
    made = "fed2e4e293aad5078d52dc8ecabf3915299dada904b201506b03adc35e3e4335"
    assert signature(b"{}", SECRET, NOW) == f"t={NOW},v1={made}"


@pytest.mark.parametrize(
    ("header", "believed"),
    [
        (f"t={NOW},v1={v1(COMPLETED)}", True),
        (f"v1={v1(COMPLETED)},t={NOW}", True),
        (f"t={NOW},v1={'0' * 64},v1={v1(COMPLETED)},v0=x", True),
        (f"t={NOW}, v1={v1(COMPLETED)}", True),
        (f"t={NOW - 300},v1={v1(COMPLETED, NOW - 300)}", True),
        (f"t={NOW + 300},v1={v1(COMPLETED, NOW + 300)}", True),
        (f"t={NOW - 301},v1={v1(COMPLETED, NOW - 301)}", False),
        (f"t={NOW + 301},v1={v1(COMPLETED, NOW + 301)}", False),
        (f"t={NOW},v1={v1(COMPLETED, secret='whsec_y')}", False),
        (f"t={NOW},v1={v1(COMPLETED + b' ')}", False),
        (f"t={NOW - 1},v1={v1(COMPLETED)}", False),
        (f"t={NOW},v0={v1(COMPLETED)}", False),
        (f"t={NOW},t={NOW},v1={v1(COMPLETED)}", False),
        (f"v1={v1(COMPLETED)}", False),
        (f"t={NOW}", False),
        (f"t=,v1={v1(COMPLETED, '')}", False),
        (f"t=-1,v1={v1(COMPLETED, -1)}", False),
        (f"t=\u00b2,v1={v1(COMPLETED, chr(0xB2))}", False),
        (f"t={'9' * 400},v1={v1(COMPLETED, '9' * 400)}", False),
        (f"t={NOW},v1=\u00e9", False),
        ("nonsense", False),
        ("", False),
    ],
)
def test_whose_signature_is_believed(header: str, believed: bool) -> None:
    assert authentic({"stripe-signature": header}, COMPLETED, SECRET, now) is believed


def test_without_a_header_or_a_secret_nothing_is_believed() -> None:
    assert not authentic({}, COMPLETED, SECRET, now)
    assert not authentic({"stripe-signature": signature(COMPLETED, "", NOW)}, COMPLETED, "", now)


NAMES = (
    "id",
    "status",
    "payment_status",
    "amount_total",
    "currency",
    "payment_intent",
    "client_reference_id",
    "created",
)
VALUES = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20) | st.just([{}])
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES).map(lambda told: json.dumps({"id": "cs_1"} | told).encode())


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200) | OBJECTS, st.text(max_size=80))
def test_no_bytes_break_a_reader_and_no_header_the_check(raw: bytes, header: str) -> None:
    wrapped = b'{"type":"checkout.session.completed","created":1e99,"data":{"object":' + raw + b"}}"
    for body in (raw, wrapped):
        assert isinstance(read_event(body), PaymentResult | None)
        assert not authentic({"stripe-signature": header}, body, SECRET, now)
