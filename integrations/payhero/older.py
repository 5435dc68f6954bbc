"""The older, simplified contract: a key, one address to ask a phone to pay, and a flat callback.

No official source describes it. It has no call that tells what became of a payment, none that pays out and none that
tells a balance: only the callback does, and what it does not tell a person finds out.
"""

from __future__ import annotations

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.http import Patience
from integrations.payhero.callbacks import PAID
from integrations.payhero.calls import NAME, Bearer, Calls
from integrations.payhero.values import text, word
from integrations.payhero.words import OLDER_REASONS
from integrations.protocols import Addresses, Outcome, PaymentResult, PaymentVerdict, PromptAnswer
from integrations.rails import Tools

BASE_URL = "https://payhero.co.ke/api/v1"
TIMEOUT_SECONDS = 30

_PAYMENTS = "/payments"
#: This contract's number for M-Pesa.
_MPESA_CHANNEL = 1
#: Whatever the answer calls the payment.
_IDS = ("transaction_id", "reference", "CheckoutRequestID")


def build(base_url: str, api_key: str, tools: Tools) -> OlderPayHero:
    """The contract at its usual address, or at another."""
    patience = Patience(timeout_seconds=TIMEOUT_SECONDS, attempts=1)
    return OlderPayHero(Calls(base_url or BASE_URL, Bearer(api_key), patience, tools.observer))


class OlderPayHero:
    """One key's payments. Safe to share between threads."""

    name = NAME

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def prompt(
        self, *, phone: Phone, amount: Money, reference: str, description: str, addresses: Addresses
    ) -> PromptAnswer:
        """Ask ``phone`` for whole shillings, once. Raises ``ValueError`` for cents: that is a bug of the caller."""
        request = {
            "amount": amount.whole_units,
            "phone_number": phone.msisdn,
            "channel_id": _MPESA_CHANNEL,
            "external_reference": reference,
            "callback_url": addresses(PAID),
            "provider": "mpesa",
        }
        started = self._calls.start(_PAYMENTS, request)
        outcome, reason = started.outcome, started.reason
        if outcome is Outcome.ACCEPTED and (refused := OLDER_REASONS.get(word(started.fields.get("status")))):
            outcome, reason = Outcome.REJECTED, refused
        ids = (text(started.fields.get(name)) for name in _IDS)
        return PromptAnswer(outcome, next(filter(None, ids), None), None, started.code, reason, started.retry_safe)

    def ask(self, provider_id: str) -> PaymentResult:
        """There is no such call: nobody answers."""
        return PaymentResult(PaymentVerdict.NO_ANSWER, provider_id, code="no_questions")

    def is_up(self) -> bool:
        """Whether anybody answers there, be it that payments are not read: no other address is known."""
        answer = self._calls.ask(_PAYMENTS)
        return answer is not None and answer.status < 500
