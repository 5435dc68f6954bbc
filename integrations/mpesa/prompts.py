"""The simulator's prompts: shown on a phone, answered by a person, a magic number or the clock."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.domain.clock import Clock, utc_now
from integrations.mpesa.fields import EAT
from integrations.mpesa.ledger import Books, Receipt, Refused
from integrations.mpesa.magic import Play
from integrations.mpesa.options import Options
from integrations.simulation import BadControl, Later, post

DESCRIPTIONS = {
    "0": "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "1032": "Request cancelled by user",
    "1037": "DS timeout user cannot be reached",
    "2001": "The initiator information is invalid.",
    "SFC_IC0003": "The operator does not exist.",
}


@dataclass(slots=True)
class Prompt:
    """One push. ``code`` is its result once there is one."""

    checkout_id: str
    merchant_id: str
    phone: str
    amount: int
    reference: str
    description: str
    callback_url: str
    shortcode: str
    shown_at: datetime
    play: Play | None
    code: str | None = None
    receipt: Receipt | None = None
    asked: int = 0


class SubscriberBusy(Exception):
    """Another prompt is open on that phone."""


@dataclass(slots=True)
class Prompts:
    """All pushes of one simulator, its books, and their callbacks. Safe between threads."""

    later: Later
    options: Options
    books: Books
    clock: Clock = utc_now
    on_paid: Callable[[Receipt], object] = lambda _: None
    _all: dict[str, Prompt] = field(default_factory=dict)
    _open: dict[str, Prompt] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def show(self, phone: str, fields: dict[str, Any], play: Play | None = None) -> Prompt:
        """Put a prompt on a phone; raises ``SubscriberBusy``. What happens to it is planned at once."""
        with self._lock:
            if phone in self._open:
                raise SubscriberBusy
            prompt = self._new(phone, fields, play)
            self._all[prompt.checkout_id] = self._open[phone] = prompt
        self._plan(prompt)
        return prompt

    def find(self, checkout_id: str) -> Prompt | None:
        return self._all.get(checkout_id)

    def all(self) -> list[Prompt]:
        """Every prompt there ever was, oldest first."""
        with self._lock:
            return list(self._all.values())

    def open(self, phone: str | None = None) -> list[Prompt]:
        """Prompts that wait on phones, newest last."""
        with self._lock:
            return [prompt for prompt in self._open.values() if phone in (None, prompt.phone)]

    def answer(self, checkout_id: str, code: str) -> Prompt:
        """A person answered: ``0`` pays. Raises ``BadControl`` when no such prompt is open."""
        with self._lock:
            prompt = self._all.get(checkout_id)
            if prompt is None or not self._settle(prompt, code):
                raise BadControl("no such prompt is open")
        self.later.do(0, lambda: self._call_back(prompt))
        return prompt

    def _plan(self, prompt: Prompt) -> None:
        play, options = prompt.play, self.options
        if play and play.callback == "early":
            self._resolve(prompt, play.code or "0")
        elif play and play.code is not None:
            code = play.code
            self.later.do(options.answer_seconds, lambda: self._resolve(prompt, code))
        elif play is None and options.auto_accept:
            self.later.do(options.answer_seconds, lambda: self._resolve(prompt, "0"))
        else:
            self.later.do(options.prompt_seconds, lambda: self._resolve(prompt, "1037"))

    def _resolve(self, prompt: Prompt, code: str) -> None:
        if self._settle(prompt, code):
            self._call_back(prompt)

    def _settle(self, prompt: Prompt, code: str) -> bool:
        """Give a prompt its result once; false when it has one."""
        with self._lock:
            if prompt.code is not None:
                return False
            prompt.code = self._moved(prompt) if code == "0" else code
            self._open.pop(prompt.phone, None)
            return True

    def _moved(self, prompt: Prompt) -> str:
        """Move the money; the code that comes of it."""
        extra = prompt.play.extra if prompt.play else 0
        amount = max(1, prompt.amount + extra)
        new = self.books.draft(prompt.phone, amount, prompt.reference, self.clock(), checkout_id=prompt.checkout_id)
        try:
            prompt.receipt = self.books.pay(new)
        except Refused as refused:
            return refused.code
        self.on_paid(prompt.receipt)
        return "0"

    def _call_back(self, prompt: Prompt) -> None:
        """Single shot, like Daraja: an error answer is not followed by another try."""
        play = prompt.play or Play()
        if play.callback == "late":
            self.later.do(self.options.late_seconds, lambda: self._post(prompt))
            return
        for _ in range(play.tellings):
            self._post(prompt)

    def _post(self, prompt: Prompt) -> None:
        headers = {"Content-Type": "application/json;charset=UTF-8", "Businessshortcode": prompt.shortcode}
        post(prompt.callback_url, json=callback_body(prompt), headers=headers)

    def _new(self, phone: str, fields: dict[str, Any], play: Play | None) -> Prompt:
        now = self.clock()
        return Prompt(
            checkout_id=self._new_id(phone, now),
            merchant_id=f"{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(9)}",
            phone=phone,
            amount=int(fields["Amount"]),
            reference=str(fields["AccountReference"]),
            description=str(fields["TransactionDesc"]),
            callback_url=str(fields["CallBackURL"]),
            shortcode=str(fields["BusinessShortCode"]),
            shown_at=now,
            play=play,
        )

    def _new_id(self, phone: str, now: datetime) -> str:
        """Time, unpadded milliseconds and the payer's digits, as recorded; made unique."""
        start, milliseconds = now.astimezone(EAT).strftime("ws_CO_%d%m%Y%H%M%S"), now.microsecond // 1000
        while (made := f"{start}{milliseconds}{phone[4:]}") in self._all:
            milliseconds += 1
        return made


def code_value(code: str) -> int | str:
    """Callbacks carry numbers, except for codes that are no number."""
    return int(code) if code.isdigit() else code


def callback_body(prompt: Prompt) -> dict[str, Any]:
    """The callback of a settled prompt, as Daraja writes it."""
    code = prompt.code or "0"
    told: dict[str, Any] = {
        "MerchantRequestID": prompt.merchant_id,
        "CheckoutRequestID": prompt.checkout_id,
        "ResultCode": code_value(code),
        "ResultDesc": DESCRIPTIONS[code],
    }
    if prompt.receipt:
        told["CallbackMetadata"] = {
            "Item": [
                {"Name": "Amount", "Value": prompt.receipt.amount},
                {"Name": "MpesaReceiptNumber", "Value": prompt.receipt.receipt},
                {"Name": "Balance"},
                {"Name": "TransactionDate", "Value": int(prompt.receipt.at)},
                {"Name": "PhoneNumber", "Value": int(prompt.phone[1:])},
            ]
        }
    return {"Body": {"stkCallback": told}}
