"""Money out by Flutterwave: transfers to M-Pesa, and what our balance there is.

A transfer's ``reference`` is unique at Flutterwave, but nothing says what a second one under it meets while the first
is still on its way: so a transfer is not repeatable here. It goes out once and is asked about.
"""

from __future__ import annotations

from typing import Any

import structlog

from gateway.domain.clock import Clock, utc_now
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.flutterwave.callbacks import TRANSFER_REASONS, transfer
from integrations.http import Answer, Bearer, Http, NoAnswer, NotSent
from integrations.protocols import Addresses, BalanceResult, Outcome, PaymentVerdict, PayoutAnswer, PayoutResult
from integrations.reading import identifier, in_major_units, major, within

_log = structlog.get_logger(__name__)

TRANSFERS = "/v3/transfers"
BALANCE = "/v3/balances/KES"

#: Where a transfer's webhook comes when it does come to its own address.
OUT = "flutterwave-out"
M_PESA = "MPS"
#: Asked for by Flutterwave; who is paid is known to us by phone only.
BENEFICIARY = "Mlango customer"
SENDER = "Mlango"

_ALREADY = ("already", "duplicate", "exists")


class Transfers:
    """The purse of one merchant. Safe to share between threads."""

    name = "flutterwave"
    repeatable = False

    def __init__(self, http: Http, secret_key: str, clock: Clock = utc_now) -> None:
        self._http = http
        self._auth = Bearer(secret_key)
        self._clock = clock

    def pay(self, *, own_id: str, phone: Phone, amount: Money, remarks: str, addresses: Addresses) -> PayoutAnswer:
        """Pay shillings to an M-Pesa number, once."""
        request = {
            "account_bank": M_PESA,
            "account_number": phone.msisdn,
            "amount": in_major_units(amount),
            "currency": amount.currency,
            "debit_currency": amount.currency,
            "narration": remarks[:100],
            "reference": own_id,
            "callback_url": addresses(OUT),
            "beneficiary_name": BENEFICIARY,
            # A withdrawal is somebody's own money: who sends it is who gets it, through us.
            "meta": {"sender": SENDER, "sender_country": "KE", "mobile_number": phone.msisdn},
        }
        answer = send_once(self._http, self._auth, TRANSFERS, request)
        return read_sent(answer) if isinstance(answer, Answer) else answer

    def ask_payout(self, *, own_id: str, provider_id: str | None, addresses: Addresses) -> PayoutResult:
        """By Flutterwave's id; without it by our reference, which must be in the answer word for word."""
        number = identifier(provider_id)
        path, query = (f"{TRANSFERS}/{number}", {}) if number else (TRANSFERS, {"reference": own_id})
        silence = PayoutResult(PaymentVerdict.NO_ANSWER, own_id, provider_id)
        try:
            answer = self._http.ask("GET", path, params=query, auth=self._auth)
        except (NotSent, NoAnswer):
            return silence
        told = _with_reference(answer.fields.get("data"), own_id) if answer.ok else None
        return transfer(told) if told else silence

    def ask_balance(self, *, addresses: Addresses) -> BalanceResult | Outcome:
        """What is available in shillings."""
        try:
            answer = self._http.ask("GET", BALANCE, auth=self._auth)
        except (NotSent, NoAnswer):
            return Outcome.UNKNOWN
        told = within(answer.fields, "data")
        held = major(told.get("available_balance"), told.get("currency"))
        return BalanceResult({"available": held}, "success", self._clock()) if answer.ok and held else Outcome.REJECTED

    def is_up(self) -> bool:
        """Whether it answers something that changes nothing."""
        try:
            return self._http.ask("GET", BALANCE, auth=self._auth).status < 500
        except (NotSent, NoAnswer):
            return False


def send_once(http: Http, auth: Bearer, path: str, request: dict[str, Any]) -> Answer | PayoutAnswer:
    """Flutterwave's answer, or ours for there being none."""
    try:
        return http.send("POST", path, json=request, auth=auth)
    except NotSent:
        return PayoutAnswer(Outcome.REJECTED, code="not_sent", reason="busy", retry_safe=True)
    except NoAnswer:
        return PayoutAnswer(Outcome.UNKNOWN, code="no_answer")


def read_sent(answer: Answer) -> PayoutAnswer:
    """The answer to a transfer: queued is not paid, and only 4xx is a no."""
    told = within(answer.fields, "data")
    number = identifier(told.get("id"))
    if answer.ok and answer.fields.get("status") == "success" and number:
        result = transfer(told)
        at_once = result if result.verdict is PaymentVerdict.FAILED else None
        return PayoutAnswer(Outcome.ACCEPTED, number, result.code, result=at_once)
    return refusal(answer)


def refusal(answer: Answer) -> PayoutAnswer:
    """An answer that is no yes: only 4xx is a no, and of these not "we have that already"."""
    code, said = str(answer.status), str(answer.fields.get("message")).lower()
    if answer.status == 429:
        return PayoutAnswer(Outcome.REJECTED, code=code, reason="busy", retry_safe=True)
    if not 400 <= answer.status < 500:
        return PayoutAnswer(Outcome.UNKNOWN, code=code)
    if any(word in said for word in _ALREADY):
        return PayoutAnswer(Outcome.UNKNOWN, code=code, duplicate=True)
    if answer.status == 401:
        _log.error("rail.credentials", rail=Transfers.name, status=answer.status)
    reason = next((reason for part, reason in TRANSFER_REASONS.items() if part in said), "config")
    return PayoutAnswer(Outcome.REJECTED, code=code, reason=reason, retry_safe=True)


def _with_reference(told: object, own_id: str) -> dict[str, Any] | None:
    """The transfer of our reference: the answer is one, or a list that may hold others too."""
    listed = told if isinstance(told, list) else [told]
    return next((one for one in listed if isinstance(one, dict) and one.get("reference") == own_id), None)
