"""Flutterwave v3: a page on which a card is typed, and what became of it.

A page cannot be asked for twice under one reference, so it is asked for once; ours is what everything is asked by, so
an answer that was lost loses nothing but the page. Amounts are in major units.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, Protocol

import structlog

from gateway.domain.clock import Clock, utc_now
from gateway.domain.money import Money
from integrations.flutterwave.callbacks import authentic, charge, read_payment, read_transfer
from integrations.flutterwave.refunds import Refunds
from integrations.flutterwave.transfers import OUT, Transfers
from integrations.http import Answer, Bearer, Http, NoAnswer, NotSent
from integrations.protocols import About, Buyer, Channel, LinkAnswer, Outcome, PaymentResult, PaymentVerdict, Rail
from integrations.rails import SIMULATED, Tools
from integrations.reading import identifier, in_major_units, web_address, within

_log = structlog.get_logger(__name__)

BASE_URL = "https://api.flutterwave.com"
PAYMENTS = "/v3/payments"
VERIFY = "/v3/transactions/verify_by_reference"
TRANSACTIONS = "/v3/transactions"

#: The dashboard's one address for webhooks, of charges and of transfers.
CHANNEL = "flutterwave"

NOT_FOUND = "no transaction was found"
_MOST_MINUTES = 1440


class FlutterwaveSettings(Protocol):
    """What is read of the settings."""

    @property
    def flutterwave_secret_key(self) -> str: ...
    @property
    def flutterwave_hash(self) -> str: ...
    @property
    def flutterwave_base_url(self) -> str: ...


def build(settings: FlutterwaveSettings, simulator_url: str, tools: Tools) -> Rail:
    """Flutterwave as the settings say, or on its simulator."""
    base_url = simulator_url or settings.flutterwave_base_url or BASE_URL
    key = SIMULATED if simulator_url else settings.flutterwave_secret_key
    secret = settings.flutterwave_hash or (SIMULATED if simulator_url else "")
    http = Http(Flutterwave.name, base_url.removesuffix("/v3"), observer=tools.observer)
    signed = partial(authentic, secret=secret)
    transfers, refunds = Transfers(http, key, tools.clock), Refunds(http, key)
    return Rail(
        Flutterwave.name,
        is_up=transfers.is_up,
        channels=(
            Channel(CHANNEL, About.PAYMENT, read_payment, signed, passes_to=OUT),
            Channel(OUT, About.PAYOUT, read_transfer, signed),
        ),
        links=Flutterwave(http, key, tools.clock),
        pays_out=transfers,
        gives_back=refunds,
        tells_given_back=refunds,
        tells_balance=transfers,
    )


class Flutterwave:
    """Pages of one merchant. Safe to share between threads."""

    name = "flutterwave"
    currencies = frozenset({"KES", "NGN"})

    def __init__(self, http: Http, secret_key: str, clock: Clock = utc_now) -> None:
        self._http = http
        self._auth = Bearer(secret_key)
        self._clock = clock

    def make_link(
        self, *, reference: str, amount: Money, title: str, buyer: Buyer, return_url: str, expires_at: datetime
    ) -> LinkAnswer:
        """Ask for a page, once. Whatever does not prove a refusal is ``UNKNOWN``: the page may be there."""
        minutes = int((expires_at - self._clock()).total_seconds() // 60)
        request = page(reference, amount, title, buyer, return_url) | lasting(minutes, expires_at)
        try:
            answer = self._http.send("POST", PAYMENTS, json=request, auth=self._auth)
        except NotSent:
            return LinkAnswer(Outcome.REJECTED, code="not_sent", reason="busy", retry_safe=True)
        except NoAnswer:
            return LinkAnswer(Outcome.UNKNOWN, provider_id=reference, code="no_answer")
        return read_link(reference, answer)

    def ask(self, provider_id: str, receipt: str | None = None) -> PaymentResult:
        """What became of the page of our reference ``provider_id``, or of one charge on it."""
        number = identifier(receipt)
        path = f"{TRANSACTIONS}/{number}/verify" if number else VERIFY
        query = {} if number else {"tx_ref": provider_id}
        try:
            answer = self._http.ask("GET", path, params=query, auth=self._auth)
        except (NotSent, NoAnswer):
            return PaymentResult(PaymentVerdict.NO_ANSWER, provider_id)
        return read_verified(provider_id, answer)


def page(reference: str, amount: Money, title: str, buyer: Buyer, return_url: str) -> dict[str, Any]:
    """What is paid, by whom, and where the payer comes out. Without ``currency`` it would be naira."""
    return {
        "tx_ref": reference,
        "amount": in_major_units(amount),
        "currency": amount.currency,
        "redirect_url": return_url,
        "payment_options": "card",
        # Which of the two spellings of the phone is read is not certain: both.
        "customer": {
            "email": buyer.email,
            "name": buyer.name,
            "phonenumber": buyer.phone.msisdn,
            "phone_number": buyer.phone.msisdn,
        },
        "customizations": {"title": "Mlango", "description": title},
        "meta": {"reference": reference},
    }


def lasting(minutes: int, until: datetime) -> dict[str, Any]:
    """How long a page is good for, at both places where it is read from: once beside the amount, once inside.

    One more try after a refused card, then the page is over: a payment is over with it too.
    """
    limits = {"session_duration": max(1, min(minutes, _MOST_MINUTES)), "max_retry_attempt": 1}
    return {**limits, "configuration": limits, "link_expiration": until.isoformat(timespec="seconds")}


def read_link(reference: str, answer: Answer) -> LinkAnswer:
    """The answer to a request for a page: only a link is a yes; 4xx, or ``error`` in the body, is a no."""
    link = web_address(within(answer.fields, "data").get("link"))
    if answer.ok and answer.fields.get("status") == "success" and link:
        return LinkAnswer(Outcome.ACCEPTED, link, reference, "success")
    code = str(answer.status)
    if answer.status == 429:
        return LinkAnswer(Outcome.REJECTED, code=code, reason="busy", retry_safe=True)
    if answer.status == 401:
        _log.error("rail.credentials", rail=Flutterwave.name, status=answer.status)
    if 400 <= answer.status < 500 or (answer.ok and answer.fields.get("status") == "error"):
        return LinkAnswer(Outcome.REJECTED, code=code, reason="config")
    return LinkAnswer(Outcome.UNKNOWN, provider_id=reference, code=code)


def read_verified(reference: str, answer: Answer) -> PaymentResult:
    """The answer to *verify*. It counts only about our reference, and only in money that we have."""
    fields, told = answer.fields, within(answer.fields, "data")
    if not told and NOT_FOUND in str(fields.get("message")).lower():
        return PaymentResult(PaymentVerdict.PENDING, reference, code="not_found")
    if not answer.ok or fields.get("status") != "success" or told.get("tx_ref") != reference:
        return PaymentResult(PaymentVerdict.NO_ANSWER, reference, code=str(answer.status))
    result = charge(told, reference)
    if result.verdict is PaymentVerdict.PAID and not (result.amount and result.receipt):
        return PaymentResult(PaymentVerdict.NO_ANSWER, reference, code="amount")
    return result
