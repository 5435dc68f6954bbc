"""What goes into the books and what comes out of them, as values; ``ledger.py`` passes them on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.errors import Refusal
from gateway.domain.money import Money


class BadEntry(ValueError):
    """An entry no person can have asked for: a leg to itself, mixed currencies, reversed twice. A bug in the caller."""


class AlreadyReversed(BadEntry):
    """A transfer is reversed at most once."""


@dataclass(frozen=True, slots=True)
class Leg:
    """``amount`` leaves the account ``debit`` and enters ``credit``."""

    debit: str
    credit: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit the entry counts against: ``amount`` and ``most`` in minor units.

    ``account`` is one of the entry's own. Passing ``most`` refuses with ``<counter>_limit_reached``.
    """

    account: str
    counter: str
    period: str
    amount: int
    most: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One request to move money, in one currency.

    ``scope`` and ``key`` make it happen once. ``request`` says what was asked, where the legs cannot (they name
    accounts made for this attempt); the same key with another request is ``KeyReused``. ``opens`` are accounts that
    live exactly when the entry posts. ``reverses`` is the transfer it undoes. ``refused`` remembers a refusal that
    the caller has already decided on. By convention the first leg is the amount and a second one the fee.
    """

    scope: str
    key: str
    kind: str
    reference: str
    legs: tuple[Leg, ...]
    caps: tuple[Cap, ...] = ()
    request: str = ""
    opens: tuple[str, ...] = ()
    reverses: int | None = None
    refused: Refusal | None = None

    @property
    def currency(self) -> str:
        """Of all its legs; raises ``BadEntry``."""
        currencies = {leg.amount.currency for leg in self.legs}
        if len(currencies) != 1:
            raise BadEntry("an entry has legs, all of one currency")
        return currencies.pop()

    def under(self, reference: str) -> Entry:
        """The same entry by another reference; accounts named after the old one follow."""

        def follow(code: str) -> str:
            kind, colon, name = code.partition(":")
            return f"{kind}:{reference}" if colon and name == self.reference else code

        legs = tuple(Leg(follow(leg.debit), follow(leg.credit), leg.amount) for leg in self.legs)
        return replace(self, reference=reference, legs=legs, opens=tuple(map(follow, self.opens)))


@dataclass(frozen=True, slots=True)
class Tell:
    """One SMS about the entry: to an account's number, of a kind, in clear."""

    number: str
    kind: str
    body: str


@dataclass(frozen=True, slots=True)
class Telling:
    """The SMS that go out if the entry posts now: ``messages`` is given the reference it posts under."""

    messages: Callable[[str], Sequence[Tell]]
    at: datetime


@dataclass(frozen=True, slots=True)
class Posted:
    """What was decided. ``balance`` is the first leg's debit account afterwards (on a replay: now), if it has one."""

    transfer_id: int
    reference: str
    replayed: bool
    refusal: Refusal | None
    balance: Money | None = None

    def or_refuse(self) -> Posted:
        """Itself; raises the remembered refusal."""
        if self.refusal is not None:
            raise self.refusal
        return self


@dataclass(frozen=True, slots=True)
class Found:
    """A decision found under its key, with the amounts of its legs in order (none when it was refused)."""

    transfer_id: int
    kind: str
    reference: str
    refusal: Refusal | None
    amounts: tuple[Money, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Movement:
    """One leg as one account sees it: ``amount`` is negative when it left."""

    transfer_id: int
    seq: int
    kind: str
    reference: str
    other: str
    amount: Money
    created_at: datetime


@dataclass(frozen=True, slots=True)
class BookRow:
    """All accounts of one kind and currency: ``balance`` is debits minus credits for an asset, else the reverse."""

    kind: str
    account_class: str
    accounts: int
    balance: Money


def at_rail(kind: str, rail: str, currency: str = "KES") -> str:
    """The code of a rail's account: ``float:mpesa``, ``suspense:flutterwave-NGN``."""
    return f"{kind}:{rail}" if currency == "KES" else f"{kind}:{rail}-{currency}"
