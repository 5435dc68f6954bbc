"""The books, typed: the only code that touches the ledger's tables, thin over the functions of ``schema.sql``.

Every method works on a DBAPI cursor of the caller's transaction (with a Session:
``session.connection().connection.cursor()``); ``post_alone`` makes a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import TypeVar

import psycopg2
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from gateway.db import Database
from gateway.domain.errors import (
    AccountFrozen,
    AccountNotFound,
    AmountTooLarge,
    AmountTooSmall,
    ClaimsLimitReached,
    DayLimitReached,
    KeyReused,
    NotEnoughMoney,
    Refusal,
    TooLate,
    TryLater,
)
from gateway.domain.money import Money
from gateway.domain.references import new_reference
from gateway.models import ledger as sql
from gateway.models.base import Cursor
from gateway.services.ledger_entries import (
    AlreadyReversed,
    BadEntry,
    BookRow,
    Cap,
    Entry,
    Found,
    Leg,
    Movement,
    Posted,
    Tell,
    Telling,
)

__all__ = [
    "AlreadyReversed",
    "BadEntry",
    "BookRow",
    "Cap",
    "Entry",
    "Found",
    "Ledger",
    "Leg",
    "Movement",
    "Posted",
    "Tell",
    "Telling",
    "patiently",
]

T = TypeVar("T")

_REFERENCES_TRIED = 5
_LIMITED = {kind.code: kind for kind in (AmountTooLarge, AmountTooSmall, DayLimitReached)}
_PLAIN = {kind.code: kind for kind in (NotEnoughMoney, AccountFrozen, AccountNotFound, ClaimsLimitReached, TooLate)}


class Ledger:
    """Posting, balances, freezing and checking. Holds nothing."""

    def open_account(self, cursor: Cursor, code: str, currency: str = "KES") -> int:
        """The account's id; opening an open account finds it. Class and floor follow from the code's first word."""
        cursor.execute(sql.OPEN, (code, currency))
        return int(cursor.fetchone()[0])

    def post(self, cursor: Cursor, entry: Entry, tell: Telling | None = None) -> Posted:
        """Post in the caller's transaction; a refusal is remembered under the key and *returned*.

        Raises ``KeyReused``, ``BadEntry``, and ``TryLater`` when locks or the server were not to be had: roll back
        then, and come again with the same key.
        """
        try:
            return self._post(cursor, entry, tell)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as away:
            raise TryLater from away

    def post_alone(self, database: Database, entry: Entry, tell: Telling | None = None) -> Posted:
        """Post as a transaction of its own, in one round trip.

        Retried with the same key when a lock was not to be had or the connection died: whether the lost attempt
        committed or not, the key decides. Raises what ``post`` raises.
        """
        try:
            with database.hot() as cursor:
                return self._post(cursor, entry, tell)
        except TryLater as away:
            if not isinstance(away.__cause__, psycopg2.Error):
                raise
            return self._post_again(database, entry, tell)

    def _post_again(self, database: Database, entry: Entry, tell: Telling | None) -> Posted:
        def once() -> Posted:
            with database.hot() as cursor:
                return self.post(cursor, entry, tell)

        return patiently(once)

    def _post(self, cursor: Cursor, entry: Entry, tell: Telling | None) -> Posted:
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


def patiently(money_call: Callable[[], T]) -> T:
    """Repeat a call that carries an idempotency key while it says ``TryLater``, for about a second."""
    again = Retrying(
        retry=retry_if_exception_type(TryLater),
        stop=stop_after_attempt(4),
        wait=wait_random_exponential(multiplier=0.02, max=0.5),
        reraise=True,
    )
    return again(money_call)


def _call(entry: Entry, asked: str, tell: Telling | None) -> tuple[str, tuple[object, ...]]:
    """The statement and its parameters; who is told of a reversal or a refusal is told by its caller."""
    legs, caps = entry.legs, entry.caps
    currency = entry.currency
    parameters: tuple[object, ...] = (
        entry.scope, entry.key, asked, entry.kind, entry.reference, currency,
        [leg.debit for leg in legs], [leg.credit for leg in legs], [leg.amount.minor for leg in legs],
        [cap.account for cap in caps], [cap.counter for cap in caps], [cap.period for cap in caps],
        [cap.amount for cap in caps], [cap.most for cap in caps],
    )  # fmt: skip
    if tell is not None and entry.reverses is None and entry.refused is None:
        told = tell.messages(entry.reference)
        words = ([one.number for one in told], [one.kind for one in told], [one.body for one in told])
        return sql.POST_AND_TELL, (*parameters, list(entry.opens), *words, tell.at)
    code, limit = (entry.refused.code, _limit(entry.refused)) if entry.refused else (None, None)
    return sql.POST, (*parameters, list(entry.opens), entry.reverses, code, limit)


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
