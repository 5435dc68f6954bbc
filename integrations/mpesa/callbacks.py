"""What Daraja says of an STK push, by callback or by query, turned into our words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.http import decode
from integrations.mpesa.fields import code_text, moment, money, phone
from integrations.protocols import PaymentResult, PaymentVerdict
from integrations.reading import printable

PAID = "0"
STILL_PROCESSING = "4999"

#: Why a push failed, by result code. Codes are text: M-Pesa also sends such as SFC_IC0003.
REASONS = {
    "1": "no_money",
    "2": "limit",  # below the least amount
    "3": "limit",  # above the most at once
    "4": "limit",  # the payer's day
    "8": "limit",  # the receiving account is full: operators must act
    "17": "busy",  # the same amount from the same payer within two minutes
    "26": "busy",
    "1001": "busy",  # another session or prompt is open on that phone
    "1019": "timeout",
    "1025": "config",  # the prompt could not be sent or is longer than 182 characters
    "1031": "cancelled",
    "1032": "cancelled",
    "1036": "timeout",
    "1037": "timeout",
    "1101": "config",
    "1102": "config",
    "2001": "wrong_pin",
    "2028": "config",  # PartyB and TransactionType do not fit each other
    "8006": "wrong_pin",  # the payer's PIN is locked
    "9999": "other",
    "SFC_IC0003": "config",
    "E3008": "other",
}

#: Codes nobody has documented for a push: a callback with one has failed, a query with one is asked again.
UNVERIFIED = frozenset({"26", "9999", "E3008"})


def read_callback(body: bytes) -> PaymentResult | None:
    """An STK callback in our words, ``None`` for what is none. Never raises, whatever the bytes are.

    Every field but the two ids and the code may be missing: ``amount``, ``payer``, ``receipt`` and
    ``occurred_at`` are then ``None``. A non-zero code is a definite failure, also one we do not know.
    """
    callback = _stk_callback(decode(body))
    code = code_text(callback.get("ResultCode"))
    provider_id = printable(callback.get("CheckoutRequestID"))
    request_id = printable(callback.get("MerchantRequestID"))
    if not code or not (provider_id or request_id):
        return None
    if code == STILL_PROCESSING:
        return PaymentResult(PaymentVerdict.PENDING, provider_id, request_id, code=code)
    if code != PAID:
        return PaymentResult(
            PaymentVerdict.FAILED, provider_id, request_id, code=code, reason=REASONS.get(code, "other")
        )
    items = _items(callback)
    return PaymentResult(
        PaymentVerdict.PAID,
        provider_id,
        request_id,
        receipt=printable(items.get("MpesaReceiptNumber")),
        amount=money(items.get("Amount")),
        payer=phone(items.get("PhoneNumber")),
        code=code,
        occurred_at=moment(items.get("TransactionDate")),
    )


def read_query(provider_id: str, answer: Mapping[str, Any]) -> PaymentResult:
    """The body of an STK query's answer. It never carries receipt, amount or payer."""
    code = code_text(answer.get("ResultCode"))
    request_id = printable(answer.get("MerchantRequestID"))
    if answer.get("errorCode") is not None or not code:
        return _query_error(provider_id, answer)
    if code == STILL_PROCESSING:
        return PaymentResult(PaymentVerdict.PENDING, provider_id, request_id, code=code)
    if code == PAID:
        return PaymentResult(PaymentVerdict.PAID, provider_id, request_id, code=code)
    if code not in REASONS or code in UNVERIFIED:
        return PaymentResult(PaymentVerdict.NO_ANSWER, provider_id, request_id, code=code, reason="other")
    return PaymentResult(PaymentVerdict.FAILED, provider_id, request_id, code=code, reason=REASONS[code])


def _query_error(provider_id: str, answer: Mapping[str, Any]) -> PaymentResult:
    """500.001.1001 means pending when it says so or says nothing; it also means a dozen other things."""
    code = code_text(answer.get("errorCode"))
    message = answer.get("errorMessage")
    said = message.strip().lower() if isinstance(message, str) else ""
    if code == "500.001.1001" and (not said or "being processed" in said):
        return PaymentResult(PaymentVerdict.PENDING, provider_id, code=code)
    return PaymentResult(PaymentVerdict.NO_ANSWER, provider_id, code=code)


def _stk_callback(body: object) -> Mapping[str, Any]:
    for name in ("Body", "stkCallback"):
        body = body.get(name) if isinstance(body, dict) else None
    return body if isinstance(body, dict) else {}


def _items(callback: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata by name; the order is never the same, and an item may have no ``Value``."""
    metadata = callback.get("CallbackMetadata")
    listed = metadata.get("Item") if isinstance(metadata, dict) else None
    items: dict[str, Any] = {}
    for item in listed if isinstance(listed, list) else []:
        if isinstance(item, dict) and isinstance(item.get("Name"), str) and item.get("Value") is not None:
            items.setdefault(item["Name"], item["Value"])
    return items
