"""SMS through Africa's Talking: the official SDK builds the request, we carry it and read the answer.

The SDK's own transport hides what money messages need: it drops the HTTP status, decodes JSON only under one spelling
of a header, and lets ``requests`` errors through that name the address. Its ``_make_request`` is therefore ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from africastalking.SMS import SMSService

from gateway.domain.phone import Phone
from integrations.africastalking.callbacks import read_cost, read_report
from integrations.http import Answer, Http, NoAnswer, NotSent, Observer, Patience
from integrations.protocols import DeliveryReport, Outcome, SmsReceipt

LIVE_URL = "https://api.africastalking.com"
SANDBOX_URL = "https://api.sandbox.africastalking.com"
SANDBOX_USERNAME = "sandbox"
VERSION = "/version1"
READ_SECONDS = 9.05

#: Status code of a recipient's row -> outcome, our word, and whether sending again can help.
STATUSES = {
    100: (Outcome.ACCEPTED, "", False),
    101: (Outcome.ACCEPTED, "", False),
    102: (Outcome.ACCEPTED, "", False),
    401: (Outcome.REJECTED, "held", False),
    402: (Outcome.REJECTED, "sender_id", False),
    403: (Outcome.REJECTED, "invalid_phone", False),
    404: (Outcome.REJECTED, "invalid_phone", False),
    405: (Outcome.REJECTED, "no_balance", True),
    406: (Outcome.REJECTED, "blacklisted", False),
    407: (Outcome.REJECTED, "no_route", True),
    409: (Outcome.REJECTED, "do_not_disturb", False),
    500: (Outcome.REJECTED, "gateway", True),
    501: (Outcome.REJECTED, "gateway", True),
    502: (Outcome.REJECTED, "gateway", False),
}
#: Whole answers that prove that nothing was sent, by HTTP status.
REFUSALS = {
    400: SmsReceipt(Outcome.REJECTED, code=400, reason="config"),
    401: SmsReceipt(Outcome.REJECTED, code=401, reason="config", retry=True),  # right again once the key is
    403: SmsReceipt(Outcome.REJECTED, code=403, reason="config"),
    404: SmsReceipt(Outcome.REJECTED, code=404, reason="config"),
    405: SmsReceipt(Outcome.REJECTED, code=405, reason="config"),
    429: SmsReceipt(Outcome.REJECTED, code=429, reason="busy", retry=True),
}
NOBODY = SmsReceipt(Outcome.REJECTED, reason="other")
BAD_SENDER = SmsReceipt(Outcome.REJECTED, code=402, reason="sender_id")
BAD_NUMBER = SmsReceipt(Outcome.REJECTED, code=403, reason="invalid_phone")
UNREACHABLE = SmsReceipt(Outcome.REJECTED, reason="busy", retry=True)
SILENCE = SmsReceipt(Outcome.UNKNOWN, reason="no_answer")

#: Stricter than the SDK's check, which lets a trailing newline and any length pass.
_E164 = re.compile(r"\+[1-9][0-9]{7,14}")


class AfricasTalking:
    """One account at Africa's Talking. Safe to share between threads."""

    name = "africastalking"

    def __init__(
        self,
        username: str,
        api_key: str,
        *,
        base_url: str = "",
        sender_id: str = "",
        patience: Patience | None = None,
        observer: Observer | None = None,
    ) -> None:
        """``base_url`` replaces the provider's own host; without it the username decides between sandbox and live."""
        host = base_url.rstrip("/").removesuffix(VERSION) or default_url(username)
        http = Http(self.name, host, patience or Patience(timeout_seconds=READ_SECONDS), observer)
        self._sdk = _Sms(username, api_key, http)
        self._sender_id = sender_id or None

    def send(self, text: str, phones: Sequence[Phone]) -> Mapping[Phone, SmsReceipt]:
        """One request for all ``phones``, never repeated here: the provider has no idempotency key."""
        receipts = {phone: BAD_NUMBER for phone in phones if not _E164.fullmatch(phone.e164)}
        wanted = [phone for phone in dict.fromkeys(phones) if phone not in receipts]
        return receipts | (self._send(text, wanted) if wanted else {})

    def read_report(self, form: Mapping[str, str]) -> DeliveryReport | None:
        return read_report(form)

    def _send(self, text: str, phones: list[Phone]) -> dict[Phone, SmsReceipt]:
        try:
            answer = self._sdk.send(text, [phone.e164 for phone in phones], self._sender_id)
        except NotSent:
            return dict.fromkeys(phones, UNREACHABLE)
        except NoAnswer:
            return dict.fromkeys(phones, SILENCE)
        return read_answer(answer, phones)


class _Sms(SMSService):  # type: ignore[misc]  # the SDK is untyped
    """The SDK's SMS service with its address and its transport replaced."""

    def __init__(self, username: str, api_key: str, http: Http) -> None:
        super().__init__(username, api_key)
        self._http = http
        self._baseUrl = self._contentUrl = http.base_url + VERSION

    def _make_request(
        self,
        url: str,
        method: str,
        headers: Mapping[str, str],
        data: Any,
        params: Any,
        callback: object = None,
        timeout: object = None,
    ) -> Answer:
        path = url.removeprefix(self._http.base_url)
        return self._http.send(method, path, headers=headers, data=data, params=params)


def default_url(username: str) -> str:
    """The SDK's rule: the sandbox is for the user of exactly that name."""
    return SANDBOX_URL if username == SANDBOX_USERNAME else LIVE_URL


def read_answer(answer: Answer, phones: Sequence[Phone]) -> dict[Phone, SmsReceipt]:
    """One receipt per phone. A 2xx proves nothing by itself: only a row with 100, 101 or 102 does."""
    if answer.status in REFUSALS:
        return dict.fromkeys(phones, REFUSALS[answer.status])
    told = answer.fields.get("SMSMessageData")
    data: Mapping[str, Any] = told if isinstance(told, dict) else {}
    rows = data.get("Recipients")
    if not answer.ok or not isinstance(rows, list):
        return dict.fromkeys(phones, SILENCE)
    if not rows:
        return dict.fromkeys(phones, BAD_SENDER if data.get("Message") == "InvalidSenderId" else NOBODY)
    return _match(rows, phones)


def _match(rows: list[Any], phones: Sequence[Phone]) -> dict[Phone, SmsReceipt]:
    found: dict[str, SmsReceipt] = {}
    for row in rows:
        if isinstance(row, dict):
            receipt, digits = _receipt(row), _digits(row.get("number"))
            if digits not in found or receipt.outcome is Outcome.ACCEPTED:
                found[digits] = receipt
    if len(phones) == len(found) == 1:
        return dict.fromkeys(phones, *found.values())
    return {phone: found.get(phone.msisdn, SILENCE) for phone in phones}


def _receipt(row: Mapping[str, Any]) -> SmsReceipt:
    code = _code(row.get("statusCode"))
    outcome, reason, retry = STATUSES.get(code or 0, (Outcome.UNKNOWN, "other", False))
    cost, currency = read_cost(row.get("cost"))
    return SmsReceipt(outcome, _message_id(row.get("messageId")), code, reason, retry, cost, currency)


def _message_id(value: object) -> str | None:
    """The provider writes the word ``None`` for a message it did not take."""
    return value if isinstance(value, str) and re.fullmatch(r"[!-~]{1,128}", value) and value != "None" else None


def _code(value: object) -> int | None:
    written = str(value)
    return int(written) if not isinstance(value, bool) and re.fullmatch(r"[0-9]{1,4}", written) else None


def _digits(value: object) -> str:
    return re.sub(r"[^0-9]", "", value) if isinstance(value, str) else ""
