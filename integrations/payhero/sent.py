"""The simulated PayHero's withdrawals: taken from our wallet at once, paid or given back a little later, and told."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from integrations.payhero.asked import Withdrawal
from integrations.payhero.bodies import withdrawal_body
from integrations.payhero.ledger import new_number
from integrations.payhero.magic import fate_of
from integrations.payhero.prompts import Prompts
from integrations.simulation import post


class NoFloat(Exception):
    """Our wallet holds less than this."""


@dataclass(slots=True)
class Withdrawals:
    """All withdrawals of one simulator, over the books of its prompts.

    PayHero promises nothing about a reference that comes twice: here it is paid twice.
    """

    prompts: Prompts
    _all: list[Withdrawal] = field(default_factory=list)

    def send(self, phone: str, fields: dict[str, Any]) -> Withdrawal:
        """Take it, and plan what becomes of it; raises ``NoFloat``."""
        prompts = self.prompts
        with prompts.lock:
            if self._free() < int(fields["amount"]):
                raise NoFloat
            sent = self._new(phone, fields)
            self._all.append(sent)
        if sent.fate.callback == "early":
            self._settle(sent)
        else:
            prompts.later.do(prompts.options.payout_seconds, lambda: self._settle(sent))
        return sent

    def all(self) -> list[Withdrawal]:
        """Every withdrawal, oldest first."""
        with self.prompts.lock:
            return list(self._all)

    def find(self, payhero_reference: str) -> Withdrawal | None:
        return next((sent for sent in self.all() if sent.payhero_reference == payhero_reference), None)

    def _free(self) -> int:
        """What is not promised to withdrawals under way."""
        return self.prompts.books.wallet - sum(sent.amount for sent in self._all if sent.code is None)

    def _settle(self, sent: Withdrawal) -> None:
        prompts = self.prompts
        with prompts.lock:
            if sent.fate.code == "0":
                sent.receipt = prompts.books.pay_out(sent.phone, sent.amount, sent.reference, prompts.clock())
            sent.code = "0" if sent.receipt else sent.fate.code
        for _ in range({"lost": 0, "twice": 2}.get(sent.fate.callback, 1)):
            post(sent.callback_url, json=withdrawal_body(sent))

    def _new(self, phone: str, fields: dict[str, Any]) -> Withdrawal:
        return Withdrawal(
            payhero_reference=new_number(),
            checkout_id=f"AG_{secrets.token_hex(10)}",
            phone=phone,
            amount=int(fields["amount"]),
            reference=str(fields["external_reference"]),
            callback_url=str(fields.get("callback_url") or ""),
            sent_at=self.prompts.clock(),
            fate=fate_of(phone),
        )
