"""The person at the desk: decides from the rail's own books what no rule may decide, with the calls of the commands."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from gateway.domain.errors import InvalidPhone, Refusal
from gateway.domain.phone import parse_phone
from gateway.parts import Parts

_SEEN = "the rail's own books"
#: More often than that nothing is left that a statement could tell.
_ROUNDS = 3


class Person:
    """``done`` counts what had to be decided, ``about`` are the references."""

    def __init__(self, parts: Parts, rail: str) -> None:
        self._parts = parts
        self._rail = rail
        self.done: Counter[str] = Counter()
        self.about: list[str] = []

    def decides(self) -> None:
        """``reconcile --apply``, then what stays open: ``payments close``, ``payouts settle``, ``arrivals assign``."""
        for _ in range(_ROUNDS):
            if not self._reconciles():
                break
        self._closes_payments()
        self._settles_payouts()
        self._assigns_arrivals()

    def _reconciles(self) -> int:
        applied = 0
        for difference in self._parts.reconciliation.run(self._rail):
            effect = self._parts.reconciliation.apply(difference.id)
            if effect is not None:
                applied += 1
                self._did(f"reconcile: {difference.action}", difference.subject)
        return applied

    def _closes_payments(self) -> None:
        for (reference,) in self._rows(
            "SELECT reference FROM payments WHERE needs_review AND state IN ('requested', 'prompted', 'unknown')"
        ):
            self._parts.payments.close(reference, _SEEN)
            self._did("payments close", reference)

    def _settles_payouts(self) -> None:
        for reference, receipt in self._rows(
            "SELECT reference, receipt FROM payouts WHERE needs_review AND state IN ('held', 'submitted', 'unknown')"
        ):
            self._parts.payouts.settle(reference, paid=receipt is not None, because=_SEEN, receipt=receipt)
            self._did("payouts settle", reference)

    def _assigns_arrivals(self) -> None:
        """What waits in suspense: to the account that was typed, which the rail's books know when we were not told."""
        waiting = self._parts.arrivals.waiting()
        typed = self._typed() if waiting else {}
        for one in waiting:
            try:
                account = self._account(typed.get(one.receipt, one.typed).strip().upper())
                self._parts.arrivals.assign(one.receipt, account, _SEEN, rail=one.rail)
            except Refusal:
                continue  # nobody's account: it stays where it is
            self._did("arrivals assign", one.receipt)

    def _account(self, typed: str) -> str:
        """An account's number, also when its owner's phone was typed, who may have joined since."""
        try:
            member = self._parts.accounts.by_phone(parse_phone(typed))
        except InvalidPhone:
            return typed
        return member.number if member else typed

    def _typed(self) -> dict[str, str]:
        books, now = self._parts.providers.rails[self._rail].keeps_statement, self._parts.clock()
        lines = books.statement(now - timedelta(days=3), now) if books else None
        return {line.receipt: line.reference for line in lines or ()}

    def _did(self, what: str, about: str) -> None:
        self.done[what] += 1
        self.about.append(about)

    def _rows(self, sql: str) -> list[Any]:
        with self._parts.db.reading() as connection:
            return list(connection.exec_driver_sql(sql).all())
