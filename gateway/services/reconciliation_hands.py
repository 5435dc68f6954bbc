"""Carrying out what a difference suggests, by the calls that have the rules for it, never around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from gateway.domain.money import Money
from gateway.models.differences import Difference
from gateway.models.payouts import Payout, attempt_named
from gateway.services.payment_results import Source
from gateway.services.reconciliation_values import Action
from integrations.protocols import ArrivalNotice, PaymentResult, PaymentVerdict, PayoutResult

#: What stands as the rail's code in a row that was settled by its statement.
STATEMENT = "statement"


class LatestBalance(Protocol):
    """What a rail told last of our accounts there, by its names for them, and when it did."""

    def __call__(self, rail: str) -> tuple[Mapping[str, Money], datetime] | None: ...


@dataclass(frozen=True, slots=True)
class Hands:
    """Who does what. What nobody does here is ``None``, and then a person does it.

    ``payout`` takes the id of a payout and what the statement says of it, ``arrival`` a rail and money that came
    without being asked for, ``ask_payout`` defers a question about a payout on the session's transaction.
    """

    payment: Callable[[int, PaymentResult, Source], object]
    payout: Callable[[int, PayoutResult], object] | None = None
    arrival: Callable[[str, ArrivalNotice], object] | None = None
    ask_payout: Callable[[Session, Payout], object] | None = None
    balance: LatestBalance | None = None

    def carry_out(self, difference: Difference, own_id: str | None) -> str | None:
        """The effect in a word, ``None`` when nobody here can do it. ``own_id``: of the payout's attempt."""
        if difference.action == Action.APPLY_TO_PAYMENT and difference.payment_id and difference.theirs:
            return str(self.payment(difference.payment_id, _paid(difference), Source.STATEMENT))
        if difference.action in _OF_PAYOUTS and difference.payout_id and self.payout:
            return str(self.payout(difference.payout_id, _of_payout(difference, own_id)))
        if difference.action == Action.BOOK_IN_SUSPENSE and difference.theirs and self.arrival:
            notice = ArrivalNotice(difference.subject, difference.theirs, typed="", occurred_at=difference.occurred_at)
            return str(self.arrival(difference.rail, notice))
        return None


_OF_PAYOUTS = (Action.PAYOUT_IS_PAID, Action.PAYOUT_IS_ABSENT)


def own_id_of(session: Session, difference: Difference) -> str | None:
    """By which of our ids the rail knows the payout that a difference is about."""
    return attempt_named(session, difference.payout_id, difference.named) if difference.payout_id else None


def _paid(difference: Difference) -> PaymentResult:
    return PaymentResult(
        PaymentVerdict.PAID,
        receipt=difference.subject,
        amount=difference.theirs,
        code=STATEMENT,
        occurred_at=difference.occurred_at,
    )


def _of_payout(difference: Difference, own_id: str | None) -> PayoutResult:
    """Paid under the statement's receipt; or it is not there, which is a failure that nobody has to guess."""
    if difference.theirs is None:
        return PayoutResult(PaymentVerdict.FAILED, own_id=own_id, code=STATEMENT, reason="other")
    return PayoutResult(
        PaymentVerdict.PAID,
        own_id=own_id,
        receipt=difference.subject,
        amount=Money(-difference.theirs.minor, difference.theirs.currency),
        code=STATEMENT,
        occurred_at=difference.occurred_at,
    )
