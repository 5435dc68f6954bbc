"""What a rail says became of a payment, turned into money, a state and an SMS in one transaction.

Refused before anything else: a receipt that was seen before, on any channel. Then the rules, in this order: a success
wins over everything; a failure never overwrites a success; less than asked is never called paid; silence is never
called failed. What contradicts what we know changes no money and is put before a person (``needs_review``).
"""

from __future__ import annotations

from enum import StrEnum

import structlog
from sqlalchemy.orm import Session

from gateway.domain.money import Money
from gateway.domain.states import PaymentState
from gateway.models.payments import (
    Payment,
    advance,
    claim_receipt,
    note,
    owner_of_receipt,
    payment_by_provider_id,
    payment_locked,
)
from gateway.services.arrival_books import freed
from gateway.services.payment_desk import Desk
from gateway.services.payment_extras import Became, Extra, Extras
from integrations.protocols import PaymentResult, PaymentVerdict

_log = structlog.get_logger(__name__)

#: Which SMS tells which failure; everything else is told by ``failed``.
_TOLD = {"cancelled": "cancelled", "no_money": "no_money", "timeout": "timeout"}


class Source(StrEnum):
    CALLBACK = "callback"
    QUERY = "query"
    STATEMENT = "statement"  # the rail's own books, with a receipt
    ARRIVAL = "arrival"  # money that came by itself and named the payment


class Effect(StrEnum):
    """What a result did."""

    CONFIRMED = "confirmed"
    SHORT = "short"
    EXTRA = "extra"
    SENT_BACK = "sent_back"  # paid twice, and on its way back
    COMPLETED = "completed"  # the receipt of a payment that a query had confirmed
    FAILED = "failed"
    REPEATED = "repeated"  # nothing new
    CONTRADICTION = "contradiction"  # nothing changed, a person looks at it
    NOT_YET = "not_yet"


class Results:
    """Applies results. The same one twice, or two at once, count once."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._extras = Extras(desk)

    def apply(self, payment_id: int, result: PaymentResult, source: Source, *, review: bool = False) -> Effect:
        """Credit, fail or leave one payment; ``review`` puts it before a person as well."""
        if result.verdict not in (PaymentVerdict.PAID, PaymentVerdict.FAILED):
            return Effect.NOT_YET
        with self._desk.db.transaction() as session:
            return self.within(session, payment_id, result, source, review=review)

    def within(
        self, session: Session, payment_id: int, result: PaymentResult, source: Source, *, review: bool = False
    ) -> Effect:
        """The same for a result that is certain, as a part of the caller's transaction."""
        payment = payment_locked(session, payment_id)
        payment.needs_review = payment.needs_review or review
        _adopt_ids(session, payment, result)
        act = self._paid if result.verdict is PaymentVerdict.PAID else self._failed
        effect = act(session, payment, result, source)
        _log.info("payment.result", payment=payment.reference, source=str(source), effect=str(effect))
        return effect

    def _paid(self, session: Session, payment: Payment, result: PaymentResult, source: Source) -> Effect:
        if result.amount and result.amount.currency != payment.currency:
            return self._other_currency(session, payment)
        amount = result.amount or payment.amount
        if result.receipt and not self._claims(session, payment, result.receipt, amount):
            return self._known_receipt(session, payment, result, result.receipt)
        if payment.received_minor is not None:
            return self._money_again(session, payment, result, amount, source)
        payment.result_code, payment.receipt, payment.received_minor = result.code, result.receipt, amount.minor
        if amount < payment.amount:
            return self._short(session, payment, amount, source)
        return self._confirm(session, payment, amount, source)

    def _claims(self, session: Session, payment: Payment, receipt: str, amount: Money) -> bool:
        """Whether the receipt is new, or was told of before anybody knew that it is for this payment."""
        is_new = claim_receipt(session, payment.rail, receipt, payment.id, self._desk.clock())
        return is_new or freed(self._desk, session, payment, receipt, amount)

    def _confirm(self, session: Session, payment: Payment, amount: Money, source: Source) -> Effect:
        """As much as was asked for, or more: what becomes of more is for the purpose to say."""
        advance(session, payment, PaymentState.CONFIRMED, f"paid by {source}", self._desk.clock(), money=True)
        payment.reason = None
        self._desk.settle(session, payment, amount)
        self._tell_credited(session, payment, amount, payment.receipt)
        return Effect.CONFIRMED

    def _short(self, session: Session, payment: Payment, amount: Money, source: Source) -> Effect:
        """Less than asked: it waits in suspense until the payer chooses; the payment asked for was not made."""
        now, because = self._desk.clock(), f"short by {source}: {amount} came"
        if payment.is_open:
            advance(session, payment, PaymentState.FAILED, because, now)
        else:
            note(session, payment, because, now)
        payment.reason, payment.needs_review = "short", True
        payment.waiting_minor = amount.minor if self._desk.purposes[payment.purpose].offers_choice else 0
        self._desk.credit_suspense(session, payment, f"{payment.reference}:short", amount)
        self._desk.tell(session, payment, "short", received=amount)
        return Effect.SHORT

    def _money_again(
        self, session: Session, payment: Payment, result: PaymentResult, amount: Money, source: Source
    ) -> Effect:
        if result.receipt is None:
            return Effect.REPEATED
        same_prompt = result.provider_id in (None, payment.provider_id)
        # Whoever pays the paybill and types the reference says so too, but seldom pays the very amount.
        typed = source is Source.ARRIVAL and amount.minor != payment.received_minor
        if payment.receipt is None and same_prompt and not typed:
            return self._complete(session, payment, result.receipt, amount)
        payer = result.payer if source is Source.ARRIVAL else result.payer or self._extras.prompted(payment)
        return self._extra(session, payment, Extra(result.receipt, amount, payer))

    def _complete(self, session: Session, payment: Payment, receipt: str, amount: Money) -> Effect:
        """A query, which does not know how much came, was first: now the callback says so, and the receipt."""
        credited = Money(payment.received_minor or 0, payment.currency)
        payment.receipt, payment.received_minor = receipt, amount.minor
        note(session, payment, f"receipt came later, for {amount}", self._desk.clock())
        if amount > credited:
            self._desk.credit_more(session, payment, f"{payment.reference}:{receipt}", amount - credited)
            self._tell_credited(session, payment, amount - credited, receipt)
        elif amount < credited:
            self._desk.owe_suspense(session, payment, f"{payment.reference}:{receipt}", credited - amount)
            payment.needs_review = True
            _log.error("payment.contradiction", payment=payment.reference, why="less came than the query confirmed")
        return Effect.COMPLETED

    def _extra(self, session: Session, payment: Payment, extra: Extra) -> Effect:
        """Paid twice: what is settled needs no more, so it goes back; what was not made keeps all that came."""
        became = self._extras.came(session, payment, extra)
        if became is Became.SENT_BACK:
            return Effect.SENT_BACK
        if became is Became.CREDITED:
            self._tell_credited(session, payment, extra.amount, extra.receipt)
        return Effect.EXTRA

    def _known_receipt(self, session: Session, payment: Payment, result: PaymentResult, receipt: str) -> Effect:
        taken_by = owner_of_receipt(session, payment.rail, receipt)
        if taken_by == payment.id:
            # A query may have told the receipt without the amount: then what was asked for was taken for what came.
            assumed = receipt == payment.receipt and payment.received_minor == payment.amount_minor
            if assumed and result.amount not in (None, payment.amount):
                return self._complete(session, payment, receipt, result.amount)
            return Effect.REPEATED
        payment.needs_review = True
        note(session, payment, "a receipt that another payment has", self._desk.clock())
        _log.error("payment.contradiction", payment=payment.reference, why="receipt of another payment")
        return Effect.CONTRADICTION

    def _other_currency(self, session: Session, payment: Payment) -> Effect:
        """Not what was asked for in any way, and no account of ours holds it."""
        payment.needs_review = True
        note(session, payment, "paid in another currency", self._desk.clock())
        _log.error("payment.contradiction", payment=payment.reference, why="paid in another currency")
        return Effect.CONTRADICTION

    def _failed(self, session: Session, payment: Payment, result: PaymentResult, source: Source) -> Effect:
        if not payment.is_open:
            return self._failed_again(session, payment, source)
        because = f"{source} says {result.reason or 'failed'} ({result.code})"
        if source is Source.QUERY and result.reason == "other":
            # A code that nobody documented, from a status source known to err: held, and a person looks.
            payment.needs_review = True
            note(session, payment, because, self._desk.clock())
            return Effect.CONTRADICTION
        advance(session, payment, PaymentState.FAILED, because, self._desk.clock())
        payment.result_code, payment.reason = result.code, result.reason or "other"
        payment.needs_review = payment.needs_review or payment.reason == "other"
        self._desk.tell(session, payment, _TOLD.get(payment.reason, "failed"))
        return Effect.FAILED

    def _failed_again(self, session: Session, payment: Payment, source: Source) -> Effect:
        """A later failure never overwrites; against a success that has no receipt it is a contradiction."""
        doubtful = payment.state == PaymentState.CONFIRMED and payment.receipt is None
        if not doubtful or source is Source.QUERY:
            return Effect.REPEATED
        payment.needs_review = True
        note(session, payment, "the callback says failed, the query said paid", self._desk.clock())
        _log.error("payment.contradiction", payment=payment.reference, why="failed after a query said paid")
        return Effect.CONTRADICTION

    def _tell_credited(self, session: Session, payment: Payment, amount: Money, receipt: str | None) -> None:
        kind = "confirmed" if receipt else "confirmed_no_receipt"
        self._desk.tell(session, payment, kind, amount=amount, receipt=receipt)


def _adopt_ids(session: Session, payment: Payment, result: PaymentResult) -> None:
    """Keep the rail's id from a result that came although the answer to our call was lost."""
    new = result.provider_id if payment.provider_id is None else None
    if new and payment_by_provider_id(session, payment.rail, new) is None:
        payment.provider_id = new
        payment.request_id = payment.request_id or result.request_id
