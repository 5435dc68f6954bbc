"""The books, typed: the only code that touches the ledger's tables, thin over the functions of ``schema.sql``.

Every method works on a DBAPI cursor of the caller's transaction (with a Session:
``session.connection().connection.cursor()``); ``post_alone`` makes a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any, Protocol

import psycopg2
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from gateway.db import Database
from gateway.domain.errors import (
    AccountFrozen,
    AccountNotFound,
    AmountTooLarge,
    AmountTooSmall,
    DayLimitReached,
    KeyReused,
    NotEnoughMoney,
    Refusal,
    TryLater,
)
from gateway.domain.money import Money
from gateway.domain.references import new_reference
from gateway.models import ledger as sql

_REFERENCES_TRIED = 5
_LIMITED = {kind.code: kind for kind in (AmountTooLarge, AmountTooSmall, DayLimitReached)}
_PLAIN = {kind.code: kind for kind in (NotEnoughMoney, AccountFrozen, AccountNotFound)}


class Cursor(Protocol):
    """What the books need of a DBAPI cursor."""

    def execute(self, query: str, parameters: Any = None, /) -> Any: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


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


class Ledger:
    """Posting, balances, freezing and checking. Holds nothing."""

    def open_account(self, cursor: Cursor, code: str, currency: str = "KES") -> int:
        """The account's id; opening an open account finds it. Class and floor follow from the code's first word."""
        cursor.execute(sql.OPEN, (code, currency))
        return int(cursor.fetchone()[0])

    def post(self, cursor: Cursor, entry: Entry, tell: Callable[[str], Sequence[Tell]] | None = None) -> Posted:
        """Post in the caller's transaction; a refusal is remembered under the key and *returned*.

        ``tell`` is given the reference and makes the SMS that go out if it posts now. Raises ``KeyReused``,
        ``BadEntry``, and ``TryLater`` when locks or the server were not to be had: then roll back.
        """
        try:
            return self._post(cursor, entry, tell)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as away:
            raise TryLater from away

    def post_alone(
        self, database: Database, entry: Entry, tell: Callable[[str], Sequence[Tell]] | None = None
    ) -> Posted:
        """Post as a transaction of its own, in one round trip.

        Retried with the same key when a lock was not to be had or the connection died: whether the lost attempt
        committed or not, the key decides. Raises what ``post`` raises.
        """
        try:
            with database.hot() as cursor:
                return self._post(cursor, entry, tell)
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            return self._post_again(database, entry, tell)

    def _post_again(self, database: Database, entry: Entry, tell: Callable[[str], Sequence[Tell]] | None) -> Posted:
        again = Retrying(
            retry=retry_if_exception_type(TryLater),
            stop=stop_after_attempt(4),
            wait=wait_random_exponential(multiplier=0.02, max=0.5),
            reraise=True,
        )
        return again(self._post_once, database, entry, tell)

    def _post_once(self, database: Database, entry: Entry, tell: Callable[[str], Sequence[Tell]] | None) -> Posted:
        with database.hot() as cursor:
            return self.post(cursor, entry, tell)

    def _post(self, cursor: Cursor, entry: Entry, tell: Callable[[str], Sequence[Tell]] | None) -> Posted:
        asked = _hash(entry)
        for _ in range(_REFERENCES_TRIED):
            cursor.execute(*_call(entry, asked, tell))
            transfer_id, reference, replayed, refusal, limit, balance = cursor.fetchone()
            if refusal != "reference_taken":
                break
            entry = entry.under(new_reference())
        else:
            raise TryLater
        currency = entry.currency
        left = None if balance is None else Money(balance, currency)
        return Posted(transfer_id, reference, replayed, _refusal(refusal, limit, currency), left)

    def find(self, cursor: Cursor, scope: str, key: str) -> Found | None:
        """What was decided under a key, if anything was."""
        cursor.execute(sql.FIND, (scope, key))
        row = cursor.fetchone()
        if row is None:
            return None
        transfer_id, kind, reference, refusal, limit, created_at, amounts, currency = row
        legs = tuple(Money(amount, currency) for amount in amounts or ())
        return Found(transfer_id, kind, reference, _refusal(refusal, limit, currency or "KES"), legs, created_at)

    def balance(self, cursor: Cursor, code: str) -> Money:
        """What the account holds; raises ``AccountNotFound``."""
        cursor.execute(sql.BALANCE, (code,))
        row = cursor.fetchone()
        if row is None:
            raise AccountNotFound
        return Money(*row)

    def freeze(self, cursor: Cursor, code: str) -> None:
        """Money can come in, none goes out."""
        cursor.execute(sql.FREEZE, (True, code))

    def unfreeze(self, cursor: Cursor, code: str) -> None:
        cursor.execute(sql.FREEZE, (False, code))

    def movements(self, cursor: Cursor, code: str, before: tuple[int, int] | None, limit: int) -> list[Movement]:
        """The account's legs, newest first; ``before`` is the (transfer id, seq) of the last one already seen."""
        transfer_id, seq = before or (sql.NEWEST, 0)
        cursor.execute(sql.MOVEMENTS, {"code": code, "transfer_id": transfer_id, "seq": seq, "limit": limit})
        return [
            Movement(transfer, at, kind, reference, other, Money(minor, currency), created_at)
            for transfer, at, kind, reference, other, minor, currency, created_at in cursor.fetchall()
        ]

    def check(self, cursor: Cursor) -> dict[str, int]:
        """Every column of ``ledger_check``: all zero while the books are right."""
        cursor.execute(sql.CHECK)
        columns, values = cursor.fetchone()
        return dict(zip(columns, values, strict=True))

    def books(self, cursor: Cursor) -> list[BookRow]:
        """Totals by kind of account: assets on one side equal liabilities and income on the other."""
        cursor.execute(sql.BOOKS)
        return [BookRow(kind, cls, count, Money(total, cur)) for kind, cls, cur, count, total in cursor.fetchall()]

    def checkpoint(self, cursor: Cursor) -> None:
        """Sum append-only accounts up to now; needs an autocommit cursor. Raises ``TryLater`` when writers are busy."""
        try:
            cursor.execute(sql.CHECKPOINT)
        except psycopg2.OperationalError as busy:
            raise TryLater from busy


def _call(entry: Entry, asked: str, tell: Callable[[str], Sequence[Tell]] | None) -> tuple[str, tuple[object, ...]]:
    """The statement and its parameters; the two rare shapes have statements of their own."""
    legs, caps = entry.legs, entry.caps
    currency = entry.currency
    parameters: tuple[object, ...] = (
        entry.scope, entry.key, asked, entry.kind, entry.reference, currency,
        [leg.debit for leg in legs], [leg.credit for leg in legs], [leg.amount.minor for leg in legs],
        [cap.account for cap in caps], [cap.counter for cap in caps], [cap.period for cap in caps],
        [cap.amount for cap in caps], [cap.most for cap in caps],
    )  # fmt: skip
    if tell is not None:
        told = tell(entry.reference)
        words = ([told.number for told in told], [told.kind for told in told], [told.body for told in told])
        parameters += words
    if tell is not None and not entry.opens and entry.reverses is None and entry.refused is None:
        return sql.POST_AND_TELL, parameters
    code, limit = (entry.refused.code, _limit(entry.refused)) if entry.refused else (None, None)
    return sql.POST, (*parameters[:14], list(entry.opens), entry.reverses, code, limit)


def _hash(entry: Entry) -> str:
    """What was asked for, whatever reference, limits or time of day it met on the way."""
    legs = entry.request or [(leg.debit, leg.credit, leg.amount.minor, leg.amount.currency) for leg in entry.legs]
    return blake2b(repr((entry.kind, legs, entry.reverses)).encode(), digest_size=16).hexdigest()


def _limit(refusal: Refusal) -> int | None:
    if isinstance(refusal, AmountTooLarge | DayLimitReached):
        return refusal.most.minor
    return refusal.least.minor if isinstance(refusal, AmountTooSmall) else None


def _refusal(code: str | None, limit: int | None, currency: str) -> Refusal | None:
    """The refusal by its stored code; raises what is no person's doing."""
    if code is None:
        return None
    if code in _LIMITED:
        return _LIMITED[code](Money(limit or 0, currency))
    if code in _PLAIN:
        return _PLAIN[code]()
    if code == KeyReused.code:
        raise KeyReused
    raise AlreadyReversed(code) if code == "already_reversed" else BadEntry(code)
