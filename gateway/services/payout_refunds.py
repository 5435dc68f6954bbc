"""Giving money back to who paid it: by undoing the payment at its rail, else by paying it to the payer's phone."""

from __future__ import annotations

from sqlalchemy.orm import Session

from gateway.domain.references import new_reference
from gateway.models.payouts import insert_payout, note, payout_locked
from gateway.services.ledger import Entry, Leg
from gateway.services.payment_desk import cursor_of
from gateway.services.payout_books import clearing_of
from gateway.services.payout_desk import PayoutDesk
from gateway.services.refunds import Refund


class Refunds:
    """Makes payouts of refunds, on the transaction in which it is decided to give back."""

    def __init__(self, desk: PayoutDesk) -> None:
        self._desk = desk

    def refund(self, session: Session, refund: Refund) -> str | None:
        """The payout's reference; ``None`` when the rail has no way, or this receipt is given back already."""
        way = self._way(refund)
        payout_id = self._insert(session, refund, way) if way else None
        if payout_id is None:
            return None
        payout = payout_locked(session, payout_id)
        leg = Leg(refund.held_from, clearing_of(refund.rail, refund.amount.currency), refund.amount)
        entry = Entry("refund", payout.idempotency_key, "refund", payout.reference, (leg,))
        payout.reference = self._desk.ledger.post(cursor_of(session), entry).or_refuse().reference
        note(session, payout, "given back to its payer", self._desk.clock())
        self._desk.jobs.defer_pay(session, payout.id, 0)
        return payout.reference

    def _way(self, refund: Refund) -> str | None:
        rail = self._desk.rails.get(refund.rail)
        if rail is not None and rail.gives_back is not None:
            return "reverse"
        return "send" if rail is not None and rail.pays_out is not None and refund.payee is not None else None

    def _insert(self, session: Session, refund: Refund, way: str) -> int | None:
        now, reference = self._desk.clock(), new_reference()
        payee = refund.payee if way == "send" else None
        return insert_payout(
            session,
            reference=reference,
            account_id=refund.account_id,
            idempotency_key=f"refund:{reference}",
            purpose="refund",
            way=way,
            rail=refund.rail,
            held_from=refund.held_from,
            amount_minor=refund.amount.minor,
            currency=refund.amount.currency,
            payee_sealed=self._desk.vault.seal(payee.e164) if payee else None,
            payment_id=refund.payment_id,
            arrival_id=refund.arrival_id,
            undone_receipt=refund.receipt,
            ends_payment=refund.whole,
            due_at=now,
            created_at=now,
        )
