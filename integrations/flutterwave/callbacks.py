"""What Flutterwave says of a payment or a transfer, by webhook or when asked, turned into our words.

Its receipt is the transaction's ``id``: the one thing that both webhook shapes, the answer to *verify* and the redirect
carry, and what a refund is asked by. ``flw_ref`` is none of these in all of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from integrations.http import decode
from integrations.protocols import PaymentResult, PaymentVerdict, PayoutResult
from integrations.reading import identifier, major, moment, printable, within

#: The header of v3 is the secret itself; the second name is an older one.
HASH_HEADERS = ("verif-hash", "verificationhash")
SIGNATURE_HEADER = "flutterwave-signature"

#: Every other word, known or not, says that it is not decided.
CHARGES = {
    "successful": PaymentVerdict.PAID,
    "succeeded": PaymentVerdict.PAID,  # v4
    "failed": PaymentVerdict.FAILED,
}
#: In capitals here, unlike charges.
TRANSFERS = {"SUCCESSFUL": PaymentVerdict.PAID, "FAILED": PaymentVerdict.FAILED}

#: Why, by a part of the processor's sentence; a card's refusal is else just that.
CARD_REASONS = {"insufficient": "no_money", "cancel": "cancelled", "limit": "limit", "timed out": "timeout"}
TRANSFER_REASONS = {"insufficient": "no_float", "limit": "limit", "not registered": "not_registered"}


def authentic(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether somebody who knows the secret hash sent this: its HMAC over the body (v4), else the hash itself (v3).

    Encoded before they are compared: ``compare_digest`` raises on text that is not ASCII.
    """
    if not secret:
        return False
    signature = headers.get(SIGNATURE_HEADER)
    if signature:
        want = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest())
        return hmac.compare_digest(signature.encode(), want)
    told = next((headers[name] for name in HASH_HEADERS if headers.get(name)), "")
    return hmac.compare_digest(told.encode(), secret.encode())


def read_payment(body: bytes) -> PaymentResult | None:
    """A charge's webhook, flat or in an envelope; ``None`` for what is none. Never raises, whatever the bytes are."""
    told = _charge(decode(body))
    reference = printable(told.get("tx_ref"))
    return None if reference is None else charge(told, reference)


def charge(told: Mapping[str, Any], reference: str) -> PaymentResult:
    """One charge as *verify* tells it. Paid in a currency that we do not have is not paid: nobody could book it."""
    word = told.get("status")
    verdict = CHARGES.get(word.lower(), PaymentVerdict.PENDING) if isinstance(word, str) else PaymentVerdict.PENDING
    failed = verdict is PaymentVerdict.FAILED
    return PaymentResult(
        verdict,
        provider_id=reference,
        reference=reference,
        receipt=identifier(told.get("id")),
        amount=major(told.get("amount"), told.get("currency")),
        code=printable(word) or "",
        reason=_why(told.get("processor_response"), CARD_REASONS, "declined") if failed else "",
        occurred_at=moment(told.get("created_at")),
    )


def read_transfer(body: bytes) -> PayoutResult | None:
    """A transfer's webhook, also the old one; ``None`` for what is none. Never raises, whatever the bytes are."""
    fields = within(decode(body))
    told = within(fields, "transfer")
    if fields.get("event") == "transfer.completed":
        told = within(fields, "data")
    return transfer(told) if printable(told.get("reference")) else None


def transfer(told: Mapping[str, Any]) -> PayoutResult:
    """One transfer as asking tells it."""
    word, number = told.get("status"), identifier(told.get("id"))
    verdict = TRANSFERS.get(word, PaymentVerdict.PENDING) if isinstance(word, str) else PaymentVerdict.PENDING
    failed = verdict is PaymentVerdict.FAILED
    return PayoutResult(
        verdict,
        own_id=printable(told.get("reference")),
        provider_id=number,
        receipt=transfer_receipt(number) if verdict is PaymentVerdict.PAID else None,
        amount=major(told.get("amount"), told.get("currency")),
        code=printable(word) or "",
        reason=_why(told.get("complete_message"), TRANSFER_REASONS, "other") if failed else "",
        occurred_at=moment(told.get("created_at") or told.get("date_created")),
    )


def transfer_receipt(number: str | None) -> str | None:
    """Transfers, refunds and charges are numbered apart from each other; their receipts are not to be confused."""
    return f"T{number}" if number else None


def _charge(body: object) -> Mapping[str, Any]:
    """The fields of a charge under the names of *verify*; empty when it is something else."""
    fields = within(body)
    if fields.get("event") == "charge.completed":
        return within(fields, "data")
    if fields.get("type") == "charge.completed":  # v4
        told = within(fields, "data")
        return {**told, "tx_ref": told.get("reference"), "id": None}  # its ids are not those that v3 is asked by
    flat = "txRef" in fields and fields.get("event.type") != "Transfer"
    return {**fields, "tx_ref": fields["txRef"], "created_at": fields.get("createdAt")} if flat else {}


def _why(told: object, reasons: Mapping[str, str], otherwise: str) -> str:
    said = told.lower() if isinstance(told, str) else ""
    return next((reason for part, reason in reasons.items() if part in said), otherwise)
