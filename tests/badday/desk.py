"""The operator: what only a person decides, by the rail's own books and the commands there are for it."""

from __future__ import annotations

from gateway.domain.errors import Refusal
from gateway.domain.phone import Phone
from gateway.parts import Parts
from integrations.mpesa.ledger import Books
from tests.badday.tally import Tally

RAIL = "mpesa"
_SILENT_PAYMENTS = "SELECT reference FROM payments WHERE state IN ('requested', 'prompted', 'unknown') AND needs_review"
_NAMES = """
    SELECT a.own_id FROM payout_attempts a JOIN payouts p ON p.id = a.payout_id WHERE p.reference = %(reference)s
    UNION SELECT undone_receipt FROM payouts WHERE reference = %(reference)s
"""


class Desk:
    """``work`` decides what waits for a person, and counts each kind."""

    def __init__(self, parts: Parts, books: Books, tally: Tally) -> None:
        self._parts = parts
        self._books = books
        self._tally = tally

    def work(self) -> int:
        """How many decisions it took."""
        return self._reconcile() + self._payments() + self._payouts() + self._arrivals()

    def _reconcile(self) -> int:
        """``flask reconcile --apply``"""
        found = self._parts.reconciliation.run(RAIL)
        for one in found:
            effect = self._parts.reconciliation.apply(one.id)
            self._did(f"flask reconcile: {one.kind}, {one.action} -> {effect}")
        return len(found)

    def _payments(self) -> int:
        """``flask payments close``: the rail's books have no money for it."""
        with self._parts.db.reading() as connection:
            silent = [row[0] for row in connection.exec_driver_sql(_SILENT_PAYMENTS)]
        paid = {moved.reference for moved in self._books.receipts}
        for reference in silent:
            if reference not in paid:
                self._parts.payments.close(reference, "the rail has no money of it")
                self._did("flask payments close")
        return len(silent)

    def _payouts(self) -> int:
        """``flask payouts settle``: as the rail's books have it."""
        waiting = self._parts.payouts.to_review()
        for one in waiting:
            receipt = self._paid_by(one.reference)
            try:
                self._parts.payouts.settle(one.reference, paid=bool(receipt), because="the books", receipt=receipt)
                self._did(f"flask payouts settle: {one.state}, {one.reason or 'contradiction'}")
            except Refusal as refused:
                self._did(f"flask payouts settle refused: {one.state}, {type(refused).__name__}")
        return len(waiting)

    def _paid_by(self, reference: str) -> str | None:
        """The receipt of a payout, by any of its attempts, or by what it undid."""
        with self._parts.db.reading() as connection:
            names = {row[0] for row in connection.exec_driver_sql(_NAMES, {"reference": reference})}
        return next((one.receipt for one in self._books.receipts if one.amount < 0 and one.reference in names), None)

    def _arrivals(self) -> int:
        """``flask arrivals assign`` to the member who paid, ``return`` to whoever is none; every other goes back."""
        waiting = self._parts.arrivals.waiting()
        for number, row in enumerate(waiting):
            moved = self._books.find(row.receipt)
            if moved is None:
                self._did("flask arrivals: the rail has no such money")
                continue
            member = self._parts.accounts.by_phone(Phone(moved.phone))
            if member is None or number % 2:
                self._parts.arrivals.give_back(row.receipt, "nobody knows for whom it is")
                self._did("flask arrivals return")
            else:
                self._parts.arrivals.assign(row.receipt, member.number, "the payer says so")
                self._did("flask arrivals assign")
        return len([row for row in waiting if self._books.find(row.receipt)])

    def _did(self, what: str) -> None:
        self._tally.note("operator", what)
