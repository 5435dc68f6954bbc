"""Money for a payment that is settled already: the payer paid twice, and gets the second payment back.

It goes to suspense and from there, in the same transaction, on its way back to who paid. When its rail cannot do that
it is the owner's: in the wallet, or, where nothing more is to be had for it, in suspense before a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import structlog
from sqlalchemy.orm import Session

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.domain.references import new_reference
from gateway.domain.states import PaymentState
from gateway.models.payments import Payment, note
from gateway.services.ledger_entries import Entry, Leg, at_rail
from gateway.services.payment_desk import Desk, owner
from gateway.services.refunds import Refund

_log = structlog.get_logger(__name__)

_SETTLED = (PaymentState.CONFIRMED, PaymentState.REFUNDED)


@dataclass(frozen=True, slots=True)
class Extra:
    """A second receipt for one payment. ``payer`` is who paid it, when that is known."""

    receipt: str
    amount: Money
    payer: Phone | None


class Became(StrEnum):
    """What became of it."""

    SENT_BACK = "sent_back"
    CREDITED = "credited"
    KEPT = "kept"  # in suspense, before a person


class Extras:
    """Books second payments, on the transaction in which their receipt was claimed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def came(self, session: Session, payment: Payment, extra: Extra) -> Became:
        """Send it back when the payment is settled; what was never made keeps all that came for it."""
        note(session, payment, f"another receipt, for {extra.amount}", self._desk.clock())
        key = f"{payment.reference}:{extra.receipt}"
        if payment.state not in _SETTLED:
            payment.needs_review = True
            self._desk.credit_more(session, payment, key, extra.amount)
            return Became.CREDITED
        self._desk.credit_suspense(session, payment, key, extra.amount)
        reference = self._desk.refunds.refund(session, self._refund(payment, extra))
        if reference is None:
            payment.needs_review = True
            return self._keep(session, payment, key, extra)
        note(session, payment, f"paid twice: goes back as {reference}", self._desk.clock())
        _log.warning("payment.paid_twice", payment=payment.reference, refund=reference)
        return Became.SENT_BACK

    def prompted(self, payment: Payment) -> Phone | None:
        """Who answered our prompt; a page may have been paid by anybody."""
        return Phone(self._desk.vault.open(payment.payer_sealed)) if payment.way == "prompt" else None

    def _refund(self, payment: Payment, extra: Extra) -> Refund:
        return Refund(
            rail=payment.rail,
            receipt=extra.receipt,
            amount=extra.amount,
            held_from=at_rail("suspense", payment.rail, payment.currency),
            payment_id=payment.id,
            account_id=payment.account_id,
            payee=extra.payer,
        )

    def _keep(self, session: Session, payment: Payment, key: str, extra: Extra) -> Became:
        account = owner(session, payment)
        suspense = at_rail("suspense", payment.rail, payment.currency)
        more = self._desk.purposes[payment.purpose].more(payment, account)
        if more == suspense:
            words = self._desk.words
            values = {"amount": extra.amount, "reference": payment.reference, "receipt": extra.receipt}
            body = words("sms.paid_twice", account.language, **values)
            self._desk.messages.queue(session, account.recipient, "paid_twice", body, reference=payment.reference)
            return Became.KEPT
        leg = Leg(suspense, more, extra.amount)
        self._desk.post(session, Entry("payment", f"{key}:kept", "deposit_added", new_reference(), (leg,)))
        return Became.CREDITED
