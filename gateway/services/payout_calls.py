"""Calling the rail to pay: once, under an id of ours that is committed before the call.

``held`` becomes ``unknown`` and the attempt's row is there before anybody is called, so whoever dies afterwards leaves
a payout that nobody pays under another id. What the answer proves decides: *taken* is ``submitted``; *nothing was
started* leads back to ``held`` and later to a call under the same id; *refused* returns the money; no answer stays
``unknown``.

A call whose answer was lost is repeated only where the rail itself pays the same id once (``repeatable``), or where
undoing twice is undoing once. What such a repetition is refused with says nothing of the first call.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy.orm import Session
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from gateway.domain.errors import TryLater
from gateway.domain.phone import Phone
from gateway.domain.states import PayoutState
from gateway.models.inbox import unmatched_ids
from gateway.models.payout_attempts import OPEN_ATTEMPTS, AttemptState, open_attempt
from gateway.models.payouts import Payout, PayoutAttempt, advance, note, payout_by_id, payout_locked
from gateway.services.payment_results import Source
from gateway.services.payout_desk import PayoutDesk
from gateway.services.payout_outcomes import Outcomes, end_attempt
from gateway.services.payout_results import PayoutResults
from gateway.services.rail_health import is_answer
from gateway.settings import new_token
from integrations.protocols import Outcome, PaymentVerdict, PayoutAnswer, PayoutResult

_log = structlog.get_logger(__name__)

#: When the rail is asked about a call for the first time.
FIRST_QUESTION_SECONDS = 30
#: Waits before the same call after an answer that proves that nothing was started; then the money is returned.
_BACKOFF_SECONDS = (5, 20, 60, 300)
#: While the rail is down, or payouts are stopped.
_WAIT_SECONDS = 60
#: The payout's rail is no longer configured.
_NO_RAIL = PayoutAnswer(Outcome.REJECTED, code="no_rail", reason="config")


class PayoutCalls:
    """Carries out the job ``pay_payout``; running it again is harmless at any point."""

    def __init__(self, desk: PayoutDesk, outcomes: Outcomes, results: PayoutResults) -> None:
        self._desk = desk
        self._outcomes = outcomes
        self._results = results

    def pay(self, payout_id: int) -> None:
        """Have the rail pay what is held, unless it must wait."""
        if self._waits(payout_id):
            return
        called = self._begin(payout_id)
        if called is not None:
            self._call(*called, first=True)

    def may_repeat(self, payout: Payout, attempt: PayoutAttempt) -> bool:
        """Whether calling once more under the same id is harmless, and the way to learn what became of the call."""
        if attempt.state not in OPEN_ATTEMPTS:
            return False
        rail = self._desk.rail_of(payout)
        if payout.way == "reverse":
            return bool(rail and rail.gives_back and rail.gives_back.repeatable)
        repeatable = rail and rail.pays_out and rail.pays_out.repeatable
        return attempt.state == AttemptState.CALLING and bool(repeatable)

    def repeat(self, payout: Payout, attempt: PayoutAttempt) -> None:
        """Call again under the same id; that it is known there proves that the first call was taken."""
        self._call(payout, attempt, first=False)

    def _waits(self, payout_id: int) -> bool:
        with self._desk.db.transaction() as session:
            payout = payout_by_id(session, payout_id)
        if payout is None or not self._desk.must_wait(payout):
            return payout is None
        with self._desk.db.transaction() as session:
            payout = payout_locked(session, payout_id)
            if payout.state == PayoutState.HELD:
                payout.due_at = self._desk.clock() + timedelta(seconds=_WAIT_SECONDS)
                self._desk.jobs.defer_pay(session, payout.id, _WAIT_SECONDS)
        return True

    def _begin(self, payout_id: int) -> tuple[Payout, PayoutAttempt] | None:
        """Commit that the rail is being called, with the first question about it; ``None`` when it must not be."""
        with self._desk.db.transaction() as session:
            payout, now = payout_locked(session, payout_id), self._desk.clock()
            if payout.state != PayoutState.HELD:
                return None
            attempt = open_attempt(session, payout.id) or _new_attempt(session, payout)
            attempt.calls += 1
            attempt.called_at = now
            advance(session, payout, PayoutState.UNKNOWN, f"calling the rail as {attempt.own_id}", now)
            self._first_question(session, payout)
            return payout, attempt

    def _first_question(self, session: Session, payout: Payout) -> None:
        payout.checks, payout.due_at = 0, self._desk.clock() + timedelta(seconds=FIRST_QUESTION_SECONDS)
        self._desk.jobs.defer_ask_payout(session, payout.id, payout.checks, FIRST_QUESTION_SECONDS)

    def _call(self, payout: Payout, attempt: PayoutAttempt, *, first: bool) -> None:
        answer = self._ring(payout, attempt)
        # The rail has answered: losing that to a database that is away for a moment would leave an hour of doubt.
        for again in Retrying(
            retry=retry_if_exception_type(TryLater),
            stop=stop_after_delay(20),
            wait=wait_random_exponential(max=4),
            reraise=True,
        ):
            with again:
                self._record(payout.id, attempt.id, answer, first)
        if answer.reason == "already":
            undone = PayoutResult(PaymentVerdict.FAILED, own_id=attempt.own_id, code=answer.code, reason="already")
            self._results.apply(attempt.id, undone, Source.QUERY)
        elif answer.result:
            self._results.apply(attempt.id, answer.result, Source.QUERY)
        if answer is not _NO_RAIL:
            self._desk.health.note(payout.rail, answered=is_answer(answer.outcome, answer.code))

    def _ring(self, payout: Payout, attempt: PayoutAttempt) -> PayoutAnswer:
        rail, addresses = self._desk.rail_of(payout), self._desk.addresses(attempt.token)
        own_id, amount = attempt.own_id, payout.amount
        if rail and rail.gives_back and payout.way == "reverse" and payout.undone_receipt:
            receipt = payout.undone_receipt
            return rail.gives_back.give_back(own_id=own_id, receipt=receipt, amount=amount, addresses=addresses)
        if rail and rail.pays_out and payout.way == "send" and payout.payee_sealed:
            phone, remarks = Phone(self._desk.vault.open(payout.payee_sealed)), f"Mlango {payout.reference}"
            return rail.pays_out.pay(own_id=own_id, phone=phone, amount=amount, remarks=remarks, addresses=addresses)
        return _NO_RAIL

    def _record(self, payout_id: int, attempt_id: int, answer: PayoutAnswer, first: bool) -> None:
        """What the rail said to our call. A result may have been faster: then only its id is new."""
        with self._desk.db.transaction() as session:
            payout = payout_locked(session, payout_id)
            attempt = session.get_one(PayoutAttempt, attempt_id)
            self._keep_id(session, attempt, answer.provider_id)
            if attempt.state not in OPEN_ATTEMPTS or answer.reason == "already":
                note(session, payout, f"the call was answered {answer.outcome}", self._desk.clock())
            elif answer.outcome is Outcome.ACCEPTED or answer.duplicate:
                self._taken(session, payout, attempt)
            elif answer.outcome is Outcome.REJECTED and first and payout.state == PayoutState.UNKNOWN:
                self._rejected(session, payout, attempt, answer)
            else:
                note(session, payout, f"nothing learnt from the call ({answer.code})", self._desk.clock())
        _log.info("payout.call", payout=payout.reference, outcome=str(answer.outcome), code=answer.code)

    def _keep_id(self, session: Session, attempt: PayoutAttempt, provider_id: str | None) -> None:
        """Store the rail's id, and have those results handled that came before we knew it."""
        if attempt.provider_id is not None or not provider_id:
            return
        attempt.provider_id = provider_id
        for inbox_id in unmatched_ids(session, self._desk.vault.digest("inbox.match", provider_id)):
            self._desk.jobs.defer_inbox(session, inbox_id)

    def _taken(self, session: Session, payout: Payout, attempt: PayoutAttempt) -> None:
        now, is_news = self._desk.clock(), attempt.state == AttemptState.CALLING
        attempt.state = AttemptState.TAKEN
        if payout.checks and is_news:
            self._first_question(session, payout)
        if payout.state == PayoutState.UNKNOWN:
            advance(session, payout, PayoutState.SUBMITTED, "the rail took it", now)
            payout.submitted_at = payout.submitted_at or now

    def _rejected(self, session: Session, payout: Payout, attempt: PayoutAttempt, answer: PayoutAnswer) -> None:
        now, because = self._desk.clock(), f"the rail refused the call ({answer.code})"
        if answer.retry_safe and attempt.calls <= len(_BACKOFF_SECONDS):
            seconds = _BACKOFF_SECONDS[attempt.calls - 1]
            advance(session, payout, PayoutState.HELD, because, now)
            payout.due_at = now + timedelta(seconds=seconds)
            self._desk.jobs.defer_pay(session, payout.id, seconds)
            return
        end_attempt(attempt, AttemptState.FAILED, answer.code, now)
        self._outcomes.returned(session, payout, because, answer.code, answer.reason or "other")


def _new_attempt(session: Session, payout: Payout) -> PayoutAttempt:
    """Under the next id; only after the last one has failed for sure."""
    payout.attempts += 1
    number = payout.attempts
    attempt = PayoutAttempt(
        payout_id=payout.id, number=number, own_id=f"{payout.reference}-{number}", token=new_token(), calls=0
    )
    session.add(attempt)
    session.flush()
    session.refresh(attempt)
    return attempt
