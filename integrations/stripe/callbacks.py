"""What Stripe says of a Checkout Session, by signed webhook or when asked, turned into our words.

The receipt is the id of the PaymentIntent: both tell it, and a refund is asked by it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from gateway.domain.clock import Clock
from integrations.http import decode
from integrations.protocols import PaymentResult, PaymentVerdict
from integrations.reading import epoch, identifier, minor, printable, within

SIGNATURE_HEADER = "stripe-signature"
TOLERANCE_SECONDS = 300
_MOST_PARTS = 20

COMPLETED = "checkout.session.completed"
SUCCEEDED = "checkout.session.async_payment_succeeded"
FAILED = "checkout.session.async_payment_failed"
EXPIRED = "checkout.session.expired"
EVENTS = frozenset({COMPLETED, SUCCEEDED, FAILED, EXPIRED})


def authentic(headers: Mapping[str, str], body: bytes, secret: str, clock: Clock) -> bool:
    """Whether Stripe signed exactly these bytes within five minutes of now, before or after.

    While the secret is being changed there are several signatures: one that fits is enough.
    """
    parts = headers.get(SIGNATURE_HEADER, "").split(",", _MOST_PARTS)
    told = [(name.strip(), value.strip()) for name, equals, value in (part.partition("=") for part in parts) if equals]
    times = [value for name, value in told if name == "t"]
    if not secret or len(times) != 1 or not _is_time(times[0]):
        return False
    want = hmac.new(secret.encode(), times[0].encode() + b"." + body, hashlib.sha256).hexdigest().encode()
    fits = [hmac.compare_digest(value.encode(), want) for name, value in told if name == "v1"]
    return any(fits) and abs(clock().timestamp() - int(times[0])) <= TOLERANCE_SECONDS


def signature(body: bytes, secret: str, at: int) -> str:
    """The header of a body, as Stripe makes it."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


def read_event(body: bytes) -> PaymentResult | None:
    """An event about a Checkout Session; ``None`` for any other. Never raises, whatever the bytes are."""
    event = within(decode(body))
    kind, told = event.get("type"), within(event, "data", "object")
    if not isinstance(kind, str) or kind not in EVENTS or session_id(told) is None:
        return None
    return _result(told, _verdict(kind, told), kind, event.get("created"))


def read_session(told: Mapping[str, Any]) -> PaymentResult:
    """A Checkout Session as it is told when asked: only ``payment_status`` says whether it is paid."""
    verdict = PaymentVerdict.FAILED if told.get("status") == "expired" else PaymentVerdict.PENDING
    if told.get("payment_status") == "paid":
        verdict = PaymentVerdict.PAID
    result = _result(told, verdict, f"{told.get('status')}/{told.get('payment_status')}", told.get("created"))
    if verdict is PaymentVerdict.PAID and not (result.amount and result.receipt):
        return PaymentResult(PaymentVerdict.NO_ANSWER, result.provider_id, code="amount")
    return result


def session_id(told: Mapping[str, Any]) -> str | None:
    """``cs_...``, if this is a Checkout Session."""
    number = identifier(told.get("id"))
    return number if number and number.startswith("cs_") else None


def _verdict(kind: str, told: Mapping[str, Any]) -> PaymentVerdict:
    if kind in (FAILED, EXPIRED):
        return PaymentVerdict.FAILED
    # "Completed" says that the page is done with; the money of slow ways to pay comes later, or not.
    return PaymentVerdict.PAID if told.get("payment_status") == "paid" else PaymentVerdict.PENDING


def _result(told: Mapping[str, Any], verdict: PaymentVerdict, code: str, created: object) -> PaymentResult:
    failed = verdict is PaymentVerdict.FAILED
    late = told.get("status") == "expired" or code == EXPIRED
    return PaymentResult(
        verdict,
        provider_id=session_id(told),
        reference=printable(told.get("client_reference_id")),
        receipt=_payment_intent(told.get("payment_intent")),
        amount=minor(told.get("amount_total"), told.get("currency")),
        code=printable(code) or "",
        reason=("timeout" if late else "declined") if failed else "",
        occurred_at=epoch(created),
    )


def _payment_intent(told: object) -> str | None:
    """Its id, whether it came alone or as the whole object."""
    return identifier(told.get("id") if isinstance(told, dict) else told)


def _is_time(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 13
