"""A rail's word on a payout, as it arrived: believed when it fits what we asked for, else the rail is asked.

Unless the rail signs what it sends, a body is a hint. It counts by itself when it came to the attempt's own secret
address with an id we know, and tells a failure or a moderate amount. What comes to the address of our own question is
the rail's answer to it, whatever the amount. A body that only says *I do not know* has us ask at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.money import Money
from gateway.models.inbox import InboxState
from gateway.models.payout_attempts import OPEN_ATTEMPTS, AttemptState, attempt_by_ids, attempt_by_token
from gateway.models.payouts import Payout, PayoutAttempt
from gateway.services.callbacks import Handled
from gateway.services.payment_results import Source
from gateway.services.payout_desk import PayoutDesk
from gateway.services.payouts import Payouts
from integrations.protocols import Channel, PaymentVerdict, PayoutResult

_TOLD = (PaymentVerdict.PAID, PaymentVerdict.FAILED)


@dataclass(frozen=True, slots=True)
class _Match:
    """How well a body fits an attempt."""

    tokened: bool
    answers: bool  # it came to the address of our question
    same_id: bool
    modest: bool
    proven: bool

    @property
    def believable(self) -> bool:
        if self.answers:
            return self.same_id
        return self.same_id and (self.proven or (self.tokened and self.modest))


class PayoutCallbacks:
    """The handler of one channel that brings results of payouts."""

    def __init__(self, desk: PayoutDesk, payouts: Payouts, rail: str, channel: Channel) -> None:
        self._desk = desk
        self._payouts = payouts
        self._rail = rail
        self._channel = channel

    def __call__(self, token: str | None, body: bytes) -> Handled:
        result = self._channel.read(body)
        if not isinstance(result, PayoutResult):
            return Handled(InboxState.UNREADABLE, "not a payout result")
        found = self._find(token, result)
        if found is None:
            return Handled(InboxState.UNMATCHED, "no such payout", result.provider_id or result.own_id)
        payout, attempt = found
        match = self._compare(payout, attempt, token, result)
        if result.verdict not in _TOLD:
            return self._unknown(attempt, match)
        if match.believable:
            return _done(self._payouts.result(attempt.id, result, Source.CALLBACK))
        return self._ask(payout, attempt, result, match)

    def _find(self, token: str | None, result: PayoutResult) -> tuple[Payout, PayoutAttempt] | None:
        """By its ids, wherever it was sent; else by the token."""
        with self._desk.db.transaction() as session:
            attempt = attempt_by_ids(session, self._rail, result.own_id, result.provider_id)
            if attempt is None and token:
                attempt = attempt_by_token(session, self._rail, token)
            return (session.get_one(Payout, attempt.payout_id), attempt) if attempt else None

    def _compare(self, payout: Payout, attempt: PayoutAttempt, token: str | None, result: PayoutResult) -> _Match:
        most = Money.major(self._desk.settings.ask_rail_above, payout.currency)
        answers = token is not None and token == attempt.question_token
        tokened = answers or token == attempt.token
        return _Match(
            tokened=tokened,
            answers=answers,
            same_id=_same_id(payout, attempt, result, tokened=tokened, answers=answers),
            modest=self._is_modest(payout, result, most),
            proven=self._channel.proves,
        )

    def _is_modest(self, payout: Payout, result: PayoutResult, most: Money) -> bool:
        """A failure, or complete news of a moderate amount; nobody can be asked about what is undone at the rail."""
        if result.verdict is PaymentVerdict.FAILED or payout.way == "reverse":
            return True
        return result.receipt is not None and result.amount is not None and result.amount.minor <= most.minor

    def _unknown(self, attempt: PayoutAttempt, match: _Match) -> Handled:
        heard = match.tokened and not match.answers and self._payouts.ask_now(attempt.id, "the rail does not know")
        return Handled(InboxState.HANDLED, "the rail is asked" if heard else "no news")

    def _ask(self, payout: Payout, attempt: PayoutAttempt, result: PayoutResult, match: _Match) -> Handled:
        """The rail decides. What it says now has no receipt perhaps; the body's is used when both agree."""
        if attempt.state not in OPEN_ATTEMPTS and not match.tokened:
            return Handled(InboxState.HANDLED, "a hint about what is decided")
        if attempt.state == AttemptState.PAID and result.receipt in (None, attempt.receipt):
            return Handled(InboxState.HANDLED, "repeated")
        answer = self._payouts.answer(payout, attempt)
        if answer.verdict not in _TOLD:
            return Handled(InboxState.RECEIVED, "the rail does not say so yet")
        agrees = answer.verdict is result.verdict and answer.receipt in (None, result.receipt)
        if agrees and match.tokened and match.same_id:
            return _done(self._payouts.result(attempt.id, result, Source.CALLBACK))
        return _done(self._payouts.result(attempt.id, answer, Source.QUERY))


def _same_id(payout: Payout, attempt: PayoutAttempt, result: PayoutResult, *, tokened: bool, answers: bool) -> bool:
    """Whether it is about this attempt. Undoing is repeated, and the rail gives each repetition an id of its own.

    There the address tells. A receipt is undone once, so that *paid* (or *already*) is about this one whichever call it
    answers; *failed* may be about another call than the one that worked.
    """
    told = {result.own_id, result.provider_id} - {None}
    if told & {attempt.own_id, attempt.provider_id} or (answers and not told):
        return True
    done = result.verdict is PaymentVerdict.PAID or result.reason == "already"
    return payout.way == "reverse" and tokened and result.own_id is None and (done or attempt.provider_id is None)


def _done(effect: str) -> Handled:
    return Handled(InboxState.HANDLED, str(effect))
