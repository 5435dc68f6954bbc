"""Asking the rail about payouts that it has not told us about, a few times, then a person; never failed by silence.

A question is what the rail has for it; for a call whose answer was lost, and for what is undone at the rail, it is the
same call once more, where that is harmless (``PayoutCalls.may_repeat``). Answers to questions come to an address of
their own, whose token nobody but the rail was ever told: such an answer needs no further question.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy.orm import Session

from gateway.domain.states import PayoutState
from gateway.models.payout_attempts import OPEN_ATTEMPTS, AttemptState, last_attempt
from gateway.models.payouts import Payout, PayoutAttempt, advance, overdue_payouts, payout_by_id, payout_locked
from gateway.services.payment_results import Source
from gateway.services.payout_calls import FIRST_QUESTION_SECONDS, PayoutCalls
from gateway.services.payout_desk import PayoutDesk
from gateway.services.payout_outcomes import Outcomes
from gateway.services.payout_results import PayoutResults
from gateway.settings import new_token
from integrations.protocols import PaymentVerdict, PayoutResult, Rail

_log = structlog.get_logger(__name__)

#: From the call, or the last question, to the next one. After the last of them a person looks.
GAPS_SECONDS = (FIRST_QUESTION_SECONDS, 120, 600, 3600)
#: A call or a question that is this late has lost its job.
_LOST_AFTER = timedelta(minutes=5)
#: The queue's clock and ours differ by less.
_SLACK = timedelta(seconds=5)
_STOPPED_SECONDS = 60
_ASKED_ABOUT = (PayoutState.SUBMITTED, PayoutState.UNKNOWN)
_SILENCE = PayoutResult(PaymentVerdict.NO_ANSWER)


class PayoutQuestions:
    """Carries out the job ``ask_payout`` and finds payouts whose job was lost."""

    def __init__(self, desk: PayoutDesk, outcomes: Outcomes, results: PayoutResults, calls: PayoutCalls) -> None:
        self._desk = desk
        self._outcomes = outcomes
        self._results = results
        self._calls = calls

    def ask(self, payout_id: int, check: int) -> None:
        """Ask once for the ``check``-th time; a job that comes again, too early or too late does nothing."""
        with self._desk.db.transaction() as session:
            payout, attempt = payout_by_id(session, payout_id), last_attempt(session, payout_id)
        if payout is None or attempt is None or not self._is_due(payout, check):
            return
        if not self._calls.may_repeat(payout, attempt):
            self._results.apply(attempt.id, self.answer(payout, attempt), Source.QUERY)
        elif self._desk.is_stopped:
            self._wait(payout_id, check)
            return
        else:
            self._calls.repeat(payout, attempt)
        with self._desk.db.transaction() as session:
            payout = payout_locked(session, payout_id)
            if self._is_due(payout, check):
                self._no_news(session, payout)

    def answer(self, payout: Payout, attempt: PayoutAttempt) -> PayoutResult:
        """What the rail says of an attempt at this moment; ``PENDING`` when it will say so at its address."""
        rail = self._desk.rail_of(payout)
        if rail is None or self._is_early(payout, attempt):
            return _SILENCE
        answer = self._asked(rail, payout, attempt)
        if answer is None:
            return _SILENCE
        # With a code the rail did answer, though not about this one.
        heard = answer.verdict is not PaymentVerdict.NO_ANSWER or bool(answer.code)
        self._desk.health.note(rail.name, answered=heard)
        return answer

    def _asked(self, rail: Rail, payout: Payout, attempt: PayoutAttempt) -> PayoutResult | None:
        """The rail's answer; ``None`` where it has none for such a payout."""
        own_id, provider_id = attempt.own_id, attempt.provider_id
        if payout.way == "reverse":
            told = rail.tells_given_back
            return told.ask_given_back(own_id=own_id, provider_id=provider_id) if told else None
        if rail.pays_out is None:
            return None
        addresses = self._desk.addresses(self._question_token(attempt.id))
        return rail.pays_out.ask_payout(own_id=own_id, provider_id=provider_id, addresses=addresses)

    def ask_now(self, attempt_id: int, because: str) -> bool:
        """The rail gave up on its own queue: it is not known any more, and asked about at once, never paid again."""
        with self._desk.db.transaction() as session:
            attempt = session.get_one(PayoutAttempt, attempt_id)
            payout = payout_locked(session, attempt.payout_id)
            session.refresh(attempt)
            if payout.state != PayoutState.SUBMITTED or attempt.state not in OPEN_ATTEMPTS:
                return False
            advance(session, payout, PayoutState.UNKNOWN, because, self._desk.clock())
            self.restart(session, payout)
            return True

    def restart(self, session: Session, payout: Payout) -> None:
        """Ask about a locked payout at once, and go on from there."""
        payout.due_at = self._desk.clock()
        self._desk.jobs.defer_ask_payout(session, payout.id, payout.checks, 0)

    def resume_lost(self) -> int:
        """Defer again the calls and questions that are long overdue; returns how many."""
        now = self._desk.clock()
        with self._desk.db.transaction() as session:
            lost = overdue_payouts(session, now - _LOST_AFTER)
            for payout in lost:
                payout.due_at = now
                if payout.state == PayoutState.HELD:
                    self._desk.jobs.defer_pay(session, payout.id, 0)
                else:
                    self._desk.jobs.defer_ask_payout(session, payout.id, payout.checks, 0)
        return len(lost)

    def _is_due(self, payout: Payout, check: int) -> bool:
        """Not before its time: one left from an earlier call would ask about a request that is still on its way."""
        if payout.state not in _ASKED_ABOUT or payout.checks != check or payout.due_at is None:
            return False
        return payout.due_at - _SLACK <= self._desk.clock()

    def _is_early(self, payout: Payout, attempt: PayoutAttempt) -> bool:
        """A call that may still be on its way is unknown to the rail without having failed."""
        called = timedelta(seconds=FIRST_QUESTION_SECONDS) - _SLACK
        on_its_way = self._desk.clock() - attempt.called_at < called
        return attempt.state == AttemptState.CALLING and (on_its_way or self._calls.may_repeat(payout, attempt))

    def _question_token(self, attempt_id: int) -> str:
        """Committed before the question, so that an answer is known however fast it comes."""
        with self._desk.db.transaction() as session:
            attempt = session.get_one(PayoutAttempt, attempt_id, with_for_update=True)
            attempt.question_token = attempt.question_token or new_token()
            return attempt.question_token

    def _wait(self, payout_id: int, check: int) -> None:
        """Payouts are stopped, and this question could be a payment: it is asked later."""
        with self._desk.db.transaction() as session:
            payout = payout_locked(session, payout_id)
            if self._is_due(payout, check):
                payout.due_at = self._desk.clock() + timedelta(seconds=_STOPPED_SECONDS)
                self._desk.jobs.defer_ask_payout(session, payout.id, check, _STOPPED_SECONDS)

    def _no_news(self, session: Session, payout: Payout) -> None:
        payout.checks += 1
        if payout.checks >= len(GAPS_SECONDS):
            self._outcomes.unheard(session, payout)
            return
        seconds = GAPS_SECONDS[payout.checks]
        payout.due_at = self._desk.clock() + timedelta(seconds=seconds)
        self._desk.jobs.defer_ask_payout(session, payout.id, payout.checks, seconds)
