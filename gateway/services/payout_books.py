"""Every entry about money on its way out, on one screen; how it is held is with who asks for it.

All of them go through ``clearing:<rail>``: what is there is in nobody's hand. Each is posted once, under a key of the
payout's own reference.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from gateway.domain.money import Money
from gateway.domain.references import new_reference
from gateway.models.payouts import Payout
from gateway.services.ledger import Entry, Ledger, Leg
from gateway.services.ledger_entries import at_rail
from gateway.services.payment_desk import cursor_of


class PayoutBooks:
    """Posts on the caller's transaction, in which the payout changes its state."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def paid(self, session: Session, payout: Payout) -> None:
        """The money has left the rail, and the fee is earned."""
        legs = _legs(payout, at_rail("float", payout.rail, payout.currency), "fees")
        self._post(session, Entry("payout", f"{payout.reference}:paid", "payout_paid", new_reference(), legs))

    def returned(self, session: Session, payout: Payout) -> None:
        """It failed for sure: amount and fee go back to where they were held from."""
        key, legs = f"{payout.reference}:returned", _legs(payout, payout.held_from, payout.held_from)
        if payout.purpose == "withdraw":
            entry = Entry("payout", key, "withdraw_returned", new_reference(), legs)
        else:
            entry = Entry("payout", key, "refund_returned", new_reference(), legs)
        self._post(session, entry)

    def kept(self, session: Session, payout: Payout, wallet: str) -> None:
        """What could not be sent back to its payer is put into the payer's wallet."""
        leg = Leg(payout.held_from, wallet, payout.amount)
        self._post(session, Entry("payout", f"{payout.reference}:kept", "refund_kept", new_reference(), (leg,)))

    def paid_again(self, session: Session, payout: Payout, evidence: str) -> None:
        """The rail paid what we had not set aside for it (any more): the money is gone, and suspense says so."""
        rail, currency = payout.rail, payout.currency
        leg = Leg(at_rail("suspense", rail, currency), at_rail("float", rail, currency), payout.amount)
        key = f"{payout.reference}:{evidence}"
        self._post(session, Entry("payout", key, "payout_again", new_reference(), (leg,)))

    def _post(self, session: Session, entry: Entry) -> None:
        self._ledger.post(cursor_of(session), entry).or_refuse()


def clearing_of(rail: str, currency: str) -> str:
    """Where money waits that is on its way out by a rail."""
    return at_rail("clearing", rail, currency)


def _legs(payout: Payout, amount_to: str, fee_to: str) -> tuple[Leg, ...]:
    """Out of clearing: the amount first, then the fee if there is one."""
    clearing = clearing_of(payout.rail, payout.currency)
    legs = [Leg(clearing, amount_to, payout.amount)]
    if payout.fee > Money(0, payout.currency):
        legs.append(Leg(clearing, fee_to, payout.fee))
    return tuple(legs)
