"""What drives the phones of a simulated rail that prompts them: who is asked, what they answer, what they hold.

Every such stand-in has these controls under the same names, so that one handset answers all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from gateway.domain.clock import Clock
from integrations.protocols import StatementLine
from integrations.simulation import BadControl, Handler, Reply, Request, json_reply, phone_of
from integrations.statements import written_line


class Receipt(Protocol):
    @property
    def receipt(self) -> str: ...


class Prompt(Protocol):
    """One request on a phone. ``code`` is its result once there is one."""

    @property
    def checkout_id(self) -> str: ...
    @property
    def phone(self) -> str: ...
    @property
    def amount(self) -> int: ...
    @property
    def reference(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def shown_at(self) -> datetime: ...
    @property
    def code(self) -> str | None: ...
    @property
    def receipt(self) -> Receipt | None: ...


class Books(Protocol):
    """What everybody holds, in whole shillings, and what moved."""

    balances: dict[str, int]

    def balance(self, phone: str) -> int: ...
    def as_json(self) -> dict[str, Any]: ...
    def statement(self) -> list[StatementLine]: ...


class Prompts(Protocol):
    @property
    def books(self) -> Books: ...
    def open(self, phone: str | None = None) -> Sequence[Prompt]: ...
    def answer(self, checkout_id: str, code: str) -> Prompt: ...


class Phones:
    """``controls`` are the control calls; ``prompt_seconds`` says how long a prompt waits."""

    def __init__(self, prompts: Prompts, prompt_seconds: Callable[[], float], clock: Clock) -> None:
        self._prompts = prompts
        self._prompt_seconds = prompt_seconds
        self._clock = clock
        self.controls: Mapping[tuple[str, str], Handler] = {
            ("GET", "/prompts"): self._open,
            ("POST", "/accept"): self._accept,
            ("POST", "/refuse"): lambda request: self._answered(request, "1032"),
            ("POST", "/ignore"): lambda request: self._answered(request, "1037"),
            ("GET", "/books"): lambda _: json_reply(prompts.books.as_json()),
            ("GET", "/statement"): lambda _: json_reply({"lines": [*map(written_line, prompts.books.statement())]}),
            ("POST", "/balance"): self._set_balance,
        }

    def _open(self, request: Request) -> Reply:
        wanted = request.query.get("phone")
        phone = phone_of(wanted).e164 if wanted else None
        shown = [self._shown(prompt) for prompt in self._prompts.open(phone)]
        balance = {"balance": self._prompts.books.balance(phone)} if phone else {}
        return json_reply({"prompts": shown} | balance)

    def _shown(self, prompt: Prompt) -> dict[str, Any]:
        age = (self._clock() - prompt.shown_at).total_seconds()
        return {
            "id": prompt.checkout_id,
            "phone": prompt.phone,
            "amount": prompt.amount,
            "reference": prompt.reference,
            "description": prompt.description,
            "seconds_left": max(0, round(self._prompt_seconds() - age)),
        }

    def _accept(self, request: Request) -> Reply:
        return self._answered(request, "0" if request.json.get("pin_ok", True) else "2001")

    def _answered(self, request: Request, code: str) -> Reply:
        prompt = self._prompts.answer(str(request.json.get("id")), code)
        return json_reply({"code": prompt.code, "receipt": prompt.receipt.receipt if prompt.receipt else None})

    def _set_balance(self, request: Request) -> Reply:
        phone, balance = phone_of(request.json.get("phone")), request.json.get("balance")
        if type(balance) is not int or balance < 0:
            raise BadControl("balance is not a number of shillings")
        self._prompts.books.balances[phone.e164] = balance
        return json_reply({"phone": phone.e164, "balance": balance})
