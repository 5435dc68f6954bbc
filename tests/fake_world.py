"""An honest little world for the menus alone: a few people, whole shillings, no database."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.domain.errors import (
    AccountNotFound,
    AmountTooLarge,
    NotEnoughCredits,
    NotEnoughMoney,
    PinLocked,
    Refusal,
    SamePerson,
    TryLater,
    WeakPin,
    WrongOtp,
    WrongPin,
)
from gateway.domain.money import Money
from gateway.domain.names import masked
from gateway.domain.phone import Phone
from ussd_menus.ports import (
    Arrival,
    Checked,
    Line,
    Notice,
    Offer,
    Opened,
    Payee,
    Quote,
    Receipt,
    Statement,
    Withdrawal,
)
from ussd_menus.session import Caller, Session

CODE = "123456"


@dataclass
class Person:
    caller: Caller
    pin: str
    balance: int
    wrong: int = 0
    credits: int = 0
    verified: bool = False


@dataclass
class Town:
    """Everybody and everything that happened, shared by the worlds of all callers."""

    people: dict[str, Person] = field(default_factory=dict)
    effects: list[tuple[str, ...]] = field(default_factory=list)
    done: dict[str, Receipt] = field(default_factory=dict)
    drafts: dict[str, Session] = field(default_factory=dict)
    promised: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    notice: Notice | None = None
    slow_seconds: float = 0.0
    away: bool = False
    breaks: bool = False
    closed: Refusal | None = None

    def moves_in(self, e164: str, name: str, pin: str = "2580", shillings: int = 0) -> Caller:
        caller = Caller(f"ML-{len(self.people):06d}", name, "en")
        self.people[e164] = Person(caller, pin, shillings)
        return caller

    def world(self, phone: Phone, tag: str) -> World:
        return World(self, phone, tag)

    def promise(self, phone: Phone, session: Session) -> None:
        self.promised.append(str(session.facts.get("key", "")))

    def tell(self, phone: Phone, session: Session, outcome: str) -> None:
        self.told.append(outcome)


class World:
    """See ``ussd_menus.ports.World``. A number is "sealed" by leaving out its middle digits' meaning: nothing is."""

    shortcode = "*384*123#"

    def __init__(self, town: Town, phone: Phone, tag: str) -> None:
        self._town = town
        self._phone = phone
        self._tag = tag

    def arrive(self) -> Arrival:
        self._busy()
        person = self._town.people.get(self._phone.e164)
        return Arrival(person and person.caller, self._town.notice, self._town.drafts.get(self._tag))

    def is_calling_number(self, phone: Phone) -> bool:
        return phone == self._phone

    def send_code(self, phone: Phone, language: str) -> str:
        self._town.effects.append(("code", phone.e164))
        return phone.e164

    def check_code(self, sealed_phone: str, code: str) -> None:
        if code != CODE:
            raise WrongOtp(2)

    def holder(self, sealed_phone: str) -> Caller | None:
        person = self._town.people.get(sealed_phone or self._phone.e164)
        return person and person.caller

    def weigh_pin(self, pin: str, sealed_phone: str) -> str:
        if len(pin) != 4 or not pin.isdigit() or len(set(pin)) == 1:
            raise WeakPin
        return hashlib.sha256(pin.encode()).hexdigest()

    def create_account(self, name: str, pin: str, language: str, sealed_phone: str) -> Opened:
        number = sealed_phone or self._phone.e164
        if number not in self._town.people:
            self._town.moves_in(number, name, pin)
            self._town.effects.append(("account", name))
        return Opened(self._town.people[number].caller, Money(0))

    def check_pin(self, caller: Caller, pin: str) -> None:
        person = self._person(caller)
        if person.wrong >= 3:
            raise PinLocked(datetime.now(UTC), 15)
        if pin != person.pin:
            person.wrong += 1
            raise WrongPin(3 - person.wrong) if person.wrong < 3 else PinLocked(datetime.now(UTC), 15)
        person.wrong = 0

    def change_pin(self, caller: Caller, pin: str) -> None:
        self._person(caller).pin = pin
        self._town.effects.append(("pin", caller.number))

    def set_language(self, caller: Caller, language: str) -> None:
        self._town.effects.append(("language", language))

    def freeze(self, caller: Caller) -> None:
        self._town.effects.append(("freeze", caller.number))

    def unfreeze(self, caller: Caller, pin: str) -> None:
        self.check_pin(caller, pin)
        self._town.effects.append(("unfreeze", caller.number))

    def invite(self, caller: Caller, phone: Phone) -> None:
        self._town.effects.append(("invite", phone.e164))

    def payee(self, caller: Caller, phone: Phone) -> Payee:
        other = self._town.people.get(phone.e164)
        if other is not None and other.caller.number == caller.number:
            raise SamePerson
        return Payee(masked(other.caller.name) if other else phone.masked, phone.e164, other is not None)

    def quote(self, caller: Caller, payee: str, amount: Money) -> Quote:
        if amount > Money.major(70_000):
            raise AmountTooLarge(Money.major(70_000))
        return Quote(amount, Money.major(5), f"{payee}|{amount.minor}")

    def send(self, caller: Caller, pin: str, ticket: str, key: str) -> Receipt:
        self._busy()
        self.check_pin(caller, pin)
        if key in self._town.done:
            return self._town.done[key]
        to, minor = ticket.split("|")
        person = self._person(caller)
        if person.balance * 100 < int(minor) + 500:
            raise NotEnoughMoney
        person.balance -= int(minor) // 100 + 5
        self._town.effects.append(("send", to, minor))
        self._town.done[key] = Receipt(f"REF{len(self._town.done):05d}", Money.major(person.balance))
        return self._town.done[key]

    def deposit(self, caller: Caller, amount: Money, key: str) -> str:
        if key not in self._town.done:
            self._town.effects.append(("deposit", str(amount.minor)))
            self._town.done[key] = Receipt(f"DEP{len(self._town.done):05d}", amount)
        return self._town.done[key].reference

    def check_deposits(self) -> None:
        self._refuse_if_closed()

    def check_withdrawals(self) -> None:
        self._refuse_if_closed()

    def quote_withdrawal(self, caller: Caller, amount: Money) -> Withdrawal:
        self._refuse_if_closed()
        if amount > Money.major(70_000):
            raise AmountTooLarge(Money.major(70_000))
        return Withdrawal(amount, Money.major(15), self._phone.masked)

    def withdraw(self, caller: Caller, pin: str, amount: Money, key: str) -> str:
        self._busy()
        self.check_pin(caller, pin)
        if key not in self._town.done:
            person = self._person(caller)
            if person.balance * 100 < amount.minor + 1500:
                raise NotEnoughMoney
            person.balance -= amount.minor // 100 + 15
            self._town.effects.append(("withdraw", str(amount.minor)))
            self._town.done[key] = Receipt(f"OUT{len(self._town.done):05d}", Money.major(person.balance))
        return self._town.done[key].reference

    def _refuse_if_closed(self) -> None:
        if self._town.closed is not None:
            raise self._town.closed

    def add_waiting(self, caller: Caller, reference: str) -> None:
        self._town.effects.append(("add", reference))

    def statement(self, caller: Caller, most: int) -> Statement:
        lines = [
            Line("send", f"J*** {chr(65 + n)}", Money.major(-100 * n - 1), datetime(2026, 11, 20, tzinfo=UTC))
            for n in range(14)
        ]
        return Statement(Money.major(self._person(caller).balance), lines)

    def text_statement(self, caller: Caller) -> None:
        self._town.effects.append(("statement", caller.number))

    def credits(self, caller: Caller) -> Money:
        return Money(self._person(caller).credits, "credits")

    def offers(self) -> list[Offer]:
        sold = {"ten": (10, 5_000), "more": (25, 12_500), "most": (50, 25_000)}
        return [Offer(name, Money(n, "credits"), Money.major(price, "NGN")) for name, (n, price) in sold.items()]

    def buy_credits(self, caller: Caller, package: str, key: str) -> str:
        if key not in self._town.done:
            self._town.effects.append(("credits", package))
            self._town.done[key] = Receipt(f"BUY{len(self._town.done):05d}", Money(0))
        return self._town.done[key].reference

    def seal_number(self, phone: Phone) -> str:
        return phone.e164

    def check_number(self, caller: Caller, pin: str, sealed_phone: str, key: str) -> Checked:
        self.check_pin(caller, pin)
        person, other = self._person(caller), self._town.people.get(sealed_phone)
        if other is not None and key not in self._town.done:
            if person.credits == 0:
                raise NotEnoughCredits
            person.credits -= 1
            self._town.effects.append(("check", sealed_phone))
            self._town.done[key] = Receipt("CHK", Money(0))
        name = masked(other.caller.name) if other else ""
        verified = other is not None and other.verified
        return Checked(name, datetime(2026, 3, 1, tzinfo=UTC), verified, self.credits(caller))

    def _person(self, caller: Caller) -> Person:
        for person in self._town.people.values():
            if person.caller.number == caller.number:
                return person
        raise AccountNotFound

    def _busy(self) -> None:
        if self._town.away:
            raise TryLater
        if self._town.breaks:
            raise RuntimeError("nobody expected this")
        time.sleep(self._town.slow_seconds)
