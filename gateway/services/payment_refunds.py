"""Giving a whole payment back because a person decided so: from its owner's wallet, the way it came."""

from __future__ import annotations

from sqlalchemy.orm import Session

from gateway.domain.errors import CannotGiveBack, NotEnoughMoney, NothingWaiting
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.domain.states import PaymentState
from gateway.models.payments import Payment, note, payment_by_reference, payment_locked
from gateway.services.ledger_entries import at_rail
from gateway.services.payment_desk import Desk, cursor_of, owner
from gateway.services.refunds import Refund


class PaymentRefunds:
    """What an operator may give back."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def give_back(self, payment_reference: str, because: str) -> str:
        """Hold a confirmed deposit's money and send it back; returns the reference of its way back.

        What came short waits in suspense, and goes back from there: then it is nobody's to choose about any more.

        Refuses: ``NothingWaiting`` when it is neither a confirmed deposit with a receipt nor one that came short,
        ``NotEnoughMoney`` when its owner has spent it, ``CannotGiveBack`` when its rail has no way back.
        """
        with self._desk.db.transaction() as session:
            payment = self._there(session, payment_reference)
            reference = self._desk.refunds.refund(session, self._refund(session, payment))
            if reference is None:
                raise CannotGiveBack
            if _is_short(payment):
                payment.waiting_minor, payment.needs_review = 0, False
            note(session, payment, f"goes back as {reference}: {because}", self._desk.clock())
            return reference

    def _there(self, session: Session, reference: str) -> Payment:
        found = payment_by_reference(session, reference)
        payment = payment_locked(session, found.id) if found else None
        if payment is None or payment.receipt is None or payment.received_minor is None:
            raise NothingWaiting
        deposited = payment.state == PaymentState.CONFIRMED and payment.purpose == "deposit"
        if not (deposited or _is_short(payment)):
            raise NothingWaiting
        return payment

    def _refund(self, session: Session, payment: Payment) -> Refund:
        account = owner(session, payment)
        amount = Money(payment.received_minor or 0, payment.currency)
        held_from = at_rail("suspense", payment.rail, payment.currency) if _is_short(payment) else account.wallet
        if not _is_short(payment) and self._desk.ledger.balance(cursor_of(session), account.wallet) < amount:
            raise NotEnoughMoney
        return Refund(
            rail=payment.rail,
            receipt=payment.receipt or "",
            amount=amount,
            held_from=held_from,
            payment_id=payment.id,
            account_id=payment.account_id,
            payee=Phone(self._desk.vault.open(payment.payer_sealed)) if payment.way == "prompt" else None,
            whole=True,
        )


def _is_short(payment: Payment) -> bool:
    """Less came than was asked, and its owner has not taken it."""
    return payment.state == PaymentState.FAILED and payment.reason == "short"
