"""What an operator decides about a payout after looking at the rail's own books."""

from __future__ import annotations

from sqlalchemy.orm import Session

from gateway.domain.errors import KeyReused, NothingWaiting
from gateway.domain.states import PayoutState
from gateway.models.payout_attempts import AttemptState, claim_payout_receipt, last_attempt, open_attempt
from gateway.models.payouts import Payout, note, payout_by_reference, payout_locked
from gateway.services.payout_desk import PayoutDesk
from gateway.services.payout_outcomes import Outcomes, end_attempt
from gateway.services.payout_questions import PayoutQuestions


class PayoutReview:
    """Deciding, once a person has looked."""

    def __init__(self, desk: PayoutDesk, outcomes: Outcomes, questions: PayoutQuestions) -> None:
        self._desk = desk
        self._outcomes = outcomes
        self._questions = questions

    def settle(self, reference: str, *, paid: bool, because: str, receipt: str | None = None) -> None:
        """End an open payout by what the rail's books say; of a decided one, say that it was looked at.

        Refuses: ``NothingWaiting`` when it is decided otherwise, ``KeyReused`` for a receipt that other money has.
        """
        with self._desk.db.transaction() as session:
            payout = self._locked(session, reference)
            if not payout.is_open:
                self._looked_at(session, payout, paid, because)
                return
            now = self._desk.clock()
            if paid and receipt and not claim_payout_receipt(session, payout.rail, receipt, payout.id, now):
                raise KeyReused
            attempt = open_attempt(session, payout.id) or (last_attempt(session, payout.id) if paid else None)
            if attempt is not None:
                end_attempt(attempt, AttemptState.PAID if paid else AttemptState.FAILED, "settled", now)
                attempt.receipt = receipt if paid else None
            payout.needs_review = False
            if paid:
                self._outcomes.paid(session, payout, because, receipt)
            else:
                self._outcomes.returned(session, payout, because)

    def retry(self, reference: str) -> None:
        """Go on with an open payout now: pay what is held, ask about the rest (again). Never a second payment.

        Refuses: ``NothingWaiting`` when it is decided.
        """
        with self._desk.db.transaction() as session:
            payout = self._locked(session, reference)
            if not payout.is_open:
                raise NothingWaiting
            note(session, payout, "gone on with by a person", self._desk.clock())
            if payout.state == PayoutState.HELD:
                payout.due_at = self._desk.clock()
                self._desk.jobs.defer_pay(session, payout.id, 0)
                return
            payout.checks = 0
            self._questions.restart(session, payout)

    def _locked(self, session: Session, reference: str) -> Payout:
        found = payout_by_reference(session, reference)
        if found is None:
            raise NothingWaiting
        return payout_locked(session, found.id)

    def _looked_at(self, session: Session, payout: Payout, paid: bool, because: str) -> None:
        if not payout.needs_review or paid is not (payout.state == PayoutState.PAID):
            raise NothingWaiting
        payout.needs_review = False
        note(session, payout, because, self._desk.clock())
