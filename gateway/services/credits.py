"""Verification credits: sold by packages, counted in the books as a currency of their own, spent one by one.

A credit buys a look at somebody before money goes there: who has a number, since when, and whether we have verified
them. Credits are bought by a payment page, so the money and the credits are booked when the rail says it was paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from gateway.db import Database
from gateway.domain.errors import (
    AccountNotFound,
    KeyReused,
    NotEnoughCredits,
    NotEnoughMoney,
    Refusal,
    SamePerson,
    TooLate,
    UnknownPackage,
)
from gateway.domain.money import Money
from gateway.domain.names import masked
from gateway.domain.phone import Phone
from gateway.domain.references import new_reference
from gateway.models.accounts import account_by_index, account_by_number
from gateway.services.ledger import Entry, Ledger, Leg
from gateway.services.payments import Payments
from gateway.vault import Vault

_log = structlog.get_logger(__name__)

CHECK_COSTS = Money(1, "credits")
_PRICED_IN = "NGN"
_CHECK = "check_number"
#: How the books say it: who never bought any has no account in them.
_TOO_FEW = (NotEnoughMoney, AccountNotFound)


@dataclass(frozen=True, slots=True)
class Package:
    """What can be bought."""

    id: str
    credits: Money
    price: Money


@dataclass(frozen=True, slots=True)
class Bought:
    """A package that was asked for: the credits come when the payment ``reference`` is made."""

    reference: str
    package: Package


@dataclass(frozen=True, slots=True)
class Spent:
    """Credits that are gone. ``balance`` is what is left."""

    reference: str
    balance: Money
    replayed: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """Who has a number, as far as a stranger may know it; ``shown`` is ``None`` when nobody has."""

    shown: str | None
    since: datetime | None
    verified: bool
    balance: Money


class Credits:
    """Selling, counting and spending."""

    def __init__(
        self, db: Database, ledger: Ledger, vault: Vault, payments: Payments, packages: Mapping[str, tuple[int, int]]
    ) -> None:
        """``packages``: credits and price (whole naira) by package."""
        self._db = db
        self._ledger = ledger
        self._vault = vault
        self._payments = payments
        self._packages = {
            name: Package(name, Money(credits, "credits"), Money.major(price, _PRICED_IN))
            for name, (credits, price) in packages.items()
        }

    def packages(self) -> list[Package]:
        return list(self._packages.values())

    def refuse_if_closed(self) -> None:
        """Raises ``CardsClosed`` when nobody can pay for a package now."""
        self._payments.refuse_if_closed(_PRICED_IN)

    def buy(self, number: str, package: str, key: str) -> Bought:
        """Ask for the price of a package by a payment page, once per ``key``. The price is ours, never the client's.

        Refuses: ``UnknownPackage``, and what ``Payments.request_link`` refuses.
        """
        wanted = self._packages.get(package)
        if wanted is None:
            raise UnknownPackage
        asked = self._payments.request_link(number, wanted.price, key, purpose="credits", package=package)
        return Bought(asked.reference, wanted)

    def balance(self, number: str) -> Money:
        """What the account has; refuses with ``AccountNotFound``."""
        with self._db.transaction() as session:
            if account_by_number(session, number) is None:
                raise AccountNotFound
        return self._counted(number)

    def spend(self, number: str, count: int, key: str, because: str) -> Spent:
        """Take credits, once per ``key``; ``because`` is one word for what they buy.

        Refuses: ``NotEnoughCredits`` (remembered under the key), ``AccountNotFound``, ``KeyReused``.
        """
        self.balance(number)
        return self._spend(number, Money(count, "credits"), key, because, because)

    def check(self, number: str, phone: Phone, key: str) -> Checked:
        """Who has ``phone``, for one credit; that nobody has it costs nothing.

        Refuses: ``SamePerson``, ``NotEnoughCredits``, ``KeyReused``.
        """
        index = self._vault.phone_index(phone)
        with self._db.transaction() as session:
            found = account_by_index(session, index)
        if found is None:
            return Checked(None, None, verified=False, balance=self._counted(number))
        if found.number == number:
            raise SamePerson
        spent = self._spend(number, CHECK_COSTS, key, _CHECK, f"{_CHECK} {index.hex()}")
        return Checked(masked(found.name), found.created_at, found.tier == "verified", spent.balance)

    def give_up(self, number: str, key: str) -> Refusal:
        """Nobody heard what a check said: it is undone, or made sure never to happen. Why nothing was done."""
        never = _entry(number, CHECK_COSTS, key, "given up", TooLate())
        with suppress(KeyReused):  # it did happen, or was refused, meanwhile
            self._ledger.post_alone(self._db, never)
        with self._db.hot() as cursor:
            found = self._ledger.find(cursor, never.scope, key)
        if found is not None and found.refusal is None:
            self._ledger.post_alone(self._db, _back(number, found.amounts[0], key, found.transfer_id)).or_refuse()
        return NotEnoughCredits() if found and isinstance(found.refusal, _TOO_FEW) else TooLate()

    def _spend(self, number: str, amount: Money, key: str, because: str, request: str) -> Spent:
        posted = self._ledger.post_alone(self._db, _entry(number, amount, key, request))
        if isinstance(posted.refusal, _TOO_FEW):
            raise NotEnoughCredits
        posted.or_refuse()
        _log.info("credits.spent", reference=posted.reference, count=amount.minor, because=because)
        return Spent(posted.reference, posted.balance or self._counted(number), posted.replayed)

    def _counted(self, number: str) -> Money:
        try:
            with self._db.hot() as cursor:
                return self._ledger.balance(cursor, _wallet(number))
        except AccountNotFound:
            return Money(0, "credits")


def _wallet(number: str) -> str:
    return f"credits:{number}"


def _entry(number: str, amount: Money, key: str, request: str, refused: Refusal | None = None) -> Entry:
    leg = Leg(_wallet(number), "spent:credits", amount)
    asked = f"{amount.minor} {request}"
    return Entry(f"spend:{number}", key, "credits_spent", new_reference(), (leg,), request=asked, refused=refused)


def _back(number: str, amount: Money, key: str, transfer_id: int) -> Entry:
    leg = Leg("spent:credits", _wallet(number), amount)
    return Entry(f"unspend:{number}", key, "credits_returned", new_reference(), (leg,), reverses=transfer_id)
