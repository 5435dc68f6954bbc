"""Money that comes to our paybill unasked (C2B): where Daraja reports it, and its question before it takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway.domain.phone import Phone
from integrations.http import NoAnswer, decode
from integrations.mpesa.answers import Said, read_answer
from integrations.mpesa.daraja import NAME, Daraja, NotAsked
from integrations.mpesa.fields import moment, money, phone
from integrations.protocols import Addresses, ArrivalNotice, Outcome, Refusal
from integrations.reading import printable

REGISTER = {"v1": "/mpesa/c2b/v1/registerurl", "v2": "/mpesa/c2b/v2/registerurl"}
#: What Daraja does with a payment when nobody answers its question: take it.
TAKE_UNASKED = "Completed"

#: Our addresses: money that came, and the question whether it may.
PAYBILL, PAYBILL_CHECK = "paybill", "paybill-check"

#: Daraja's codes for a refusal.
REFUSALS = {
    "bad_phone": "C2B00011",
    "unknown_account": "C2B00012",
    "bad_amount": "C2B00013",
    "bad_person": "C2B00014",
    "bad_shortcode": "C2B00015",
    "other": "C2B00016",
}

ALREADY_SAID = ("already registered", "duplicate notification info")
ALREADY = (
    "Urls are already registered. Nothing was changed. To change them, delete them in the portal first "
    "(Self Services, URL Management)."
)

_MOST_TYPED = 40
_HASH = re.compile(r"[0-9a-fA-F]{64}")
_MASKED = re.compile(r"[0-9* ]{4,32}")


def read_paybill(body: bytes) -> ArrivalNotice | None:
    """A payment that came or is about to, ``None`` for what is none. Never raises.

    Without a receipt or an amount there is no payment; all else may be missing.
    """
    decoded = decode(body)
    told: dict[str, Any] = decoded if isinstance(decoded, dict) else {}
    receipt, amount = printable(told.get("TransID")), money(told.get("TransAmount"))
    if receipt is None or amount is None or amount.minor == 0:
        return None
    payer, payer_told = _payer(told.get("MSISDN"))
    occurred_at = moment(told.get("TransTime"))
    return ArrivalNotice(receipt, amount, _typed(told.get("BillRefNumber")), payer, payer_told, occurred_at)


def paybill_answer(code: str | None) -> dict[str, object]:
    """The answer to the question: take the payment, or refuse it with one of Daraja's codes."""
    return {"ResultCode": code or "0", "ResultDesc": "Rejected" if code else "Accepted"}


class PaybillCheck:
    """Daraja's question before a payment; it waits about eight seconds."""

    name = PAYBILL_CHECK

    def read(self, body: bytes) -> ArrivalNotice | None:
        return read_paybill(body)

    def answer(self, refusal: Refusal | None) -> Mapping[str, object]:
        return paybill_answer(REFUSALS.get(refusal, REFUSALS["other"]) if refusal else None)


class Paybill:
    """Tells Daraja where to report payments to our shortcode."""

    name = NAME

    def __init__(self, daraja: Daraja, *, shortcode: str, version: str) -> None:
        self._daraja = daraja
        self._shortcode = shortcode
        self._path = REGISTER[version]

    def register(self, addresses: Addresses) -> tuple[Outcome, str]:
        """In production this works once. Registering changes no money, but it is not repeated by itself."""
        request = {
            "ShortCode": self._shortcode,
            "ResponseType": TAKE_UNASKED,
            "ConfirmationURL": addresses(PAYBILL),
            "ValidationURL": addresses(PAYBILL_CHECK),
        }
        try:
            return _told(read_answer(self._daraja.send(self._path, request), {}))
        except NotAsked as refused:
            return Outcome.REJECTED, f"Not registered: Daraja was not asked ({refused.code})."
        except NoAnswer:
            return Outcome.UNKNOWN, "Daraja did not answer. It is safe to register again."


def _told(said: Said) -> tuple[Outcome, str]:
    if any(part in said.message for part in ALREADY_SAID):
        return Outcome.REJECTED, ALREADY
    sentences = {
        Outcome.ACCEPTED: "The addresses are registered.",
        Outcome.REJECTED: f"Not registered: Daraja refused ({said.code}).",
        Outcome.UNKNOWN: f"Daraja gave no clear answer ({said.code}). It is safe to register again.",
    }
    return said.outcome, sentences[said.outcome]


def _payer(told: object) -> tuple[Phone | None, str]:
    """The number in clear, or what was told in its place: its SHA-256, or its visible digits."""
    clear = phone(told)
    if clear:
        return clear, ""
    written = printable(told) or ""
    if _HASH.fullmatch(written):
        return None, written.lower()
    return None, written if _MASKED.fullmatch(written) else ""


def _typed(value: object) -> str:
    """What the payer typed, without what could break a line; digits may come as a number."""
    written = value if isinstance(value, str) else printable(value) or ""
    return "".join(filter(str.isprintable, written)).strip()[:_MOST_TYPED]
