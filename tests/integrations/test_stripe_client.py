"""Our Stripe client against a scripted Stripe: what it sends, and what it makes of every kind of answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.http import Http, Patience
from integrations.protocols import Buyer, LinkAnswer, Outcome, PaymentVerdict, PayoutAnswer, PayoutResult
from integrations.rails import SIMULATED, Tools
from integrations.stripe.api import BALANCE, Api
from integrations.stripe.callbacks import signature
from integrations.stripe.client import SESSIONS, Stripe, build, ends_at
from integrations.stripe.refunds import REFUNDS, Refunds
from tests.conftest import Clock
from tests.integrations.stub import Said, Stub, as_json
from tests.integrations.test_stripe_callbacks import COMPLETED

REFERENCE = "QTHXK948"
PRICE = Money.major(150)
URL = "https://checkout.stripe.com/c/pay/cs_test_a1"
SESSION: dict[str, Any] = json.loads(COMPLETED)["data"]["object"]
OPEN = SESSION | {"status": "open", "payment_status": "unpaid", "payment_intent": None, "url": URL}
REFUNDED = {
    "id": "re_1Nis",
    "object": "refund",
    "amount": 15_000,
    "created": 1_692_942_318,
    "currency": "kes",
    "payment_intent": "pi_3Mtw",
    "status": "succeeded",
}
QUICK = Patience(timeout_seconds=0.3, attempts=1)


@pytest.fixture
def api(stub: Stub) -> Api:
    return Api(Http("stripe", stub.url, QUICK), "sk_test_x")


@pytest.fixture
def stripe(api: Api, clock: Clock) -> Stripe:
    return Stripe(api, clock)


def make(stripe: Stripe, clock: Clock, amount: Money = PRICE, email: str = "ml-7f3k9q@mlango.example") -> LinkAnswer:
    return stripe.make_link(
        reference=REFERENCE,
        amount=amount,
        title="Mlango deposit",
        buyer=Buyer("Jane Mwangi", Phone("+254712345678"), email),
        return_url="https://mlango.example/paid/abc",
        expires_at=clock() + timedelta(hours=24),
    )


def give_back(api: Api) -> PayoutAnswer:
    return Refunds(api).give_back(own_id="BACK-1", receipt="pi_3Mtw", amount=PRICE, addresses=lambda name: name)


def error(status: int, kind: str = "invalid_request_error", code: str = "") -> Said:
    return as_json({"error": {"type": kind, "message": "no"} | ({"code": code} if code else {})}, status)


def test_a_session_is_asked_for_exactly_as_documented(stub: Stub, stripe: Stripe, clock: Clock) -> None:
    clock.now = datetime(2025, 1, 1, tzinfo=UTC)
    stub.says(SESSIONS, as_json(OPEN))
    assert make(stripe, clock) == LinkAnswer(Outcome.ACCEPTED, URL, "cs_test_a1", "open")
    (request,) = stub.calls(SESSIONS)
    assert request.headers["authorization"] == "Bearer sk_test_x"
    assert request.headers["stripe-version"] == "2026-10-28.endive"
    assert request.headers["idempotency-key"] == REFERENCE
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.form == {
        "mode": "payment",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "kes",
        "line_items[0][price_data][unit_amount]": "15000",
        "line_items[0][price_data][product_data][name]": "Mlango deposit",
        "success_url": "https://mlango.example/paid/abc?session_id={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://mlango.example/paid/abc",
        "client_reference_id": REFERENCE,
        "metadata[reference]": REFERENCE,
        "payment_intent_data[metadata][reference]": REFERENCE,
        "customer_email": "ml-7f3k9q@mlango.example",
        "expires_at": "1735775940",  # a day later, less a minute
    }


@pytest.mark.parametrize("email", ["ml-1@localhost", "ml-1@127.0.0.1", ""])
def test_an_address_without_a_domain_is_left_to_the_page(stub: Stub, stripe: Stripe, clock: Clock, email: str) -> None:
    stub.says(SESSIONS, as_json(OPEN))
    make(stripe, clock, email=email)
    assert "customer_email" not in stub.calls(SESSIONS)[0].form


NOW = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        (timedelta(hours=24), timedelta(hours=23, minutes=59)),
        (timedelta(hours=48), timedelta(hours=23, minutes=59)),
        (timedelta(hours=2), timedelta(hours=1, minutes=59)),
        (timedelta(minutes=5), timedelta(minutes=31)),
        (timedelta(0), timedelta(minutes=31)),
    ],
)
def test_a_session_lives_half_an_hour_to_a_day(wanted: timedelta, given: timedelta) -> None:
    assert ends_at(NOW + wanted, NOW) == int((NOW + given).timestamp())


def test_the_same_payment_asked_for_later_is_the_same_request() -> None:
    """Else its idempotency key would be refused."""
    assert ends_at(NOW + timedelta(hours=24), NOW) == ends_at(NOW + timedelta(hours=24), NOW + timedelta(minutes=10))


@pytest.mark.parametrize(
    ("said", "outcome", "reason", "code", "retry_safe"),
    [
        (error(400, code="amount_too_small"), Outcome.REJECTED, "limit", "amount_too_small", False),
        (error(400, code="amount_too_large"), Outcome.REJECTED, "limit", "amount_too_large", False),
        (error(400, code="parameter_missing"), Outcome.REJECTED, "config", "parameter_missing", False),
        (error(400, code=""), Outcome.REJECTED, "config", "invalid_request_error", False),
        (error(401), Outcome.REJECTED, "config", "invalid_request_error", False),
        (error(403), Outcome.REJECTED, "config", "invalid_request_error", False),
        (error(404, code="resource_missing"), Outcome.REJECTED, "config", "resource_missing", False),
        (error(402, "card_error", "card_declined"), Outcome.REJECTED, "declined", "card_declined", False),
        (error(429, code="rate_limit"), Outcome.REJECTED, "busy", "rate_limit", True),
        (error(400, "idempotency_error"), Outcome.UNKNOWN, "", "idempotency_error", False),
        (Said(b"<html>", 400), Outcome.REJECTED, "config", "400", False),
        (as_json(OPEN | {"url": None}), Outcome.UNKNOWN, "", "200", False),
        (as_json(OPEN | {"id": "pi_1"}), Outcome.UNKNOWN, "", "200", False),
        (Said(b"[]"), Outcome.UNKNOWN, "", "200", False),
    ],
)
def test_what_an_answer_means(
    stub: Stub,
    stripe: Stripe,
    clock: Clock,
    said: Said,
    outcome: Outcome,
    reason: str,
    code: str,
    retry_safe: bool,
) -> None:
    stub.says(SESSIONS, said)
    answer = make(stripe, clock)
    assert (answer.outcome, answer.reason, answer.code, answer.retry_safe) == (outcome, reason, code, retry_safe)
    assert len(stub.calls(SESSIONS)) == 1


@pytest.mark.parametrize(
    "silence",
    [
        Said(hang=0.6),
        Said(dead=True),
        Said(b"", 503),
        error(500, "api_error"),
        error(409, "idempotency_error", "idempotency_key_in_use"),
    ],
)
def test_a_session_that_was_not_answered_is_asked_for_once_more_under_the_same_key(
    stub: Stub, stripe: Stripe, clock: Clock, silence: Said
) -> None:
    stub.says(SESSIONS, silence, as_json(OPEN))
    assert make(stripe, clock).url == URL
    first, again = stub.calls(SESSIONS)
    assert (first.headers["idempotency-key"], first.body) == (again.headers["idempotency-key"], again.body)
    stub.heard.clear()
    stub.says(SESSIONS, silence)
    assert make(stripe, clock).outcome is Outcome.UNKNOWN
    assert len(stub.calls(SESSIONS)) == 2, "twice, and no more"


def test_who_was_never_reached_may_be_asked_again(clock: Clock) -> None:
    answer = make(Stripe(Api(Http("stripe", "http://127.0.0.1:1", QUICK), "k"), clock), clock)
    assert (answer.outcome, answer.retry_safe) == (Outcome.REJECTED, True)


def test_other_money_than_shillings_is_not_even_asked_for(stub: Stub, stripe: Stripe, clock: Clock) -> None:
    answer = make(stripe, clock, Money.major(5_000, "NGN"))
    assert (answer.outcome, answer.reason, stub.heard) == (Outcome.REJECTED, "config", [])


def test_a_refused_key_is_one_event_without_the_key(stub: Stub, stripe: Stripe, clock: Clock) -> None:
    stub.says(SESSIONS, error(401))
    with structlog.testing.capture_logs() as logs:
        make(stripe, clock)
    assert logs == [{"event": "rail.credentials", "log_level": "error", "rail": "stripe", "status": 401}]


def test_a_session_is_asked_about(stub: Stub, stripe: Stripe) -> None:
    stub.says(f"{SESSIONS}/cs_test_a1", as_json(SESSION))
    result = stripe.ask("cs_test_a1")
    assert (result.verdict, result.receipt, result.amount) == (PaymentVerdict.PAID, "pi_3Mtw", Money.major(1_000))
    assert stub.heard[0].headers["stripe-version"] == "2026-10-28.endive"


@pytest.mark.parametrize(
    "said",
    [
        as_json(SESSION | {"id": "cs_other"}),
        as_json(SESSION, 500),
        error(404, code="resource_missing"),
        Said(b"", 503),
        Said(hang=0.6),
    ],
)
def test_no_word_about_our_session_is_no_answer(stub: Stub, stripe: Stripe, said: Said) -> None:
    stub.says(f"{SESSIONS}/cs_test_a1", said)
    assert stripe.ask("cs_test_a1").verdict is PaymentVerdict.NO_ANSWER


@pytest.mark.parametrize("provider_id", [REFERENCE, "", "cs_1/../../balance", "cs_ä"])
def test_what_is_no_session_is_not_asked_about(stub: Stub, stripe: Stripe, provider_id: str) -> None:
    assert stripe.ask(provider_id).verdict is PaymentVerdict.NO_ANSWER
    assert stub.heard == []


def test_a_refund_is_done_at_once(stub: Stub, api: Api) -> None:
    stub.says(REFUNDS, as_json(REFUNDED))
    done = PayoutResult(
        PaymentVerdict.PAID,
        own_id="BACK-1",
        provider_id="re_1Nis",
        receipt="re_1Nis",
        amount=PRICE,
        code="succeeded",
        occurred_at=datetime(2023, 8, 25, 5, 45, 18, tzinfo=UTC),
    )
    assert give_back(api) == PayoutAnswer(Outcome.ACCEPTED, "re_1Nis", "succeeded", result=done)
    (request,) = stub.calls(REFUNDS)
    assert request.form == {"payment_intent": "pi_3Mtw", "amount": "15000", "metadata[reference]": "BACK-1"}
    assert request.headers["idempotency-key"] == "BACK-1"


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("succeeded", PaymentVerdict.PAID),
        ("pending", None),
        ("requires_action", None),
        ("failed", PaymentVerdict.FAILED),
        ("canceled", PaymentVerdict.FAILED),
    ],
)
def test_a_refund_that_is_under_way_is_asked_about(
    stub: Stub, api: Api, status: str, verdict: PaymentVerdict | None
) -> None:
    stub.says(REFUNDS, as_json(REFUNDED | {"status": status}))
    stub.says(f"{REFUNDS}/re_1Nis", as_json(REFUNDED | {"status": status}))
    answer = give_back(api)
    assert (answer.result.verdict if answer.result else None) == verdict
    asked = Refunds(api).ask_given_back(own_id="BACK-1", provider_id=answer.provider_id)
    assert asked.verdict is (verdict or PaymentVerdict.PENDING)


@pytest.mark.parametrize(
    ("said", "outcome", "reason", "retry_safe"),
    [
        (error(400, code="charge_already_refunded"), Outcome.REJECTED, "already", False),
        (error(400, code="balance_insufficient"), Outcome.REJECTED, "no_float", True),
        (error(404, code="resource_missing"), Outcome.REJECTED, "config", True),
        (error(429, code="rate_limit"), Outcome.REJECTED, "busy", True),
        (error(500, "api_error"), Outcome.UNKNOWN, "", False),
        (error(400, "idempotency_error"), Outcome.UNKNOWN, "", False),
        (Said(hang=0.6), Outcome.UNKNOWN, "", False),
    ],
)
def test_what_an_answer_to_a_refund_means(
    stub: Stub, api: Api, said: Said, outcome: Outcome, reason: str, retry_safe: bool
) -> None:
    stub.says(REFUNDS, said)
    answer = give_back(api)
    assert (answer.outcome, answer.reason, answer.retry_safe) == (outcome, reason, retry_safe)
    assert (answer.result is not None) == (reason == "already")


def test_a_refund_without_an_id_cannot_be_asked_about(stub: Stub, api: Api) -> None:
    asked = Refunds(api).ask_given_back(own_id="BACK-1", provider_id=None)
    assert (asked, stub.heard) == (PayoutResult(PaymentVerdict.NO_ANSWER, "BACK-1"), [])


@pytest.mark.parametrize(
    ("said", "up"), [(as_json({"object": "balance"}), True), (error(401), True), (Said(b"", 503), False)]
)
def test_whether_stripe_is_there(stub: Stub, api: Api, said: Said, up: bool) -> None:
    stub.says(BALANCE, said)
    assert api.is_up() is up


def test_only_a_simulated_rail_believes_the_simulators_secret(clock: Clock) -> None:
    settings = SimpleNamespace(stripe_base_url="http://x", stripe_secret_key="k", stripe_webhook_secret="")
    for url, believed in (("", False), ("http://simulator", True)):
        (channel,) = build(settings, url, Tools(clock)).channels
        assert channel.signed
        assert channel.proves
        header = {"stripe-signature": signature(COMPLETED, SIMULATED, int(clock().timestamp()))}
        assert channel.signed(header, COMPLETED) is believed
