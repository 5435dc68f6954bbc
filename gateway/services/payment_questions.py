"""Asking the rail about payments that it has not told us about: callbacks are lost, and a lost one stays lost.

Questions come first soon, then with growing gaps, for a day. *Pending* and *no answer* are never taken for *failed*:
after a few of them the payer is told once that it is not certain and not to pay again (but not while a page waits to
be used: that is as it should be). After a day a rail that still
answers *not paid yet* has outlived its own prompt by far, so the payment expires; one that does not answer leaves it
unknown, and a person looks at it. Money that shows up later still wins.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy.orm import Session

from gateway.domain.states import PaymentState
from gateway.models.payments import Payment, advance, note, overdue_payments, payment_by_id, payment_locked
from gateway.services.payment_desk import Desk
from gateway.services.payment_results import Results, Source
from integrations.protocols import PaymentResult, PaymentVerdict

_log = structlog.get_logger(__name__)

#: A prompt lives about a minute; a fifth of the payers answers within 25 seconds.
FIRST_QUESTION_SECONDS = 25
_GAPS_SECONDS = (30, 60, 120, 300, 600, 1800, 3600)
#: After this many questions without news (about two minutes) the payer hears that it is not certain.
_DOUBT_AFTER = 3
_GIVE_UP_AFTER = timedelta(hours=24)
#: A push or a question that is this late has lost its job.
_LOST_AFTER = timedelta(minutes=5)
_ASKED_ABOUT = (PaymentState.PROMPTED, PaymentState.UNKNOWN)


class Questions:
    """Carries out the job ``ask_payment`` and finds payments whose job was lost."""

    def __init__(self, desk: Desk, results: Results) -> None:
        self._desk = desk
        self._results = results

    def ask(self, payment_id: int, check: int) -> None:
        """Ask once for the ``check``-th time; a job that comes again, or for a settled payment, does nothing."""
        with self._desk.db.transaction() as session:
            payment = payment_by_id(session, payment_id)
        if payment is None or not _is_due(payment, check):
            return
        answer = self.answer(payment)
        self._results.apply(payment_id, answer, Source.QUERY)
        with self._desk.db.transaction() as session:
            payment = payment_locked(session, payment_id)
            if _is_due(payment, check):
                self._no_news(session, payment, answer.verdict)

    def answer(self, payment: Payment, provider_id: str | None = None, receipt: str | None = None) -> PaymentResult:
        """What the rail says now, by its id of the payment or another. Without one there is nothing to ask by.

        Only rails that make pages may know our own reference, and tell the receipts of a page apart.
        """
        answer = self._asked(payment, provider_id or payment.provider_id, receipt)
        if answer is None:
            return PaymentResult(PaymentVerdict.NO_ANSWER)
        # With a code the rail did answer, though not about this one.
        heard = answer.verdict is not PaymentVerdict.NO_ANSWER or bool(answer.code)
        self._desk.health.note(payment.rail, answered=heard)
        return answer

    def _asked(self, payment: Payment, asked_by: str | None, receipt: str | None) -> PaymentResult | None:
        """The rail's answer; ``None`` when there is nobody to ask, or nothing to ask by."""
        rail = self._desk.rail_of(payment)
        if rail and rail.links and payment.way == "link":
            return rail.links.ask(asked_by or payment.reference, receipt)
        if rail and rail.collects and payment.way == "prompt" and asked_by:
            return rail.collects.ask(asked_by)
        return None

    def resume_lost(self) -> int:
        """Defer again the pushes and questions that are long overdue; returns how many."""
        now = self._desk.clock()
        with self._desk.db.transaction() as session:
            lost = overdue_payments(session, now - _LOST_AFTER)
            for payment in lost:
                payment.due_at = now
                if payment.state == PaymentState.REQUESTED:
                    self._desk.jobs.defer_push(session, payment.id, 0)
                else:
                    self._desk.jobs.defer_ask(session, payment.id, payment.checks, 0)
        return len(lost)

    def _no_news(self, session: Session, payment: Payment, verdict: PaymentVerdict) -> None:
        now = self._desk.clock()
        payment.checks += 1
        if now - (payment.prompted_at or payment.created_at) >= _GIVE_UP_AFTER:
            self._give_up(session, payment, verdict)
            return
        if payment.checks == _DOUBT_AFTER and not _is_unused_page(payment, verdict):
            self._doubt(session, payment)
        seconds = _GAPS_SECONDS[min(payment.checks, len(_GAPS_SECONDS)) - 1]
        payment.due_at = now + timedelta(seconds=seconds)
        self._desk.jobs.defer_ask(session, payment.id, payment.checks, seconds)

    def _doubt(self, session: Session, payment: Payment) -> None:
        """Say that it is not certain, never that it failed."""
        if payment.state == PaymentState.PROMPTED:
            advance(session, payment, PaymentState.UNKNOWN, "no news", self._desk.clock())
        self._desk.tell(session, payment, "unconfirmed")

    def _give_up(self, session: Session, payment: Payment, verdict: PaymentVerdict) -> None:
        now = self._desk.clock()
        if verdict is PaymentVerdict.PENDING:
            advance(session, payment, PaymentState.EXPIRED, "the rail says not paid, a day later", now)
            self._desk.tell(session, payment, "timeout")
            return
        if payment.needs_review and payment.due_at is None:
            return  # it is before a person already; reconciliation asks from time to time
        if payment.state == PaymentState.PROMPTED:
            advance(session, payment, PaymentState.UNKNOWN, "no news", now)
        payment.needs_review, payment.due_at = True, None
        note(session, payment, "nobody answered for a day: a person looks at it", now)
        _log.error("payment.needs_review", payment=payment.reference, why="unknown after the last question")


def _is_unused_page(payment: Payment, verdict: PaymentVerdict) -> bool:
    return payment.way == "link" and verdict is PaymentVerdict.PENDING


def _is_due(payment: Payment, check: int) -> bool:
    return payment.state in _ASKED_ABOUT and payment.checks == check
