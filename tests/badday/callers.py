"""What people do on a bad day, and how they shrug when it does not work."""

from __future__ import annotations

import random
import re
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import orjson

from tests.badday.network import Network, NoConnection
from tests.badday.tally import Tally
from tests.phone import Phone

PIN = "830527"
_REFERENCE = re.compile(r"Ref ([0-9A-Z]{8})")
#: Often, and seldom.
_WAYS = {
    "deposit": 30, "withdraw": 22, "send": 12, "send_to_stranger": 5, "pay_the_bill": 8, "pay_twice": 5,
    "balance": 5, "drop": 5, "redial": 5, "repeat": 4, "add_what_came": 4,
}  # fmt: skip


@dataclass
class Caller:
    """One phone in one hand. ``work`` does one thing, chosen by ``chance``."""

    number: str
    friends: list[str]
    strangers: list[str]
    network: Network
    control: str
    chance: random.Random
    tally: Tally
    _last: Phone | None = None
    _references: list[str] = field(default_factory=list)

    def work(self) -> None:
        way = self.chance.choices(list(_WAYS), list(_WAYS.values()))[0]
        do: Callable[[], object] = getattr(self, f"_{way}")
        try:
            do()
            self.tally.note("done", way.replace("_", " "))
        except NoConnection:
            self.network.wait()
        except AssertionError as wrong:
            self.tally.note("wrong", f"a page: {wrong}")

    def register(self) -> None:
        """Dial until there is an account, and put money into it."""
        for _ in range(5):
            with suppress(NoConnection):
                phone = self._home()
                if "Deposit" in phone.page:
                    self._walk(phone.chooses("Deposit"), "2500")
                    return
            self.network.wait()

    def _home(self) -> Phone:
        phone = self._last = Phone(self.network, self.number).dials()
        if "Start again" in phone.page:
            phone.chooses("Start again")
        if "Welcome to Mlango" in phone.page:
            self._walk(phone, "1", "1", self.chance.choice(["Jane Mwangi", "John Otieno", "Asha Ali"]), PIN, PIN)
            phone = self._last = Phone(self.network, self.number).dials()
        return phone

    def _walk(self, phone: Phone, *answers: str) -> Phone:
        for answer in answers:
            if phone.goes_on:
                phone.types(answer)
        return phone

    def _choose(self, label: str, *answers: str) -> Phone:
        phone = self._home()
        return self._walk(phone.chooses(label), *answers) if f" {label}" in phone.page else phone

    def _shillings(self, most: int = 3_000) -> str:
        return str(self.chance.randint(10, most))

    def _deposit(self) -> None:
        said = self._choose("Deposit", self._shillings()).page
        self._references += _REFERENCE.findall(said)

    def _withdraw(self) -> None:
        self._choose("Withdraw", self._shillings(1_000), PIN)

    def _send(self) -> None:
        self._choose("Send money", self.chance.choice(self.friends), self._shillings(600), PIN)

    def _send_to_stranger(self) -> None:
        self._choose("Send money", self.chance.choice(self.strangers), self._shillings(600), PIN)

    def _balance(self) -> None:
        self._choose("Balance and statement", PIN)

    def _add_what_came(self) -> None:
        self._choose("Add it to my wallet")

    def _drop(self) -> None:
        """The call ends before the PIN."""
        self._choose(self.chance.choice(["Send money", "Withdraw"]), *self.chance.choice([[], ["100"]]))

    def _redial(self) -> None:
        """And goes on with what was dropped, when there is something."""
        phone = self._last = Phone(self.network, self.number).dials()
        if "Continue" in phone.page:
            self._walk(phone, "1", PIN)

    def _repeat(self) -> None:
        """The network delivers a hop twice."""
        if self._last and self._last.session:
            self._last.again()

    def _pay_the_bill(self) -> None:
        """Unasked, by the M-Pesa menu: for oneself, for a friend, or with a text that nobody understands."""
        typed = [self.number, "0" + self.number[4:], self.chance.choice(self.friends), "rent 12", "ML-ZZZZZZ"]
        self._pay(self.chance.choice(typed))

    def _pay_twice(self) -> None:
        """The prompt was answered, or not, and the reference is paid by the M-Pesa menu as well."""
        if self._references:
            self._pay(self.chance.choice(self._references))

    def _pay(self, account: str) -> None:
        form = self.chance.choice(["clear", "masked", "hash"])
        said = {"phone": self.number, "amount": self.chance.randint(10, 2_500), "account": account, "msisdn_form": form}
        kind = {"Content-Type": "application/json"}
        url = f"{self.control}/control/mpesa/paybill"
        urllib.request.urlopen(urllib.request.Request(url, orjson.dumps(said), kind), timeout=20).close()
