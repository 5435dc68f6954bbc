"""What drives the simulated PayHero: the persons at their phones, their money, and how everything behaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.domain.clock import Clock
from integrations.payhero.asked import OLDER, V2, Options, Prompt
from integrations.payhero.prompts import Prompts
from integrations.simulation import BadControl, Handler, Reply, Request, json_reply, phone_of, set_options
from integrations.statements import written_line

_CONTRACTS = ("", V2, OLDER)


def of(prompts: Prompts, options: Options, clock: Clock) -> Mapping[tuple[str, str], Handler]:
    """The control calls of one simulator."""
    controls = _Controls(prompts, options, clock)
    return {
        ("GET", "/prompts"): controls.open,
        ("POST", "/accept"): lambda asked: controls.answered(asked, "0" if asked.json.get("pin_ok", True) else "2001"),
        ("POST", "/refuse"): lambda asked: controls.answered(asked, "1032"),
        ("POST", "/ignore"): lambda asked: controls.answered(asked, "1037"),
        ("GET", "/books"): lambda _: json_reply(prompts.books.as_json()),
        ("GET", "/statement"): lambda _: json_reply({"lines": [*map(written_line, prompts.books.statement())]}),
        ("POST", "/balance"): controls.set_balance,
        ("POST", "/settings"): controls.set_options,
    }


class _Controls:
    def __init__(self, prompts: Prompts, options: Options, clock: Clock) -> None:
        self._prompts = prompts
        self._options = options
        self._clock = clock

    def open(self, request: Request) -> Reply:
        wanted = request.query.get("phone")
        phone = phone_of(wanted).e164 if wanted else None
        shown = [self._shown(prompt) for prompt in self._prompts.open(phone)]
        balance = {"balance": self._prompts.books.balance(phone)} if phone else {}
        return json_reply({"prompts": shown} | balance)

    def answered(self, request: Request, code: str) -> Reply:
        prompt = self._prompts.answer(str(request.json.get("id")), code)
        receipt = prompt.receipt.receipt if prompt.receipt else None
        return json_reply({"code": prompt.code, "receipt": receipt})

    def set_balance(self, request: Request) -> Reply:
        phone, balance = phone_of(request.json.get("phone")), request.json.get("balance")
        if type(balance) is not int or balance < 0:
            raise BadControl("balance is not a number of shillings")
        self._prompts.books.balances[phone.e164] = balance
        return json_reply({"phone": phone.e164, "balance": balance})

    def set_options(self, request: Request) -> Reply:
        wanted = dict(request.json)
        contract = wanted.pop("contract", self._options.contract)
        if contract not in _CONTRACTS:
            raise BadControl("contract is v2, older or empty")
        set_options(self._options, wanted)
        self._options.contract = contract
        return json_reply({"ok": True})

    def _shown(self, prompt: Prompt) -> dict[str, Any]:
        age = (self._clock() - prompt.shown_at).total_seconds()
        return {
            "id": prompt.checkout_id,
            "phone": prompt.phone,
            "amount": prompt.amount,
            "reference": prompt.reference,
            "description": "",
            "seconds_left": max(0, round(self._options.prompt_seconds - age)),
        }
