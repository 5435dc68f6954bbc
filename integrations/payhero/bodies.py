"""What the simulated PayHero writes: callbacks by both contracts, and the answers to its calls."""

from __future__ import annotations

from typing import Any

from integrations.payhero.asked import OLDER, Prompt, Withdrawal

DESCRIPTIONS = {
    "0": "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "1001": "Unable to lock subscriber, a transaction is already in process for the current subscriber",
    "1032": "Request cancelled by user",
    "1037": "DS timeout user cannot be reached",
    "2001": "The initiator information is invalid.",
    "2040": "The receiver party is not registered.",
}


def v2_body(prompt: Prompt) -> dict[str, Any]:
    """The callback of a settled prompt; of a failure nothing is known but the shape that others assume."""
    code = prompt.code or "0"
    paid = prompt.receipt
    response = {
        "Amount": _amount(prompt),
        "CheckoutRequestID": prompt.checkout_id,
        "ExternalReference": prompt.reference,
        "MerchantRequestID": prompt.merchant_id,
        "MpesaReceiptNumber": paid.receipt if paid else "",
        "Phone": prompt.phone,
        "ResultCode": int(code),
        "ResultDesc": DESCRIPTIONS[code],
        "Status": "Success" if paid else "Failed",
    }
    return {"forward_url": "", "response": response, "status": paid is not None}


def older_body(prompt: Prompt) -> dict[str, Any]:
    status = "success" if prompt.receipt else "cancelled" if prompt.code == "1032" else "failed"
    return {
        "transaction_id": prompt.transaction_id,
        "status": status,
        "external_reference": prompt.reference,
        "amount": _amount(prompt),
        "phone_number": prompt.phone[1:],
    }


def _amount(prompt: Prompt) -> int | str:
    amount = prompt.receipt.amount if prompt.receipt else prompt.amount
    return str(amount) if prompt.play and prompt.play.as_text else amount


def withdrawal_body(sent: Withdrawal) -> dict[str, Any]:
    """The callback of a settled withdrawal."""
    code, paid = sent.code or "0", sent.receipt
    response = {
        "Amount": sent.amount,
        "CheckoutRequestID": sent.checkout_id,
        "ExternalReference": sent.reference,
        "MerchantRequestID": sent.payhero_reference,
        "RecipientAccountNumber": sent.phone[1:],
        "ResultCode": int(code),
        "ResultDesc": DESCRIPTIONS[code],
        "Status": "Success" if paid else "Failed",
        "TransactionID": paid.receipt if paid else "",
    }
    return {"forward_url": "", "response": response, "status": paid is not None}


def queued(prompt: Prompt) -> dict[str, Any]:
    queued: dict[str, Any] = {"success": True, "status": "QUEUED"}
    if prompt.contract == OLDER:
        return queued | {"transaction_id": prompt.transaction_id}
    return queued | {"reference": prompt.payhero_reference, "CheckoutRequestID": prompt.checkout_id}


def taken(sent: Withdrawal) -> dict[str, Any]:
    return {
        "status": "QUEUED",
        "merchant_reference": sent.payhero_reference,
        "checkout_request_id": sent.checkout_id,
        "response_code": "0",
        "conversation_id": sent.checkout_id,
    }


def told(found: Prompt | Withdrawal) -> dict[str, Any]:
    receipt = found.receipt.receipt if found.receipt else ""
    return {
        "transaction_date": found.receipt.at.isoformat() if found.receipt else "",
        "provider": "m-pesa",
        "success": True,
        "merchant": "Mlango",
        "payment_reference": receipt,
        "third_party_reference": receipt,
        "status": found.status,
        "reference": found.payhero_reference,
        "CheckoutRequestID": found.checkout_id,
        "provider_reference": receipt,
    }


def row(found: Prompt | Withdrawal) -> dict[str, Any]:
    amount = abs(found.receipt.amount) if found.receipt else found.amount
    return {"external_reference": found.reference, "amount": amount, "phone_number": found.phone}
