"""M-Pesa through Safaricom's Daraja: ask a phone to pay (STK push), and ask what became of it.

A push has no idempotency key at Daraja: two equal calls are two prompts. So it goes out once, and whatever does not
prove that it was refused is ``unknown``. Ids of pushes contain the payer's number: they are never logged here.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import Any

from gateway.domain.clock import Clock, utc_now
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.http import Answer, NoAnswer
from integrations.mpesa.answers import read_answer
from integrations.mpesa.callbacks import REASONS, read_query
from integrations.mpesa.daraja import NAME, Daraja, NotAsked
from integrations.mpesa.fields import EAT
from integrations.protocols import Addresses, Outcome, PaymentResult, PaymentVerdict, PromptAnswer
from integrations.reading import printable

SANDBOX_SHORTCODE = "174379"
#: Printed in Daraja's public documentation for the sandbox; no secret.
SANDBOX_PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"
PAYBILL = "CustomerPayBillOnline"
TILL = "CustomerBuyGoodsOnline"

PUSH = "/mpesa/stkpush/v1/processrequest"
QUERY = "/mpesa/stkpushquery/v1/query"

#: Our addresses. Daraja refuses those that contain its brand names, "query" and others.
STK = "stk"


class Mpesa:
    """One shortcode on Daraja. Safe to share between threads."""

    name = NAME

    def __init__(
        self,
        daraja: Daraja,
        *,
        shortcode: str,
        passkey: str,
        transaction_type: str = PAYBILL,
        till: str = "",
        clock: Clock = utc_now,
    ) -> None:
        """``till`` is who is paid when ``transaction_type`` is ``TILL``; a paybill pays its own shortcode."""
        self._daraja = daraja
        self._shortcode = shortcode
        self._passkey = passkey
        self._transaction_type = transaction_type
        self._paid_to = till or shortcode
        self._clock = clock

    def prompt(
        self, *, phone: Phone, amount: Money, reference: str, description: str, addresses: Addresses
    ) -> PromptAnswer:
        """Ask ``phone`` for whole shillings, once. Raises ``ValueError`` for cents: that is a bug of the caller."""
        request = self._signed() | {
            "TransactionType": self._transaction_type,
            "Amount": amount.whole_units,
            "PartyA": phone.msisdn,
            "PartyB": self._paid_to,
            "PhoneNumber": phone.msisdn,
            "CallBackURL": addresses(STK),
            "AccountReference": account_reference(reference),
            "TransactionDesc": transaction_description(description),
        }
        try:
            return read_push(self._daraja.send(PUSH, request))
        except NotAsked as refused:
            return PromptAnswer(Outcome.REJECTED, code=refused.code, reason=refused.reason, retry_safe=True)
        except NoAnswer:
            return PromptAnswer(Outcome.UNKNOWN, code="no_answer")

    def ask(self, provider_id: str) -> PaymentResult:
        """What became of the push ``provider_id`` (CheckoutRequestID). Success comes without a receipt."""
        request = self._signed() | {"CheckoutRequestID": provider_id}
        try:
            answer = self._daraja.ask(QUERY, request)
        except (NotAsked, NoAnswer):
            return PaymentResult(PaymentVerdict.NO_ANSWER, provider_id)
        return read_query(provider_id, answer.fields)

    def _signed(self) -> dict[str, Any]:
        timestamp = eat_timestamp(self._clock())
        return {
            "BusinessShortCode": self._shortcode,
            "Password": password(self._shortcode, self._passkey, timestamp),
            "Timestamp": timestamp,
        }


def read_push(answer: Answer) -> PromptAnswer:
    """Daraja's answer to a push: accepted, a proven refusal, or unknown."""
    said = read_answer(answer, REASONS)
    provider_id = printable(said.fields.get("CheckoutRequestID"))
    request_id = printable(said.fields.get("MerchantRequestID"))
    # Accepted but nameless: nobody can ask about it, only its callback can tell.
    nameless = said.outcome is Outcome.ACCEPTED and not provider_id
    outcome = Outcome.UNKNOWN if nameless else said.outcome
    return PromptAnswer(outcome, provider_id, request_id, said.code, said.reason, said.retry_safe)


def password(shortcode: str, passkey: str, timestamp: str) -> str:
    """Base64 of shortcode, passkey and the same timestamp that goes beside it."""
    return base64.b64encode(f"{shortcode}{passkey}{timestamp}".encode()).decode()


def eat_timestamp(now: datetime) -> str:
    """``yyyyMMddHHmmss`` in East Africa Time."""
    return now.astimezone(EAT).strftime("%Y%m%d%H%M%S")


def account_reference(reference: str) -> str:
    """Up to 12 letters and digits, shown in the prompt and in the payer's SMS."""
    return re.sub(r"[^A-Za-z0-9]", "", reference)[:12] or "Payment"


def transaction_description(description: str) -> str:
    """Up to 13 plain characters; never empty, for Daraja refuses a push without it ("Invalid Remarks")."""
    return re.sub(r"[^A-Za-z0-9 ]", "", description)[:13].strip() or "Payment"
