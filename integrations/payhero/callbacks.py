"""What PayHero says of payments and withdrawals, turned into our words.

Two contracts are told apart by shape, never by address: v2 nests its values under ``response``, the older one has a
``status`` that is text beside a ``transaction_id``. Both have the key ``status``. None of it is signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.http import decode
from integrations.payhero.values import phone, shillings, text, word
from integrations.payhero.words import OLDER_REASONS, PAYOUT_REASONS, REASONS
from integrations.protocols import About, Channel, PaymentResult, PaymentVerdict, PayoutResult

#: Our addresses.
PAID = "payhero"
PAID_OUT = "payhero-out"

_DONE = "0"
_STILL_PROCESSING = "4999"
_SUCCESS = "success"
_FAILURES = frozenset({"failed", "failure"})


def read_payment(body: bytes) -> PaymentResult | None:
    """The callback of a payment by either contract, ``None`` for what is none.

    ``provider_id`` stays ``None``: callbacks do not carry PayHero's own ``reference``, by which it is asked.
    """
    told = decode(body)
    if not isinstance(told, dict):
        return None
    response = told.get("response")
    return _payment(response) if isinstance(response, dict) else _older_payment(told)


def read_payout(body: bytes) -> PayoutResult | None:
    """The callback of a withdrawal, ``None`` for what is none.

    A failure needs its word beside its code, as a success does: on a failure money goes back to its sender, so a body
    that contradicts itself decides nothing.
    """
    told = decode(body)
    response = told.get("response") if isinstance(told, dict) else None
    if not isinstance(response, dict):
        return None
    code, own_id = text(response.get("ResultCode")), text(response.get("ExternalReference"))
    if code is None or own_id is None:
        return None
    verdict, reason = _payout_verdict(code, word(response.get("Status")))
    paid = verdict is PaymentVerdict.PAID
    return PayoutResult(
        verdict,
        own_id,
        receipt=text(response.get("TransactionID")) if paid else None,
        amount=shillings(response.get("Amount")) if paid else None,
        payee=phone(response.get("RecipientAccountNumber")) if paid else None,
        code=code,
        reason=reason,
    )


def read_status(provider_id: str, fields: Mapping[str, Any]) -> PaymentResult:
    """The answer of transaction-status: ``success`` says that the look-up worked, ``status`` what became of it."""
    verdict = status_verdict(fields)
    return PaymentResult(
        verdict,
        provider_id,
        text(fields.get("CheckoutRequestID")),
        receipt=receipt_in(fields, provider_id) if verdict is PaymentVerdict.PAID else None,
        code=word(fields.get("status")),
        reason="declined" if verdict is PaymentVerdict.FAILED else "",
    )


def status_verdict(fields: Mapping[str, Any]) -> PaymentVerdict:
    """A word that nobody documented is pending; no word, or a look-up that did not work, is no answer."""
    status = word(fields.get("status")) if fields.get("success") is not False else ""
    if status == _SUCCESS:
        return PaymentVerdict.PAID
    if status in _FAILURES:
        return PaymentVerdict.FAILED
    return PaymentVerdict.PENDING if status else PaymentVerdict.NO_ANSWER


def receipt_in(fields: Mapping[str, Any], provider_id: str | None) -> str | None:
    """The mobile money receipt. PayHero's own reference looks just like one and is never taken for it."""
    receipt = text(fields.get("provider_reference"))
    return None if receipt in (provider_id, text(fields.get("reference"))) else receipt


def _payment(response: Mapping[str, Any]) -> PaymentResult | None:
    code = text(response.get("ResultCode"))
    request_id, reference = text(response.get("CheckoutRequestID")), text(response.get("ExternalReference"))
    if code is None or not (request_id or reference):
        return None
    succeeded = word(response.get("Status")) == _SUCCESS
    if code == _STILL_PROCESSING or (code == _DONE and not succeeded):
        return PaymentResult(PaymentVerdict.PENDING, request_id=request_id, reference=reference, code=code)
    if code != _DONE:
        reason = REASONS.get(code, "other")
        return PaymentResult(
            PaymentVerdict.FAILED, request_id=request_id, reference=reference, code=code, reason=reason
        )
    return PaymentResult(
        PaymentVerdict.PAID,
        request_id=request_id,
        receipt=text(response.get("MpesaReceiptNumber")),
        amount=shillings(response.get("Amount")),
        payer=phone(response.get("Phone")),
        code=code,
        reference=reference,
    )


def _older_payment(told: Mapping[str, Any]) -> PaymentResult | None:
    """It names no receipt: its ``transaction_id`` is what is unique of the payment."""
    status, transaction_id = word(told.get("status")), text(told.get("transaction_id"))
    reference = text(told.get("external_reference"))
    if not status or transaction_id is None:
        return None
    if status in OLDER_REASONS:
        return PaymentResult(PaymentVerdict.FAILED, code=status, reason=OLDER_REASONS[status], reference=reference)
    if status != _SUCCESS:
        return PaymentResult(PaymentVerdict.PENDING, code=status, reference=reference)
    return PaymentResult(
        PaymentVerdict.PAID,
        receipt=transaction_id,
        amount=shillings(told.get("amount")),
        payer=phone(told.get("phone_number")),
        code=status,
        reference=reference,
    )


def _payout_verdict(code: str, status: str) -> tuple[PaymentVerdict, str]:
    if code == _DONE and status == _SUCCESS:
        return PaymentVerdict.PAID, ""
    if code not in (_DONE, _STILL_PROCESSING) and status in _FAILURES:
        return PaymentVerdict.FAILED, PAYOUT_REASONS.get(code, "other")
    return PaymentVerdict.PENDING, ""


#: Both at either contract: what is on its way comes home after the settings have changed.
CHANNELS = (Channel(PAID, About.PAYMENT, read_payment), Channel(PAID_OUT, About.PAYOUT, read_payout))
