"""Money back to a card by Flutterwave: a refund of a charge, usually done at once."""

from __future__ import annotations

from typing import Any

from gateway.domain.money import Money
from integrations.flutterwave.transfers import refusal, send_once
from integrations.http import Answer, Bearer, Http, NoAnswer, NotSent
from integrations.protocols import Addresses, Outcome, PaymentVerdict, PayoutAnswer, PayoutResult
from integrations.reading import identifier, in_major_units, moment, printable, within

REFUND = "/v3/transactions/{number}/refund"
REFUNDS = "/v3/refunds"

_REFUNDED = "completed"  # also completed-bank-transfer and others
_NOT_REFUNDED = "failed"


class Refunds:
    """Refunds of one merchant's charges. Safe to share between threads."""

    name = "flutterwave"
    repeatable = False

    def __init__(self, http: Http, secret_key: str) -> None:
        self._http = http
        self._auth = Bearer(secret_key)

    def give_back(self, *, own_id: str, receipt: str, amount: Money, addresses: Addresses) -> PayoutAnswer:
        """Refund a charge by its receipt. Flutterwave keeps no key of ours: after silence only a person can tell."""
        request = {"amount": in_major_units(amount), "comments": own_id}
        number = identifier(receipt)
        if number is None:
            return PayoutAnswer(Outcome.REJECTED, code="receipt", reason="config", retry_safe=True)
        answer = send_once(self._http, self._auth, REFUND.format(number=number), request)
        return read_refund(own_id, amount, answer) if isinstance(answer, Answer) else answer

    def ask_given_back(self, *, own_id: str, provider_id: str | None) -> PayoutResult:
        number = identifier(provider_id)
        silence = PayoutResult(PaymentVerdict.NO_ANSWER, own_id, provider_id)
        if number is None:
            return silence
        try:
            answer = self._http.ask("GET", f"{REFUNDS}/{number}", auth=self._auth)
        except (NotSent, NoAnswer):
            return silence
        told = within(answer.fields, "data")
        return refunded(own_id, None, told) if answer.ok and told else silence


def read_refund(own_id: str, amount: Money, answer: Answer) -> PayoutAnswer:
    """The answer to a refund: usually it is done at once."""
    told = within(answer.fields, "data")
    if answer.ok and answer.fields.get("status") == "success" and told:
        result = refunded(own_id, amount, told)
        known = result if result.verdict is not PaymentVerdict.PENDING else None
        return PayoutAnswer(Outcome.ACCEPTED, result.provider_id, result.code, result=known)
    refused = refusal(answer)
    if not refused.duplicate:
        return refused
    done = PayoutResult(PaymentVerdict.FAILED, own_id, code=refused.code, reason="already")
    return PayoutAnswer(Outcome.REJECTED, code=refused.code, reason="already", result=done)


def refunded(own_id: str, amount: Money | None, told: dict[str, Any]) -> PayoutResult:
    """One refund in our words; its status is ``completed``, or that and how."""
    word, number = str(told.get("status")).lower(), identifier(told.get("id"))
    verdict = PaymentVerdict.PENDING
    if word.startswith(_REFUNDED):
        verdict = PaymentVerdict.PAID
    elif word.startswith(_NOT_REFUNDED):
        verdict = PaymentVerdict.FAILED
    return PayoutResult(
        verdict,
        own_id=own_id,
        provider_id=number,
        receipt=f"R{number}" if number and verdict is PaymentVerdict.PAID else None,
        amount=amount,
        code=printable(word) or "",
        reason="other" if verdict is PaymentVerdict.FAILED else "",
        occurred_at=moment(told.get("created_at")),
    )
