"""How money that came by itself is booked: to a wallet, to suspense, and from there to whom it was for after all."""

from __future__ import annotations

from sqlalchemy.orm import Session

from gateway.domain.money import Money
from gateway.domain.references import new_reference
from gateway.domain.states import ArrivalState
from gateway.models.accounts import Account
from gateway.models.arrivals import Arrival, advance, suspended_arrival
from gateway.models.payments import Payment, give_receipt
from gateway.services.ledger_entries import Entry, Leg, at_rail
from gateway.services.payment_desk import Desk


def credit(desk: Desk, session: Session, arrival: Arrival, account: Account) -> None:
    """From the rail to a wallet."""
    _post(desk, session, arrival, "deposit", Leg(_at("float", arrival), account.wallet, arrival.amount))


def suspend(desk: Desk, session: Session, arrival: Arrival) -> None:
    """From the rail to suspense: it is here, and nobody's."""
    _post(desk, session, arrival, "arrival_suspended", Leg(_at("float", arrival), suspense(arrival), arrival.amount))


def assign(desk: Desk, session: Session, arrival: Arrival, account: Account) -> None:
    """From suspense to a wallet."""
    leg = Leg(suspense(arrival), account.wallet, arrival.amount)
    _post(desk, session, arrival, "deposit_added", leg, step=":assigned")


def freed(desk: Desk, session: Session, payment: Payment, receipt: str, amount: Money) -> bool:
    """Whether a receipt's money lay in suspense, and leaves it now because it was for this payment.

    Money may be told of before we are told what it is for. It goes back to the float, as if it came at this moment.
    """
    arrival = suspended_arrival(session, payment.rail, receipt)
    if arrival is None or arrival.amount != amount:
        return False
    unsuspend(desk, session, arrival)
    advance(arrival, ArrivalState.CREDITED, "it was for a payment", desk.clock())
    arrival.payment_id = payment.id
    give_receipt(session, payment.rail, receipt, payment.id)
    return True


def unsuspend(desk: Desk, session: Session, arrival: Arrival) -> None:
    """From suspense back to the rail, to be booked anew."""
    leg = Leg(suspense(arrival), _at("float", arrival), arrival.amount)
    _post(desk, session, arrival, "arrival_freed", leg, step=":freed")


def suspense(arrival: Arrival) -> str:
    """The ledger account in which it waits."""
    return _at("suspense", arrival)


def _at(kind: str, arrival: Arrival) -> str:
    return at_rail(kind, arrival.rail, arrival.currency)


def _post(desk: Desk, session: Session, arrival: Arrival, kind: str, leg: Leg, *, step: str = "") -> None:
    key = f"{arrival.rail}:{arrival.receipt}{step}"
    desk.post(session, Entry("arrival", key, kind, new_reference(), (leg,)))
