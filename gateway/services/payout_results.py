"""What a rail says became of a payout, turned into books, a state and an SMS in one transaction.

In this order: another amount than we asked for settles nothing; a receipt counts once; a success wins over everything,
and one that comes too late is in the books all the same; a failure never overwrites a success; silence is never called
failed. What contradicts what we know is put before a person (``needs_review``).
"""

from __future__ import annotations

from enum import StrEnum

import structlog
from sqlalchemy.orm import Session

from gateway.domain.states import PayoutState
from gateway.models.payout_attempts import (
    OPEN_ATTEMPTS,
    AttemptState,
    claim_payout_receipt,
    open_attempt,
    payout_of_receipt,
)
from gateway.models.payouts import Payout, PayoutAttempt, note, payout_locked
from gateway.services.payment_results import Source
from gateway.services.payout_desk import PayoutDesk
from gateway.services.payout_outcomes import Outcomes, end_attempt
from integrations.protocols import PaymentVerdict, PayoutResult

_log = structlog.get_logger(__name__)


class Effect(StrEnum):
    """What a result did."""

    PAID = "paid"
    AGAIN = "again"  # it failed for sure and will be tried under a new id
    RETURNED = "returned"
    COMPLETED = "completed"  # the receipt of a success that was known without one
    EXTRA = "extra"  # paid once more than it should have been
    REPEATED = "repeated"  # nothing new
    CONTRADICTION = "contradiction"  # nothing changed, a person looks at it
    NOT_YET = "not_yet"


class PayoutResults:
    """Applies results. The same one twice, or two at once, count once."""

    def __init__(self, desk: PayoutDesk, outcomes: Outcomes) -> None:
        self._desk = desk
        self._outcomes = outcomes

    def apply(self, attempt_id: int, result: PayoutResult, source: Source) -> Effect:
        """Settle, return or leave the payout of one attempt, whichever attempt it is."""
        if result.verdict not in (PaymentVerdict.PAID, PaymentVerdict.FAILED):
            return Effect.NOT_YET
        with self._desk.db.transaction() as session:
            attempt = session.get_one(PayoutAttempt, attempt_id)
            payout = payout_locked(session, attempt.payout_id)
            session.refresh(attempt)
            attempt.provider_id = attempt.provider_id or result.provider_id
            act = self._paid if _is_success(payout, result) else self._failed
            effect = act(session, payout, attempt, result, source)
        _log.info("payout.result", payout=payout.reference, source=str(source), effect=str(effect))
        return effect

    def _paid(
        self, session: Session, payout: Payout, attempt: PayoutAttempt, result: PayoutResult, source: Source
    ) -> Effect:
        if result.amount is not None and result.amount != payout.amount:
            self._outcomes.review(session, payout, f"{source} says {result.amount} were paid, not {payout.amount}")
            return Effect.CONTRADICTION
        now = self._desk.clock()
        if result.receipt and not claim_payout_receipt(session, payout.rail, result.receipt, payout.id, now):
            return self._known_receipt(session, payout, result.receipt)
        if attempt.state == AttemptState.PAID:
            return self._success_again(session, payout, attempt, result.receipt)
        end_attempt(attempt, AttemptState.PAID, result.code, now)
        attempt.receipt = result.receipt
        if not payout.is_open:
            self._outcomes.paid_again(session, payout, attempt, result.receipt)
            return Effect.EXTRA
        self._outcomes.paid(session, payout, f"paid by {source}", result.receipt)
        if open_attempt(session, payout.id) is not None:
            self._outcomes.review(session, payout, "paid by an earlier attempt while another is under way")
        return Effect.PAID

    def _known_receipt(self, session: Session, payout: Payout, receipt: str) -> Effect:
        if payout_of_receipt(session, payout.rail, receipt) == payout.id:
            return Effect.REPEATED
        self._outcomes.review(session, payout, "a receipt that belongs to other money")
        return Effect.CONTRADICTION

    def _success_again(self, session: Session, payout: Payout, attempt: PayoutAttempt, receipt: str | None) -> Effect:
        if receipt is None:
            return Effect.REPEATED
        if attempt.receipt is None:
            attempt.receipt = receipt
            payout.receipt = payout.receipt or (receipt if payout.state == PayoutState.PAID else None)
            note(session, payout, f"receipt came later: {receipt}", self._desk.clock())
            return Effect.COMPLETED
        self._outcomes.paid_again(session, payout, attempt, receipt)
        return Effect.EXTRA

    def _failed(
        self, session: Session, payout: Payout, attempt: PayoutAttempt, result: PayoutResult, source: Source
    ) -> Effect:
        if attempt.state == AttemptState.PAID:
            self._outcomes.review(session, payout, f"{source} says failed ({result.code}), it was paid before")
            return Effect.CONTRADICTION
        if attempt.state not in OPEN_ATTEMPTS:
            return Effect.REPEATED
        end_attempt(attempt, AttemptState.FAILED, result.code, self._desk.clock())
        because = f"{source} says {result.reason or 'failed'} ({result.code})"
        if not payout.is_open:
            note(session, payout, because, self._desk.clock())
            return Effect.REPEATED
        ended = self._outcomes.failed(session, payout, because, result.code, result.reason or "other")
        return Effect.RETURNED if ended else Effect.AGAIN


def _is_success(payout: Payout, result: PayoutResult) -> bool:
    """What was undone before is undone, whoever did it."""
    undone = payout.way == "reverse" and result.reason == "already"
    return result.verdict is PaymentVerdict.PAID or undone
