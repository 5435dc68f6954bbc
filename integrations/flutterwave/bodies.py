"""The bodies of the simulated Flutterwave, word for word in the provider's shapes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gateway.domain.money import Money
from integrations.flutterwave.ledger import Charge, Refund, Transfer
from integrations.reading import in_major_units

ACCOUNT = 2599090


def verified(charge: Charge, factor: int = 1) -> dict[str, Any]:
    """A charge as *verify* tells it, which is also the inside of an envelope."""
    page, amount = charge.page, in_major_units(_times(charge.page.amount, factor))
    return {
        "id": charge.id,
        "tx_ref": page.reference,
        "flw_ref": charge.flw_ref,
        "device_fingerprint": "N/A",
        "amount": amount,
        "currency": page.amount.currency,
        "charged_amount": amount,
        "app_fee": 0,
        "merchant_fee": 0,
        "processor_response": charge.response,
        "auth_model": "PIN",
        "ip": "54.75.161.64",
        "narration": "Mlango",
        "status": charge.status,
        "payment_type": "card",
        "created_at": stamp(charge.at),
        "account_id": ACCOUNT,
        "customer": {
            "id": 1,
            "name": page.customer.get("name"),
            "phone_number": page.customer.get("phone_number"),
            "email": page.customer.get("email"),
            "created_at": stamp(charge.at),
        },
    }


def envelope(charge: Charge, factor: int = 1) -> dict[str, Any]:
    """The documented shape; ``factor`` makes it lie."""
    told = verified(charge, factor)
    return {"event": "charge.completed", "data": told, "meta_data": {}, "event.type": "CARD_TRANSACTION"}


def flat(charge: Charge, factor: int = 1) -> dict[str, Any]:
    """The old shape, which still comes for cards; ``factor`` makes it lie."""
    page, amount = charge.page, in_major_units(_times(charge.page.amount, factor))
    return {
        "id": charge.id,
        "txRef": page.reference,
        "flwRef": charge.flw_ref,
        "orderRef": f"URF_{charge.id}",
        "paymentPlan": None,
        "paymentPage": None,
        "createdAt": stamp(charge.at),
        "amount": amount,
        "charged_amount": amount,
        "status": charge.status,
        "IP": "54.75.161.64",
        "currency": page.amount.currency,
        "appfee": 0,
        "merchantfee": 0,
        "merchantbearsfee": 1,
        "charge_type": "normal",
        "customer": {
            "id": 1,
            "phone": page.customer.get("phonenumber"),
            "fullName": page.customer.get("name"),
            "customertoken": None,
            "email": page.customer.get("email"),
            "createdAt": stamp(charge.at),
            "AccountId": ACCOUNT,
        },
        "entity": {"card6": "553188", "card_last4": "2950", "card_country_iso": "KE", "createdAt": stamp(charge.at)},
        "event.type": "CARD_TRANSACTION",
    }


def transferred(sent: Transfer) -> dict[str, Any]:
    done = sent.status == "SUCCESSFUL"
    return {
        "id": sent.id,
        "account_number": sent.phone,
        "bank_code": "MPS",
        "full_name": sent.fields.get("beneficiary_name"),
        "created_at": stamp(sent.at),
        "currency": sent.amount.currency,
        "debit_currency": sent.amount.currency,
        "amount": in_major_units(sent.amount),
        "fee": 0,
        "status": sent.status,
        "reference": sent.reference,
        "meta": sent.fields.get("meta"),
        "narration": sent.fields.get("narration"),
        "complete_message": "Transaction was successful" if done else "",
        "requires_approval": 0,
        "is_approved": 1,
        "bank_name": "MPESA",
    }


def transfer_event(sent: Transfer) -> dict[str, Any]:
    told = transferred(sent)
    told["fullname"] = told.pop("full_name")
    return {"event": "transfer.completed", "event.type": "Transfer", "data": told}


def given_back(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.id,
        "account_id": ACCOUNT,
        "tx_id": refund.charge.id,
        "flw_ref": refund.charge.flw_ref,
        "wallet_id": 74639,
        "amount_refunded": in_major_units(refund.amount),
        "status": "completed",
        "destination": "payment_source",
        "comments": refund.comments,
        "meta": {"source": "availablebalance"},
        "created_at": stamp(refund.at),
    }


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _times(amount: Money, factor: int) -> Money:
    return Money(amount.minor * factor, amount.currency)
