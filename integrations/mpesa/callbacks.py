"""What Daraja says of an STK push, by callback or by query, turned into our words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from gateway.domain.errors import InvalidPhone
from gateway.domain.money import Money
from gateway.domain.phone import Phone, parse_phone
from integrations.http import decode
from integrations.protocols import PaymentResult, PaymentVerdict

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

#: East Africa Time has no daylight saving; Daraja writes it without an offset.
EAT = timezone(timedelta(hours=3))

_MOST_SHILLINGS = 10**9
_PRINTABLE = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?")
_WHOLE = re.compile(r"-?[0-9]{1,18}")


def read_callback(body: bytes) -> PaymentResult | None:
    """An STK callback in our words, ``None`` for what is none. Never raises, whatever the bytes are.

    Every field but the two ids and the code may be missing: ``amount``, ``payer``, ``receipt`` and
    ``occurred_at`` are then ``None``. A non-zero code is a definite failure, also one we do not know.
    """
    callback = _stk_callback(decode(body))
    code = code_text(callback.get("ResultCode"))
    provider_id = text(callback.get("CheckoutRequestID"))
    request_id = text(callback.get("MerchantRequestID"))
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
        receipt=text(items.get("MpesaReceiptNumber")),
        amount=_amount(items.get("Amount")),
        payer=_payer(items.get("PhoneNumber")),
        code=code,
        occurred_at=_moment(items.get("TransactionDate")),
    )


def read_query(provider_id: str, answer: Mapping[str, Any]) -> PaymentResult:
    """The body of an STK query's answer. It never carries receipt, amount or payer."""
    code = code_text(answer.get("ResultCode"))
    request_id = text(answer.get("MerchantRequestID"))
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


def code_text(value: object) -> str:
    """A code as text, whether it came as number or string; empty when there is none."""
    if isinstance(value, bool):
        return ""
    if isinstance(value, Decimal):
        value = _whole(value)
    return text(value) or ""


def text(value: object) -> str | None:
    """A short printable text (up to 128 ASCII characters), else ``None``: what is stored cannot break a database."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    if isinstance(value, int) and abs(value) > 10**18:
        return None
    written = str(value).strip()
    return written if _PRINTABLE.fullmatch(written) else None


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


def _amount(value: object) -> Money | None:
    shillings = _decimal(value)
    if shillings is None or not 0 <= shillings <= _MOST_SHILLINGS:
        return None
    minor = shillings * 100
    return Money(int(minor)) if minor == minor.to_integral_value() else None


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal):
        return value
    written = text(value)
    if written and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", written):
        return Decimal(written)
    return None


def _whole(value: object) -> int | None:
    """A whole number that may have come as ``20191219102115``, ``"20191219102115"`` or ``20191219102115.0``."""
    if isinstance(value, Decimal):
        return int(value) if abs(value) < 10**18 and value == value.to_integral_value() else None
    written = text(value)
    return int(written) if written and _WHOLE.fullmatch(written) else None


def _payer(value: object) -> Phone | None:
    digits = text(value) if isinstance(value, str) else str(_whole(value))
    try:
        return parse_phone(digits or "")
    except InvalidPhone:
        return None


def _moment(value: object) -> datetime | None:
    """``yyyyMMddHHmmss`` in East Africa Time, as aware UTC."""
    stamp = _whole(value)
    if stamp is None or len(str(stamp)) != 14:
        return None
    try:
        return datetime.strptime(str(stamp), "%Y%m%d%H%M%S").replace(tzinfo=EAT).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
