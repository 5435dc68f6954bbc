"""What a payout comes to: paid, tried again, returned, or before a person; books, state and SMS in one transaction.

Every method works on a payout that its caller has locked.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from gateway.domain.states import PaymentState, PayoutState
from gateway.models.payments import advance as advance_payment
from gateway.models.payments import payment_locked
from gateway.models.payout_attempts import AttemptState
from gateway.models.payouts import Payout, PayoutAttempt, advance, note
from gateway.services.payout_books import PayoutBooks
from gateway.services.payout_desk import PayoutDesk

_log = structlog.get_logger(__name__)

#: Waits before the next attempt after a failure that may pass; the third failure is the last.
_AGAIN_SECONDS = (60, 600)
#: Why a payout is before a person when nothing is wrong but that nobody answers: an answer ends it.
SILENT = "silent"
_SHILLINGS = "KES"


class Outcomes:
    """Ends payouts, or has them tried again."""

    def __init__(self, desk: PayoutDesk) -> None:
        self._desk = desk
        self._books = PayoutBooks(desk.ledger)

    def paid(self, session: Session, payout: Payout, because: str, receipt: str | None) -> None:
        """The rail has paid it."""
        advance(session, payout, PayoutState.PAID, because, self._desk.clock())
        _calm(payout)
        payout.receipt = receipt
        self._books.paid(session, payout)
        if payout.purpose == "refund":
            self._given_back(session, payout)
        elif receipt:
            self._desk.tell(session, payout, "withdraw_paid")
        else:
            self._desk.tell(session, payout, "withdraw_paid_no_receipt")

    def failed(self, session: Session, payout: Payout, because: str, code: str, reason: str) -> bool:
        """It failed for sure: tried again under a new id when that may help, else returned. Whether it is returned."""
        if reason in ("busy", "no_float") and payout.attempts <= len(_AGAIN_SECONDS):
            self._again(session, payout, because)
            return False
        self.returned(session, payout, because, code, reason)
        return True

    def returned(self, session: Session, payout: Payout, because: str, code: str = "", reason: str = "") -> None:
        """The money goes back to where it came from."""
        advance(session, payout, PayoutState.RETURNED, because, self._desk.clock())
        _calm(payout)
        payout.result_code, payout.reason = code or None, reason or payout.reason
        self._books.returned(session, payout)
        if payout.purpose == "refund":
            self._kept(session, payout)
        elif reason == "not_registered":
            self._desk.tell(session, payout, "withdraw_not_registered")
        elif reason == "limit":
            self._desk.tell(session, payout, "withdraw_limit")
        else:
            self._desk.tell(session, payout, "withdraw_returned")

    def paid_again(self, session: Session, payout: Payout, attempt: PayoutAttempt, receipt: str | None) -> None:
        """The rail shows another payment than the one that is settled, or one of what was returned."""
        self._books.paid_again(session, payout, receipt or attempt.own_id)
        self.review(session, payout, f"paid although it is {payout.state} ({receipt or attempt.own_id})")

    def review(self, session: Session, payout: Payout, why: str) -> None:
        """Something contradicts what we know: nothing else changes, and a person looks at it."""
        payout.needs_review = True
        if payout.reason == SILENT:
            payout.reason = None
        note(session, payout, why, self._desk.clock())
        _log.error("payout.contradiction", payout=payout.reference, why=why)

    def unheard(self, session: Session, payout: Payout) -> None:
        """Nobody has answered any question: it stays unknown, and a person looks at it."""
        payout.due_at = None
        if payout.needs_review:
            return
        if payout.state == PayoutState.SUBMITTED:
            advance(session, payout, PayoutState.UNKNOWN, "no news", self._desk.clock())
        payout.needs_review, payout.reason = True, SILENT
        note(session, payout, "nobody answered: a person looks at it", self._desk.clock())
        self._delayed(session, payout)
        _log.error("payout.needs_review", payout=payout.reference, why="unknown after the last question")

    def _again(self, session: Session, payout: Payout, because: str) -> None:
        now, seconds = self._desk.clock(), _AGAIN_SECONDS[payout.attempts - 1]
        if payout.state == PayoutState.HELD:
            note(session, payout, because, now)
        else:
            advance(session, payout, PayoutState.HELD, because, now)
        _calm(payout)
        payout.due_at = now + timedelta(seconds=seconds)
        self._desk.jobs.defer_pay(session, payout.id, seconds)
        self._delayed(session, payout)

    def _delayed(self, session: Session, payout: Payout) -> None:
        """Told once: with the first attempt that was not the last word."""
        if payout.purpose == "withdraw" and payout.attempts == 1:
            self._desk.tell(session, payout, "withdraw_delayed")

    def _given_back(self, session: Session, payout: Payout) -> None:
        if payout.ends_payment and payout.payment_id is not None:
            payment = payment_locked(session, payout.payment_id)
            if payment.state == PaymentState.CONFIRMED:
                because = f"given back by {payout.reference}"
                advance_payment(session, payment, PaymentState.REFUNDED, because, self._desk.clock())
            self._desk.tell(session, payout, "refunded_whole")
        else:
            self._desk.tell(session, payout, "refunded")

    def _kept(self, session: Session, payout: Payout) -> None:
        """It is the payer's own money: into the wallet, when there is one; else a person finds a way."""
        account = self._desk.owner(session, payout)
        if account is None or payout.currency != _SHILLINGS:
            payout.needs_review = True
            _log.error("payout.needs_review", payout=payout.reference, why="it could not be given back")
            return
        if payout.held_from != account.wallet:
            self._books.kept(session, payout, account.wallet)
        self._desk.tell(session, payout, "refund_kept")


def end_attempt(attempt: PayoutAttempt, state: AttemptState, code: str, at: datetime) -> None:
    """What is known of one call for good."""
    attempt.state, attempt.code, attempt.ended_at = state, code or None, at


def _calm(payout: Payout) -> None:
    """Silence is over: what was before a person only for it is so no longer."""
    if payout.reason == SILENT:
        payout.needs_review, payout.reason = False, None
