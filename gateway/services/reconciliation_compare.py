"""Our rows held against a rail's statement: what one has and the other has not. No database, no clock.

A line is found by its receipt, else by whatever of our ids the rail printed. What happened too near the end of the
period is used to explain other things and judged by nobody: it may still be on its way to the other side.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

from gateway.domain.money import Money
from gateway.services.reconciliation_values import Action, Booked, Compared, Finding, Kind, Ours, Period
from integrations.protocols import StatementLine

#: A payout that the rail's statement does not have for so long was not made.
_ABSENT_AFTER = timedelta(hours=24)


def compare(
    ours: Ours,
    lines: Sequence[StatementLine],
    kept: Sequence[StatementLine],
    period: Period,
    *,
    names_payouts: bool,
) -> Compared:
    """``kept`` are lines of earlier statements that are judged again, whatever their time.

    ``names_payouts`` says that the statement prints our ids of payouts, so that absence from it means something.
    """
    one = _Comparison(ours, period)
    one.find_own([*lines, *kept])
    for receipt, group in _by_receipt([*lines, *kept]):
        judged = [line for line in group if period.judges(line.occurred_at) or line in kept]
        one.line_of_receipt(receipt, group, judge=bool(judged))
    one.ours_alone(lines, names_payouts)
    return one.found


def _by_receipt(lines: Sequence[StatementLine]) -> list[tuple[str, list[StatementLine]]]:
    """Done lines, oldest receipt first. The same receipt more than once is one movement, and its charges."""
    done = sorted((line for line in lines if line.done), key=lambda line: (line.receipt, line.occurred_at))
    groups = [(receipt, list(group)) for receipt, group in groupby(done, key=lambda line: line.receipt)]
    return sorted(groups, key=lambda group: (group[1][0].occurred_at, group[0]))


class _Comparison:
    """One run. Lines come in the order of time, so the first payment of a payout is the payout."""

    def __init__(self, ours: Ours, period: Period) -> None:
        self.found = Compared()
        self._ours = ours
        self._period = period
        self._booked = {booked.receipt: booked for booked in ours.booked if booked.receipt}
        self._own: dict[int, str] = {}
        self._told_payments: set[int] = set()
        self._told_payouts: set[int] = set()
        self._strays: set[Money] = set()

    def find_own(self, lines: Sequence[StatementLine]) -> None:
        """Which line is a payment's own, where a query confirmed it without a receipt: the first of the very amount.

        Anybody may have typed its reference beside another amount.
        """
        for line in sorted(lines, key=lambda line: line.occurred_at):
            payment = self._ours.payments.get(line.reference)
            is_free = line.done and line.receipt not in self._booked
            if payment and is_free and payment.receipt is None and payment.received == line.amount:
                self._own.setdefault(payment.id, line.receipt)

    def line_of_receipt(self, receipt: str, group: Sequence[StatementLine], *, judge: bool) -> None:
        booked = self._booked.get(receipt)
        line = max(group, key=lambda each: abs(each.amount.minor))
        if booked is None:
            finding = self._came(line) if line.amount.minor > 0 else self._went(line)
        elif any(each.amount == booked.amount for each in group):
            finding = None
        else:
            theirs = next((each for each in group if _same_way(each.amount, booked.amount)), line)
            finding = Finding(
                Kind.AMOUNT_DIFFERS, receipt, Action.COMPARE, line.occurred_at, booked.amount, theirs.amount,
                booked.payment_id, booked.payout_id,
            )  # fmt: skip
        if finding and judge:
            self.found.findings.append(finding)

    def _came(self, line: StatementLine) -> Finding | None:
        payment = self._ours.payments.get(line.reference)
        if payment is None:
            return _of(line, Kind.MISSING_HERE, Action.BOOK_IN_SUSPENSE)
        own = self._own.get(payment.id, line.receipt) == line.receipt
        first = own and payment.id not in self._told_payments
        if own:
            self._told_payments.add(payment.id)
        # Not as the line names it: the rail's own id of a payment may hold the payer's number.
        about = {"payment_id": payment.id, "named": payment.reference}
        if payment.amount.currency != line.amount.currency:
            return _of(line, Kind.AMOUNT_DIFFERS, Action.COMPARE, **about)
        if first and payment.received is not None and payment.receipt is None:
            if payment.received == line.amount:
                self.found.completions.append((payment.id, line))
                return None
            return _of(line, Kind.AMOUNT_DIFFERS, Action.APPLY_TO_PAYMENT, ours=payment.received, **about)
        kind = Kind.UNKNOWN_PAYMENT if first and payment.is_open else Kind.MISSING_HERE
        return _of(line, kind, Action.APPLY_TO_PAYMENT, **about)

    def _went(self, line: StatementLine) -> Finding | None:
        payout = self._ours.payouts.get(line.reference)
        if payout is None:
            self._strays.add(line.amount)
            return _of(line, Kind.MISSING_HERE, Action.FIND_SENDER)
        first = payout.id not in self._told_payouts
        self._told_payouts.add(payout.id)
        about = {"payout_id": payout.id, "named": line.reference}
        ours = Money(-payout.amount.minor, payout.amount.currency)
        undecided = payout.state != "returned" and payout.receipt is None
        if not (first and undecided):
            return _of(line, Kind.PAID_TWICE, Action.RECOVER, **about)
        if ours != line.amount:
            return _of(line, Kind.AMOUNT_DIFFERS, Action.COMPARE, ours=ours, **about)
        if payout.state == "paid":
            self.found.payout_completions.append((payout.id, line))
            return None
        return _of(line, Kind.UNKNOWN_PAYOUT, Action.PAYOUT_IS_PAID, **about)

    def ours_alone(self, lines: Sequence[StatementLine], names_payouts: bool) -> None:
        """What we have and no line tells of."""
        receipts = {line.receipt for line in lines if line.done}
        printed = {line.reference for line in lines if line.done}
        for booked in self._ours.booked:
            if not self._period.holds(booked.began_at, booked.booked_at):
                continue
            if booked.receipt is None and booked.amount.minor < 0 and not names_payouts:
                continue
            self.found.judged.add(_subject(booked))
            there = booked.receipt in receipts if booked.receipt else not printed.isdisjoint(booked.names)
            if not there:
                self.found.findings.append(_missing_there(booked))
        if names_payouts:
            self._absent({line.reference for line in lines if line.amount.minor < 0})

    def _absent(self, printed: set[str]) -> None:
        """A day later a statement that prints our ids has none of a payout's: it was not made.

        Unless something of its very amount left that names nobody: then it may have been this, and a person compares.
        """
        for payout in dict.fromkeys(self._ours.payouts.values()):
            if not payout.is_waiting or not self._period.holds(payout.first_at, payout.called_at + _ABSENT_AFTER):
                continue
            self.found.judged.add(payout.reference)
            if printed.isdisjoint(payout.names):
                ours = Money(-payout.amount.minor, payout.amount.currency)
                action = Action.COMPARE if ours in self._strays else Action.PAYOUT_IS_ABSENT
                self.found.findings.append(
                    Finding(
                        Kind.UNKNOWN_PAYOUT, payout.reference, action, payout.first_at, ours,
                        payout_id=payout.id, named=payout.names[0],
                    )
                )  # fmt: skip


def _of(line: StatementLine, kind: Kind, action: Action, **about: object) -> Finding:
    return Finding(kind, line.receipt, action, line.occurred_at, theirs=line.amount, **about)  # type: ignore[arg-type]


def _missing_there(booked: Booked) -> Finding:
    return Finding(
        Kind.MISSING_THERE, _subject(booked), Action.ASK_RAIL, booked.began_at, booked.amount,
        payment_id=booked.payment_id, payout_id=booked.payout_id,
    )  # fmt: skip


def _subject(booked: Booked) -> str:
    return booked.receipt or booked.names[0]


def _same_way(one: Money, other: Money) -> bool:
    return (one.minor > 0) == (other.minor > 0)
