"""The simulated PayHero's prompts: shown on a phone, answered by a person, a magic number or the clock."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.clock import Clock, utc_now
from integrations.payhero.asked import OLDER, Options, Prompt
from integrations.payhero.bodies import older_body, v2_body
from integrations.payhero.ledger import Books, new_number
from integrations.payhero.magic import play_of
from integrations.simulation import BadControl, Later, post


@dataclass(slots=True)
class Prompts:
    """All requests of one simulator, its books, and their callbacks. Safe between threads."""

    later: Later
    options: Options
    clock: Clock = utc_now
    books: Books = field(default_factory=Books)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _all: list[Prompt] = field(default_factory=list)
    _open: dict[str, Prompt] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.books.opening_balance = self.options.opening_balance

    def show(self, phone: str, fields: dict[str, Any], contract: str) -> Prompt:
        """Put a prompt on a phone, and plan what happens to it; a phone that has one already is busy (1001)."""
        with self.lock:
            prompt = self._new(phone, fields, contract)
            self._all.append(prompt)
            busy = phone in self._open
            if not busy:
                self._open[phone] = prompt
        if busy:
            self.later.do(0, lambda: self._resolve(prompt, "1001"))
        else:
            self._plan(prompt)
        return prompt

    def find(self, payhero_reference: str) -> Prompt | None:
        return next((prompt for prompt in self.all() if prompt.payhero_reference == payhero_reference), None)

    def all(self) -> list[Prompt]:
        """Every request, oldest first."""
        with self.lock:
            return list(self._all)

    def open(self, phone: str | None = None) -> list[Prompt]:
        """Prompts that wait on phones, newest last."""
        with self.lock:
            return [prompt for prompt in self._open.values() if phone in (None, prompt.phone)]

    def answer(self, checkout_id: str, code: str) -> Prompt:
        """A person answered: ``0`` pays. Raises ``BadControl`` when no such prompt is open."""
        with self.lock:
            prompt = next((prompt for prompt in self._open.values() if prompt.checkout_id == checkout_id), None)
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
        with self.lock:
            if prompt.code is not None:
                return False
            if code == "0":
                amount = max(1, prompt.amount + (prompt.play.extra if prompt.play else 0))
                unique = prompt.transaction_id if prompt.told_by == OLDER else ""
                prompt.receipt = self.books.collect(prompt.phone, amount, prompt.reference, self.clock(), unique)
                code = "0" if prompt.receipt else "1"
            prompt.code = code
            if self._open.get(prompt.phone) is prompt:
                del self._open[prompt.phone]
            return True

    def _call_back(self, prompt: Prompt) -> None:
        times = {"lost": 0, "twice": 2}.get(prompt.play.callback if prompt.play else "once", 1)
        body = older_body(prompt) if prompt.told_by == OLDER else v2_body(prompt)
        for _ in range(times):
            post(prompt.callback_url, json=body)

    def _new(self, phone: str, fields: dict[str, Any], contract: str) -> Prompt:
        now = self.clock()
        return Prompt(
            checkout_id=f"ws_CO_{now:%d%m%Y%H%M%S}{secrets.randbelow(1000):03d}{len(self._all)}{phone[4:]}",
            merchant_id=f"{secrets.randbelow(9000) + 1000}-{secrets.randbelow(90_000_000) + 10_000_000}-1",
            payhero_reference=new_number(),
            transaction_id=f"PH-{secrets.token_hex(6).upper()}",
            contract=contract,
            told_by=self.options.contract or contract,
            phone=phone,
            amount=int(fields["amount"]),
            reference=str(fields.get("external_reference") or ""),
            callback_url=str(fields.get("callback_url") or ""),
            shown_at=now,
            play=play_of(phone),
        )
