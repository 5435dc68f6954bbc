"""Stripe: a Checkout Session on which a card is typed, and what became of it. Four calls need no SDK.

Every call that makes something carries our reference as its idempotency key: the same key with the same fields is the
same session. So one that was not answered is asked for once more, and the fields depend on nothing that moves.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from gateway.domain.clock import Clock, utc_now
from gateway.domain.money import Money
from integrations.http import Answer, Http, NoAnswer, NotSent
from integrations.protocols import About, Buyer, Channel, LinkAnswer, Outcome, PaymentResult, PaymentVerdict, Rail
from integrations.rails import SIMULATED, Tools
from integrations.reading import web_address
from integrations.stripe.api import Api, error_of, is_refusal
from integrations.stripe.callbacks import authentic, read_event, read_session, session_id
from integrations.stripe.refunds import Refunds

BASE_URL = "https://api.stripe.com"
SESSIONS = "/v1/checkout/sessions"
CHANNEL = "stripe"

#: A session lives 30 minutes to 24 hours; a minute of each is left to clocks that do not agree.
LEAST_LIFE, MOST_LIFE = timedelta(minutes=31), timedelta(hours=24) - timedelta(minutes=1)
#: Refusals that are no mistake in how we ask.
REASONS = {"amount_too_small": "limit", "amount_too_large": "limit"}

#: Stripe refuses an address without a real domain, and then asks on its page.
_DELIVERABLE = re.compile(r"[^@\s]+@[a-z0-9.-]+\.[a-z]{2,}")


class StripeSettings(Protocol):
    """What is read of the settings."""

    @property
    def stripe_secret_key(self) -> str: ...
    @property
    def stripe_webhook_secret(self) -> str: ...
    @property
    def stripe_base_url(self) -> str: ...


def build(settings: StripeSettings, simulator_url: str, tools: Tools) -> Rail:
    """Stripe as the settings say, or on its simulator."""
    key = SIMULATED if simulator_url else settings.stripe_secret_key
    secret = settings.stripe_webhook_secret or (SIMULATED if simulator_url else "")
    http = Http(Stripe.name, simulator_url or settings.stripe_base_url or BASE_URL, observer=tools.observer)
    api = Api(http, key)
    refunds = Refunds(api)
    signed = partial(authentic, secret=secret, clock=tools.clock)
    return Rail(
        Stripe.name,
        is_up=api.is_up,
        channels=(Channel(CHANNEL, About.PAYMENT, read_event, signed, proves=True),),
        links=Stripe(api, tools.clock),
        gives_back=refunds,
        tells_given_back=refunds,
    )


class Stripe:
    """Checkout Sessions of one account. Safe to share between threads."""

    name = "stripe"
    currencies = frozenset({"KES"})

    def __init__(self, api: Api, clock: Clock = utc_now) -> None:
        self._api = api
        self._clock = clock

    def make_link(
        self, *, reference: str, amount: Money, title: str, buyer: Buyer, return_url: str, expires_at: datetime
    ) -> LinkAnswer:
        """Ask for a session; without an answer, once more under the same key."""
        if amount.currency not in self.currencies:
            return LinkAnswer(Outcome.REJECTED, code="currency", reason="config")
        form = session_form(reference, amount, title, buyer, return_url) | {
            "expires_at": ends_at(expires_at, self._clock())
        }
        try:
            return read_created(self._api.make(SESSIONS, form, reference))
        except NotSent:
            return LinkAnswer(Outcome.REJECTED, code="not_sent", reason="busy", retry_safe=True)
        except NoAnswer:
            return LinkAnswer(Outcome.UNKNOWN, code="no_answer")

    def ask(self, provider_id: str, receipt: str | None = None) -> PaymentResult:
        """What became of a session. It is paid at most once, so ``receipt`` says nothing more."""
        silence = PaymentResult(PaymentVerdict.NO_ANSWER, provider_id)
        if session_id({"id": provider_id}) is None:
            return silence
        try:
            answer = self._api.look(f"{SESSIONS}/{provider_id}")
        except (NotSent, NoAnswer):
            return silence
        same = session_id(answer.fields) == provider_id
        return read_session(answer.fields) if answer.ok and same else silence


def session_form(reference: str, amount: Money, title: str, buyer: Buyer, return_url: str) -> dict[str, str | int]:
    """What is paid and where the payer comes out. The session's metadata do not reach the payment: both are told."""
    item = "line_items[0]"
    email = {"customer_email": buyer.email} if _DELIVERABLE.fullmatch(buyer.email) else {}
    return {
        "mode": "payment",
        f"{item}[quantity]": 1,
        f"{item}[price_data][currency]": amount.currency.lower(),
        f"{item}[price_data][unit_amount]": amount.minor,
        f"{item}[price_data][product_data][name]": title,
        "success_url": f"{return_url}{'&' if '?' in return_url else '?'}session_id={{CHECKOUT_SESSION_ID}}",
        "cancel_url": return_url,
        "client_reference_id": reference,
        "metadata[reference]": reference,
        "payment_intent_data[metadata][reference]": reference,
        **email,
    }


def ends_at(wanted: datetime, now: datetime) -> int:
    """Seconds since 1970. A minute is taken off, so that a whole day from a moment ago is the same end each time."""
    return int(min(max(wanted - timedelta(minutes=1), now + LEAST_LIFE), now + MOST_LIFE).timestamp())


def read_created(answer: Answer) -> LinkAnswer:
    """The answer to a request for a session: a yes needs its id and its address, a no must be a refusal."""
    number, link = session_id(answer.fields), web_address(answer.fields.get("url"))
    if answer.ok and number and link:
        return LinkAnswer(Outcome.ACCEPTED, link, number, "open")
    code = error_of(answer)
    if not is_refusal(answer):
        return LinkAnswer(Outcome.UNKNOWN, provider_id=number, code=code)
    if answer.status == 429:
        return LinkAnswer(Outcome.REJECTED, code=code, reason="busy", retry_safe=True)
    if answer.status == 402:
        return LinkAnswer(Outcome.REJECTED, code=code, reason="declined")
    return LinkAnswer(Outcome.REJECTED, code=code, reason=REASONS.get(code, "config"))
