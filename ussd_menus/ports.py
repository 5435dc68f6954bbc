"""Everything a menu may ask of the world. The refusals it may hear are ``gateway.domain.errors``.

A ``World`` is made for one hop: it knows the calling phone, which the session does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from ussd_menus.session import Caller, Session


@dataclass(frozen=True, slots=True)
class Notice:
    """The last payment that is not yet certain, or just became so: the first line of home.

    ``text`` is a catalogue name (``home.paid``, ``home.not_paid``, ``home.checking``, ``home.short``,
    ``home.withdrawing``, ...).
    ``reference`` names it for the caller's next choice.
    """

    text: str
    amount: Money
    reference: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known of somebody who dials. ``unfinished`` is what they were doing when a call dropped."""

    caller: Caller | None
    notice: Notice | None = None
    unfinished: Session | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A new account. ``balance`` is what was waiting for this number."""

    caller: Caller
    balance: Money


@dataclass(frozen=True, slots=True)
class Payee:
    """Who would be paid: ``shown`` is masked, ``sealed`` is opaque and fit for a session."""

    shown: str
    sealed: str
    registered: bool


@dataclass(frozen=True, slots=True)
class Quote:
    """What a transfer would cost. ``ticket`` is opaque and holds all that ``send`` needs."""

    amount: Money
    fee: Money
    ticket: str


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What taking money out would cost, and the masked number it goes ``to``."""

    amount: Money
    fee: Money
    to: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Money that has moved."""

    reference: str
    balance: Money


@dataclass(frozen=True, slots=True)
class Line:
    """One movement, newest first. ``kind`` is a word of the catalogue (``kind.<kind>``)."""

    kind: str
    counterpart: str
    amount: Money
    at: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    balance: Money
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Offer:
    """A package of credits that can be bought."""

    package: str
    credits: Money
    price: Money


@dataclass(frozen=True, slots=True)
class Checked:
    """Who has a number, as far as a stranger may know it. ``name`` is masked, ``""`` when nobody has it."""

    name: str
    since: datetime | None
    verified: bool
    balance: Money


class World(Protocol):
    """The desk behind the screens. Every method may raise a ``Refusal``; ``TryLater`` when something is away."""

    shortcode: str

    def arrive(self) -> Arrival:
        """Who is calling, what is uncertain, what was left unfinished."""

    def is_calling_number(self, phone: Phone) -> bool: ...

    def send_code(self, phone: Phone, language: str) -> str:
        """Send a one-time code; the answer is the number, sealed, for the next screens."""

    def check_code(self, sealed_phone: str, code: str) -> None: ...

    def holder(self, sealed_phone: str) -> Caller | None:
        """The account of a number whose code was just proved, or of the calling number (``""``)."""

    def weigh_pin(self, pin: str, sealed_phone: str) -> str:
        """Refuse a weak PIN; the answer is a keyed digest by which the repetition is compared."""

    def create_account(self, name: str, pin: str, language: str, sealed_phone: str) -> Opened: ...

    def check_pin(self, caller: Caller, pin: str) -> None: ...

    def change_pin(self, caller: Caller, pin: str) -> None:
        """Set a new PIN for a caller who has just proved the old one."""

    def set_language(self, caller: Caller, language: str) -> None: ...

    def freeze(self, caller: Caller) -> None: ...

    def unfreeze(self, caller: Caller, pin: str) -> None: ...

    def invite(self, caller: Caller, phone: Phone) -> None: ...

    def payee(self, caller: Caller, phone: Phone) -> Payee: ...

    def quote(self, caller: Caller, payee: str, amount: Money) -> Quote: ...

    def send(self, caller: Caller, pin: str, ticket: str, key: str) -> Receipt: ...

    def deposit(self, caller: Caller, amount: Money, key: str) -> str:
        """Ask M-Pesa for money soon after the call has ended; the answer is the reference."""

    def check_deposits(self) -> None:
        """Refuse before an amount is typed when nobody can be asked to pay now."""

    def check_withdrawals(self) -> None:
        """Refuse before an amount is typed when nothing can be paid out now."""

    def quote_withdrawal(self, caller: Caller, amount: Money) -> Withdrawal: ...

    def withdraw(self, caller: Caller, pin: str, amount: Money, key: str) -> str:
        """Have money paid to the account's own phone; the answer is the reference."""

    def add_waiting(self, caller: Caller, reference: str) -> None:
        """Take money into the wallet that came in short of what was asked."""

    def statement(self, caller: Caller, most: int) -> Statement: ...

    def text_statement(self, caller: Caller) -> None: ...

    def credits(self, caller: Caller) -> Money: ...

    def offers(self) -> Sequence[Offer]:
        """What can be bought; refuses when nobody can pay for it now."""

    def buy_credits(self, caller: Caller, package: str, key: str) -> str:
        """Send a link to a payment page by SMS; the answer is the reference."""

    def seal_number(self, phone: Phone) -> str:
        """A number as the next screens may keep it."""

    def check_number(self, caller: Caller, pin: str, sealed_phone: str, key: str) -> Checked:
        """Who has a number, for one credit; that nobody has it costs nothing."""
