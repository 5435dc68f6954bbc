"""Money out by a rail: withdrawals of members, and what is given back to payers.

How money is held is in ``payout_requests`` and ``payout_refunds``; what happens then in ``payout_calls``,
``payout_questions``, ``payout_results`` and ``payout_outcomes``; every entry about it in ``payout_books``.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from gateway.domain.errors import NothingWaiting, Refusal
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.models.payout_attempts import attempts_of
from gateway.models.payouts import Payout, PayoutAttempt
from gateway.services.limits import Standing
from gateway.services.payment_results import Source
from gateway.services.payout_calls import PayoutCalls
from gateway.services.payout_desk import PayoutDesk
from gateway.services.payout_outcomes import Outcomes
from gateway.services.payout_questions import PayoutQuestions
from gateway.services.payout_refunds import Refunds
from gateway.services.payout_requests import Held, PayoutRequests, Quote
from gateway.services.payout_results import Effect, PayoutResults
from gateway.services.payout_review import PayoutReview
from gateway.services.payout_views import Dossier, Glance, PayoutViews, Summary
from gateway.services.refunds import Refund
from integrations.protocols import PayoutResult

__all__ = ["Dossier", "Effect", "Glance", "Held", "Payouts", "Quote", "Summary"]


class Payouts:
    """Everything the gateway does with money that goes out."""

    def __init__(self, desk: PayoutDesk) -> None:
        self._desk = desk
        outcomes = Outcomes(desk)
        self._results = PayoutResults(desk, outcomes)
        self._calls = PayoutCalls(desk, outcomes, self._results)
        self._questions = PayoutQuestions(desk, outcomes, self._results, self._calls)
        self._requests = PayoutRequests(desk)
        self._refunds = Refunds(desk)
        self._review = PayoutReview(desk, outcomes, self._questions)
        self._views = PayoutViews(desk)

    def refuse_if_closed(self) -> None:
        """Raises ``RailDown`` or ``PayoutsPaused``: said before an amount is typed."""
        self._desk.refuse_if_closed()

    def quote(self, number: str, standing: Standing, amount: Money) -> Quote:
        """Amount and fee, to be shown before the PIN.

        Raises ``RailDown``, ``PayoutsPaused``, ``WholeShillingsOnly``, ``AmountTooSmall``, ``AmountTooLarge``.
        """
        return self._requests.quote(standing, amount)

    def request(self, number: str, standing: Standing, amount: Money, key: str, *, to: Phone | None = None) -> Held:
        """Set ``amount`` and fee aside and have them paid to ``to``, or the account's own phone; once per ``key``.

        Raises what was refused, which is remembered under the key: ``NotEnoughMoney``, ``DayLimitReached``,
        ``AccountFrozen``, ``AmountTooLarge``, ``AmountTooSmall``; and what is not: ``WholeShillingsOnly``,
        ``RailDown``, ``PayoutsPaused``, ``AccountNotFound``, ``KeyReused``, ``TryLater``.
        """
        return self._requests.request(number, standing, amount, key, to)

    def outcome(self, number: str, key: str) -> Held | Refusal | None:
        """What became of a confirmation; ``None`` while nothing happened under this key."""
        return self._requests.outcome(number, key)

    def give_up(self, number: str, key: str) -> Held | Refusal:
        """Make sure that a confirmation nobody heard of again does nothing from now on; what became of it."""
        return self._requests.give_up(number, key)

    def refund(self, session: Session, refund: Refund) -> str | None:
        """Give money back, on the caller's transaction; ``None`` when there is no way, or it was done before."""
        return self._refunds.refund(session, refund)

    def pay(self, payout_id: int) -> None:
        """The job that has the rail pay; harmless when it runs again."""
        self._calls.pay(payout_id)

    def ask(self, payout_id: int, check: int) -> None:
        """The job that asks the rail; harmless when it runs again."""
        self._questions.ask(payout_id, check)

    def ask_now(self, attempt_id: int, because: str) -> bool:
        """The rail itself does not know: it is asked at once. Whether that is news."""
        return self._questions.ask_now(attempt_id, because)

    def answer(self, payout: Payout, attempt: PayoutAttempt) -> PayoutResult:
        """What the rail itself says of an attempt at this moment, or that it will say so at its address."""
        return self._questions.answer(payout, attempt)

    def result(self, attempt_id: int, result: PayoutResult, source: Source) -> Effect:
        """Apply what a callback or a query said of one attempt; see ``payout_results`` for the rules."""
        return self._results.apply(attempt_id, result, source)

    def stated(self, payout_id: int, result: PayoutResult) -> Effect:
        """Apply what the rail's own statement says: of the attempt it names, else of the last one."""
        with self._desk.db.transaction() as session:
            made = attempts_of(session, payout_id)
        attempt = next((one for one in made if one.own_id == result.own_id), made[-1] if made else None)
        if attempt is None:
            raise NothingWaiting
        return self._results.apply(attempt.id, result, Source.STATEMENT)

    def resume_lost(self) -> int:
        """Defer calls and questions again whose jobs were lost; returns how many."""
        return self._questions.resume_lost()

    def by_reference(self, reference: str) -> Summary | None:
        return self._views.by_reference(reference)

    def dossier(self, reference: str) -> Dossier | None:
        """A payout with its attempts and events, for an operator."""
        return self._views.dossier(reference)

    def latest(self, number: str) -> Glance | None:
        """The last withdrawal of an account that is not certain, or became so a quarter of an hour ago."""
        return self._views.latest(number)

    def to_review(self, limit: int = 200) -> list[Summary]:
        """What a person must look at, oldest first."""
        return self._views.to_review(limit)

    def settle(self, reference: str, *, paid: bool, because: str, receipt: str | None = None) -> None:
        """An operator has looked at the rail's own books: end it so. Raises ``NothingWaiting``, ``KeyReused``."""
        self._review.settle(reference, paid=paid, because=because, receipt=receipt)

    def retry(self, reference: str) -> None:
        """Pay what is held now, ask now about the rest; raises ``NothingWaiting`` when it is decided."""
        self._review.retry(reference)
