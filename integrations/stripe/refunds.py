"""Money back to a card by Stripe: the answer to a refund usually says that it is done."""

from __future__ import annotations

from typing import Any

from gateway.domain.money import Money
from integrations.http import Answer, NoAnswer, NotSent
from integrations.protocols import Addresses, Outcome, PaymentVerdict, PayoutAnswer, PayoutResult
from integrations.reading import epoch, identifier, minor, printable
from integrations.stripe.api import Api, error_of, is_refusal

REFUNDS = "/v1/refunds"

VERDICTS = {
    "succeeded": PaymentVerdict.PAID,
    "failed": PaymentVerdict.FAILED,
    "canceled": PaymentVerdict.FAILED,
}
REASONS = {
    "charge_already_refunded": "already",
    "insufficient_funds": "no_float",
    "balance_insufficient": "no_float",
    "amount_too_small": "limit",
    "amount_too_large": "limit",
}


class Refunds:
    """Refunds of one account's payments. Safe to share between threads."""

    name = "stripe"
    repeatable = True

    def __init__(self, api: Api) -> None:
        self._api = api

    def give_back(self, *, own_id: str, receipt: str, amount: Money, addresses: Addresses) -> PayoutAnswer:
        """Refund a PaymentIntent; the same ``own_id`` again is the same refund."""
        form: dict[str, str | int] = {"payment_intent": receipt, "amount": amount.minor, "metadata[reference]": own_id}
        try:
            answer = self._api.make(REFUNDS, form, own_id)
        except NotSent:
            return PayoutAnswer(Outcome.REJECTED, code="not_sent", reason="busy", retry_safe=True)
        except NoAnswer:
            return PayoutAnswer(Outcome.UNKNOWN, code="no_answer")
        return read_refund(own_id, answer)

    def ask_given_back(self, *, own_id: str, provider_id: str | None) -> PayoutResult:
        number = identifier(provider_id)
        silence = PayoutResult(PaymentVerdict.NO_ANSWER, own_id, provider_id)
        if number is None:
            return silence
        try:
            answer = self._api.look(f"{REFUNDS}/{number}")
        except (NotSent, NoAnswer):
            return silence
        return refunded(own_id, answer.fields) if answer.ok and answer.fields.get("id") == number else silence


def read_refund(own_id: str, answer: Answer) -> PayoutAnswer:
    """The answer to a refund: done, under way, or why not."""
    number = identifier(answer.fields.get("id"))
    if answer.ok and number:
        result = refunded(own_id, answer.fields)
        known = result if result.verdict is not PaymentVerdict.PENDING else None
        return PayoutAnswer(Outcome.ACCEPTED, number, result.code, result=known)
    if not is_refusal(answer):
        return PayoutAnswer(Outcome.UNKNOWN, code=error_of(answer))
    if answer.status == 429:
        return PayoutAnswer(Outcome.REJECTED, code="429", reason="busy", retry_safe=True)
    code = error_of(answer)
    reason = REASONS.get(code, "config")
    done = PayoutResult(PaymentVerdict.FAILED, own_id, code=code, reason=reason) if reason == "already" else None
    return PayoutAnswer(Outcome.REJECTED, code=code, reason=reason, retry_safe=done is None, result=done)


def refunded(own_id: str, told: Any) -> PayoutResult:
    """One refund in our words."""
    word, number = told.get("status"), identifier(told.get("id"))
    verdict = VERDICTS.get(word, PaymentVerdict.PENDING) if isinstance(word, str) else PaymentVerdict.PENDING
    return PayoutResult(
        verdict,
        own_id=own_id,
        provider_id=number,
        receipt=number if verdict is PaymentVerdict.PAID else None,
        amount=minor(told.get("amount"), told.get("currency")),
        code=printable(word) or "",
        reason="other" if verdict is PaymentVerdict.FAILED else "",
        occurred_at=epoch(told.get("created")),
    )
