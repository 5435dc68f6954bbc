"""A rail's word on a payment, as it arrived: believed when it matches what we asked for, else the rail is asked.

Unless the rail signs what it sends, a body is a hint. It counts by itself only when it came to the payment's own secret
address, about the id we know, from the phone we prompted, for what we asked for, and that is moderate. Everything else
makes us ask the rail.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.money import Money
from gateway.domain.states import PaymentState
from gateway.models.inbox import InboxState
from gateway.models.payments import Payment, payment_by_provider_id, payment_by_reference, payment_by_token
from gateway.services.callbacks import Handled
from gateway.services.payment_desk import Desk
from gateway.services.payment_results import Source
from gateway.services.payments import Payments
from integrations.protocols import Channel, PaymentResult, PaymentVerdict


@dataclass(frozen=True, slots=True)
class _Match:
    """How well a body fits a payment."""

    tokened: bool
    same_id: bool
    same_payer: bool
    complete: bool
    moderate: bool
    proven: bool

    @property
    def fits(self) -> bool:
        return (self.tokened or self.proven) and self.same_id and self.same_payer and self.complete

    @property
    def believable(self) -> bool:
        """It needs no question: it fits, and is signed or small enough."""
        return self.fits and (self.proven or self.moderate)


class PaymentCallbacks:
    """The handler of one channel that brings results of payments."""

    def __init__(self, desk: Desk, payments: Payments, rail: str, channel: Channel) -> None:
        self._desk = desk
        self._payments = payments
        self._rail = rail
        self._channel = channel

    def __call__(self, token: str | None, body: bytes) -> Handled:
        result = self._channel.read(body)
        if not isinstance(result, PaymentResult):
            return Handled(InboxState.UNREADABLE, "not a payment result")
        payment = self._find(token, result)
        if payment is None:
            return Handled(InboxState.UNMATCHED, "no such payment", result.provider_id or result.reference)
        match = self._compare(payment, token, result)
        if match.believable or (match.fits and result.verdict is not PaymentVerdict.PAID):
            return _done(self._payments.result(payment.id, result, Source.CALLBACK))
        return self._ask(payment, result, match)

    def _find(self, token: str | None, result: PaymentResult) -> Payment | None:
        """By token; but a body about another payment's id is a hint for that one, wherever it was sent.

        Only payments of this very rail: the token of a page is in its return address, which the payer sees, and must
        not open the door of a rail that does not sign.
        """
        with self._desk.db.transaction() as session:
            by_id = result.provider_id and payment_by_provider_id(session, self._rail, result.provider_id)
            by_reference = result.reference and payment_by_reference(session, result.reference)
            by_token = token and payment_by_token(session, token)
            found = (by_id, by_reference, by_token)
            return next((payment for payment in found if payment and payment.rail == self._rail), None)

    def _compare(self, payment: Payment, token: str | None, result: PaymentResult) -> _Match:
        paid = result.verdict is PaymentVerdict.PAID
        payer = None if result.payer is None else self._desk.vault.phone_index(result.payer)
        most = Money.major(self._desk.settings.ask_rail_above, payment.currency)
        return _Match(
            tokened=token == payment.token,
            same_id=_same_ids(payment, result),
            same_payer=payer is None or payer == payment.payer_index,
            complete=not paid or (result.receipt is not None and result.amount is not None),
            moderate=result.amount in (None, payment.amount) and payment.amount.minor <= most.minor,
            proven=self._channel.proves,
        )

    def _ask(self, payment: Payment, result: PaymentResult, match: _Match) -> Handled:
        """The rail decides. Its answer has no receipt; the body's is used only when nothing else was doubtful."""
        if _adds_nothing(payment, match) and not self._is_more(payment, result):
            return Handled(InboxState.HANDLED, "a hint about a payment that was made")
        answer = self._payments.answer(payment, result.provider_id, result.receipt)
        if answer.verdict not in (PaymentVerdict.PAID, PaymentVerdict.FAILED):
            return Handled(InboxState.RECEIVED, "the rail does not say so yet")
        agrees = answer.verdict is result.verdict and (match.same_id or answer.verdict is PaymentVerdict.PAID)
        proven = agrees and match.tokened and match.same_payer and match.complete
        if proven:
            effect = self._payments.result(payment.id, result, Source.CALLBACK, review=not match.same_id)
        elif match.same_id:
            effect = self._payments.result(payment.id, answer, Source.QUERY, review=match.tokened)
        else:
            return Handled(InboxState.UNMATCHED, "not the prompt we sent", result.provider_id)
        return _done(effect)

    def _is_more(self, payment: Payment, result: PaymentResult) -> bool:
        """Whether the rail itself seems to tell of another receipt: a page can be paid twice."""
        return self._channel.signed is not None and result.receipt not in (None, payment.receipt)


def _same_ids(payment: Payment, result: PaymentResult) -> bool:
    """Whether the ids agree: our reference if it is told, then the first id of a kind that both sides know.

    A rail's callbacks need not carry the id by which it is asked. What shares nothing with what we know is another's.
    """
    if result.reference is not None and result.reference != payment.reference:
        return False
    kinds = ((payment.provider_id, result.provider_id), (payment.request_id, result.request_id))
    for ours, told in kinds:
        if ours is not None and told is not None:
            return ours == told
    return result.reference is not None or payment.provider_id is None


def _adds_nothing(payment: Payment, match: _Match) -> bool:
    """A rail says *paid* of one prompt as often as it is asked: of a second receipt for it, that proves nothing."""
    told_already = match.same_id and payment.receipt is not None
    return told_already or (payment.state == PaymentState.CONFIRMED and not match.tokened)


def _done(effect: str) -> Handled:
    return Handled(InboxState.HANDLED, str(effect))
