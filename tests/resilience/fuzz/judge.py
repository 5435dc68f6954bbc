"""What must hold whatever was posted: the rails' own books are the truth, and ours say no more and no less."""

from __future__ import annotations

from collections import defaultdict

from gateway.services.ledger_entries import at_rail
from integrations.protocols import PaymentVerdict
from tests.resilience.fuzz.street import Row, Street

PAID_STATES = ("confirmed", "refunded", "paid")
LOST_STATES = ("failed", "expired", "returned")
GOOD_NEWS = (
    "_confirmed",
    "_confirmed_no_receipt",
    "withdraw_paid",
    "withdraw_paid_no_receipt",
    "refunded",
    "refunded_whole",
)
BAD_NEWS = (
    "_cancelled",
    "_no_money",
    "_failed",
    "_timeout",
    "withdraw_returned",
    "withdraw_limit",
    "withdraw_not_registered",
)


class Judge:
    """``leaky`` are rows at whose own address a failure may have been forged."""

    def __init__(self, street: Street, leaky: set[str]) -> None:
        self._street = street
        self._leaky = leaky
        self._before: dict[str, str] = {}
        self.looks_around()

    def looks_around(self) -> None:
        """Rows that are new were decided, if they are, before anybody lied."""
        self._before = {row.reference: row.state for row in self._street.money()} | self._before

    def nothing_is_decided_but_by_the_rail(self) -> None:
        rows = self._street.money()
        says = {row.reference: self._street.says(row) for row in rows}
        false = [
            (row.what, row.rail, row.reference, row.state, str(says[row.reference]))
            for row in rows
            if row.state != self._before.get(row.reference) and not self._agrees(row, says[row.reference])
        ]
        assert false == [], "decided against the rail"
        self._no_arrival_without_money()
        self._nobody_is_told_a_lie(rows, says)
        self._street.books_are_right()

    def everything_agrees(self) -> None:
        """All is told and over: our books and those of the rails are the same, to the cent."""
        street = self._street
        for rail in street.rails:
            moved: dict[str, int] = defaultdict(int, {"KES": 0})
            for line in street.moved(rail):
                moved[line.amount.currency] += line.amount.minor
            ours = {currency: street.total(at_rail("float", rail, currency)) for currency in moved}
            assert ours == dict(moved), rail
        self._suspense_is_what_waits()
        self._wallets_have_what_their_rows_say()

    def _agrees(self, row: Row, said: PaymentVerdict) -> bool:
        if row.state in PAID_STATES:
            return said is PaymentVerdict.PAID
        lost = row.state in LOST_STATES
        return not lost or said is not PaymentVerdict.PAID or row.reference in self._leaky

    def _no_arrival_without_money(self) -> None:
        came = {
            (rail, line.receipt, line.amount.minor) for rail in self._street.rails for line in self._street.moved(rail)
        }
        booked = self._street.rows(
            "SELECT rail, receipt, amount_minor FROM arrivals WHERE state IN ('credited', 'suspended', 'returned')"
        )
        assert [each for each in booked if each not in came] == [], "booked without money"

    def _nobody_is_told_a_lie(self, rows: list[Row], says: dict[str, PaymentVerdict]) -> None:
        lies = []
        states = {row.reference: row.state for row in rows}
        for kind, reference in self._street.rows("SELECT kind, reference FROM messages WHERE reference IS NOT NULL"):
            if reference not in states or self._before.get(reference) in LOST_STATES:
                continue
            paid = says[reference] is PaymentVerdict.PAID
            if kind.endswith(GOOD_NEWS) and not paid:
                lies.append((kind, reference))
            if (
                kind.endswith(BAD_NEWS)
                and reference not in self._leaky
                and (paid or states[reference] not in LOST_STATES)
            ):
                lies.append((kind, reference))
        assert lies == [], "told what the rail has not decided"

    def _suspense_is_what_waits(self) -> None:
        waits = self._street.rows(
            "SELECT (SELECT coalesce(sum(amount_minor), 0) FROM arrivals WHERE state = 'suspended')"
            " + (SELECT coalesce(sum(waiting_minor), 0) FROM payments)"
        )[0][0]
        again = self._street.rows(
            "SELECT coalesce(sum(p.amount_minor), 0) FROM ledger_transfers t JOIN payouts p"
            " ON t.key LIKE p.reference || ':%%' WHERE t.kind = 'payout_again'"
        )[0][0]
        assert -self._street.total("suspense:%") == waits - again
        open_payouts = (
            "SELECT coalesce(sum(amount_minor + fee_minor), 0) FROM payouts WHERE state NOT IN ('paid','returned')"
        )
        assert -self._street.total("clearing:%") == self._street.rows(open_payouts)[0][0]

    def _wallets_have_what_their_rows_say(self) -> None:
        wrong = self._street.rows(
            """
            SELECT a.number, t.credits - t.debits, came.minor + found.minor - went.minor
            FROM accounts a
            JOIN ledger_accounts l ON l.code = 'wallet:' || a.number CROSS JOIN LATERAL ledger_totals(l.id) t
            CROSS JOIN LATERAL (SELECT coalesce(sum(received_minor - waiting_minor), 0) AS minor FROM payments p
                WHERE p.account_id = a.id AND p.state IN ('confirmed', 'refunded') AND purpose = 'deposit') came
            CROSS JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0) AS minor FROM arrivals r
                WHERE r.account_id = a.id AND r.state = 'credited' AND r.payment_id IS NULL) found
            CROSS JOIN LATERAL (SELECT coalesce(sum(amount_minor + fee_minor), 0) AS minor FROM payouts o
                WHERE o.account_id = a.id AND o.state <> 'returned' AND o.held_from = l.code) went
            WHERE t.credits - t.debits <> came.minor + found.minor - went.minor
            """
        )
        assert wrong == []
