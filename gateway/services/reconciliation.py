"""Reconciliation: our rows against each rail's own statement; every difference is one row with one suggested action.

Nothing here moves money by itself. What a statement proves is applied by the calls that have the rules (``apply``),
when somebody asks for it. Only a receipt that a query could not tell is filled in at once: its money is booked already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.errors import NothingWaiting
from gateway.domain.money import Money
from gateway.domain.states import OPEN_PAYOUTS
from gateway.models.differences import (
    OPEN,
    Difference,
    difference_locked,
    explained_minor,
    open_differences,
    see,
    settle,
)
from gateway.models.payments import silent_payments
from gateway.models.payouts import payout_by_id, silent_payouts
from gateway.services.later import Jobs
from gateway.services.ledger import Ledger
from gateway.services.ledger_entries import at_rail
from gateway.services.payment_results import Source
from gateway.services.reconciliation_books import Books
from gateway.services.reconciliation_compare import compare
from gateway.services.reconciliation_hands import STATEMENT, Hands, own_id_of
from gateway.services.reconciliation_statement import (
    SETTLING,
    Statement,
    by_currency,
    from_file,
    from_rail,
    nothing_told,
)
from gateway.services.reconciliation_values import Action, Compared, Finding, Kind
from integrations.protocols import PaymentResult, PaymentVerdict, PayoutResult, Rail, StatementLine

_log = structlog.get_logger(__name__)

#: How far back the hourly run looks, and how far it stretches for what is still open.
_USUAL, _LONGEST = timedelta(days=2), timedelta(days=31)
#: What is open for longer and about what no question is due is asked about once more.
_ASK_AFTER = timedelta(hours=1)
#: An older balance says nothing about now.
_TOLD_WITHIN = timedelta(hours=1)


class Reconciliation:
    """Compares, keeps what differs, and applies what is suggested."""

    def __init__(
        self, db: Database, ledger: Ledger, rails: Mapping[str, Rail], jobs: Jobs, clock: Clock, hands: Hands
    ) -> None:
        self._db = db
        self._ledger = ledger
        self._rails = rails
        self._jobs = jobs
        self._clock = clock
        self._hands = hands

    def run_all(self) -> int:
        """The chore: every rail, and questions about what has been open for an hour; returns how many differ."""
        self._ask_silent()
        return sum(len(self.run(rail)) for rail in self._rails)

    def run(
        self,
        rail: str,
        since: datetime | None = None,
        until: datetime | None = None,
        lines: Sequence[StatementLine] | None = None,
    ) -> list[Difference]:
        """Compare one rail and return what is open. ``lines``: of a file, whose period is theirs unless it is said.

        Without a statement only what an earlier one told is looked at again.
        """
        statement = self._ask(rail, since, until) if lines is None else from_file(lines, since, until, self._clock())
        with self._db.transaction() as session:
            compared = self._compare(session, rail, statement)
        for payment_id, line in compared.completions:
            self._hands.payment(payment_id, _completion(line), Source.STATEMENT)
        for payout_id, line in compared.payout_completions:
            if self._hands.payout:
                self._hands.payout(payout_id, _payout_completion(line))
        return self.open(rail)

    def open(self, rail: str | None = None) -> list[Difference]:
        """What differs, oldest first."""
        with self._db.transaction() as session:
            return open_differences(session, rail)

    def apply(self, difference_id: int) -> str | None:
        """Carry out what is suggested; the effect in a word, ``None`` when a person has to. Harmless to repeat."""
        with self._db.transaction() as session:
            difference = session.get(Difference, difference_id)
            own_id = own_id_of(session, difference) if difference else None
        if difference is None or difference.state != OPEN:
            return None
        effect = self._hands.carry_out(difference, own_id)
        if effect is not None:
            _log.info("difference.applied", difference=difference_id, action=difference.action, effect=effect)
        return effect

    def close(self, difference_id: int, because: str) -> None:
        """A person has looked and it may stay as it is; refuses with ``NothingWaiting`` what is not open."""
        with self._db.transaction() as session:
            difference = difference_locked(session, difference_id)
            if difference is None or difference.state != OPEN:
                raise NothingWaiting
            settle(difference, self._clock(), because)

    def _ask(self, name: str, since: datetime | None, until: datetime | None) -> Statement | None:
        rail, now = self._rails[name], self._clock()
        if rail.keeps_statement is None:
            return None
        statement = from_rail(rail.keeps_statement, since or self._stretched(name), until or now, now)
        if statement is None:
            _log.warning("reconciliation.no_statement", rail=name)
        return statement

    def _stretched(self, rail: str) -> datetime:
        """Two days back, or to the oldest thing that is open: else it would never be looked at again."""
        now = self._clock()
        oldest = [difference.occurred_at - timedelta(hours=1) for difference in self.open(rail)[:1]]
        return max(min([now - _USUAL, *oldest]), now - _LONGEST)

    def _compare(self, session: Session, rail: str, statement: Statement | None) -> Compared:
        now, standing = self._clock(), open_differences(session, rail)
        if statement is None:
            statement = nothing_told(now)
        kept = [_line_of(one) for one in standing if _is_line(one) and not statement.period.judges(one.occurred_at)]
        kept = [line for line in kept if all(line.receipt != other.receipt for other in statement.lines)]
        books = Books(session, self._ledger, rail)
        ours = books.read([*statement.lines, *kept], statement.period)
        compared = compare(ours, statement.lines, kept, statement.period, names_payouts=statement.names_payouts)
        self._keep(session, rail, compared, standing)
        self._keep_floats(session, rail, books, statement, standing)
        return compared

    def _keep(self, session: Session, rail: str, compared: Compared, standing: Sequence[Difference]) -> None:
        """Write down what is there, and settle what was looked for and is gone."""
        now = self._clock()
        for finding in compared.findings:
            see(session, now, rail=rail, **_row(finding))
        found = {(str(finding.kind), finding.subject) for finding in compared.findings}
        for difference in standing:
            gone = (difference.kind, difference.subject) not in found
            if difference.kind != Kind.FLOAT_DIFFERS and gone and _was_judged(session, difference, compared):
                settle(difference, now)
        session.flush()

    def _keep_floats(
        self, session: Session, rail: str, books: Books, statement: Statement, standing: Sequence[Difference]
    ) -> None:
        """What the rail holds against our float, in every currency that it tells of."""
        now, old = self._clock(), {difference.subject: difference for difference in standing}
        for currency, theirs, at in self._held(rail, statement):
            ours = books.float_balance(currency)
            subject = at_rail("float", rail, currency)
            if ours is None:
                continue
            gap = theirs.minor - ours.minor - explained_minor(session, rail, currency, Kind.FLOAT_DIFFERS)
            if abs(gap) > books.moving(currency, at - SETTLING):
                finding = Finding(Kind.FLOAT_DIFFERS, subject, Action.FIND_GAP, at, ours, theirs)
                see(session, now, rail=rail, **_row(finding))
            elif subject in old:
                settle(old[subject], now)

    def _held(self, rail: str, statement: Statement) -> Iterator[tuple[str, Money, datetime]]:
        """What the rail says that it holds for us, by currency, and when that was so."""
        told = self._hands.balance(rail) if self._hands.balance else None
        if told is not None and told[1] > self._clock() - _TOLD_WITHIN:
            sums, at = by_currency(told[0].values()), told[1]
        else:
            sums, at = dict(statement.sums), self._clock()
        yield from ((currency, Money(minor, currency), at) for currency, minor in sums.items())

    def _ask_silent(self) -> None:
        """Open for an hour, and nobody is going to ask: the questions have ended, or their job was lost."""
        before = self._clock() - _ASK_AFTER
        with self._db.transaction() as session:
            for payment in silent_payments(session, before):
                self._jobs.defer_ask(session, payment.id, payment.checks, 0)
            if self._hands.ask_payout:
                for payout in silent_payouts(session, before):
                    self._hands.ask_payout(session, payout)


def _row(finding: Finding) -> dict[str, object]:
    known = finding.ours or finding.theirs
    return {
        "kind": str(finding.kind),
        "subject": finding.subject,
        "ours_minor": finding.ours.minor if finding.ours else None,
        "theirs_minor": finding.theirs.minor if finding.theirs else None,
        "currency": known.currency if known else "KES",
        "action": str(finding.action),
        "payment_id": finding.payment_id,
        "payout_id": finding.payout_id,
        "named": finding.named,
        "occurred_at": finding.at,
    }


def _is_line(difference: Difference) -> bool:
    """Whether it came from a line of a statement, and can be looked at again without it."""
    return difference.theirs_minor is not None and difference.kind != Kind.FLOAT_DIFFERS


def _line_of(difference: Difference) -> StatementLine:
    amount = Money(difference.theirs_minor or 0, difference.currency)
    return StatementLine(difference.subject, amount, difference.named or "", "", True, difference.occurred_at)


def _was_judged(session: Session, difference: Difference, compared: Compared) -> bool:
    """Whether it would have been found again if it were still there."""
    if _is_line(difference) or difference.subject in compared.judged:
        return True
    payout = payout_by_id(session, difference.payout_id) if difference.payout_id else None
    return difference.kind == Kind.UNKNOWN_PAYOUT and payout is not None and payout.state not in OPEN_PAYOUTS


def _payout_completion(line: StatementLine) -> PayoutResult:
    amount = Money(-line.amount.minor, line.amount.currency)
    return PayoutResult(PaymentVerdict.PAID, receipt=line.receipt, amount=amount, code=STATEMENT)


def _completion(line: StatementLine) -> PaymentResult:
    return PaymentResult(
        PaymentVerdict.PAID, receipt=line.receipt, amount=line.amount, code=STATEMENT, occurred_at=line.occurred_at
    )
