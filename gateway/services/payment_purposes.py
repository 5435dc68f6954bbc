"""What a payment is for, and so how its money is booked: a deposit fills a wallet, credits are sold and handed out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gateway.domain.money import Money
from gateway.domain.references import new_reference
from gateway.models.accounts import Account
from gateway.models.payments import Payment
from gateway.services.ledger_entries import Entry, Leg, at_rail


class Purpose(Protocol):
    """One purpose of payments. ``offers_choice``: less than asked may be added to the payer's wallet all the same."""

    offers_choice: bool

    def entries(self, payment: Payment, owner: Account, amount: Money) -> Sequence[Entry]:
        """The entries of a payment that is made: ``amount`` came, at least as much as was asked for."""

    def more(self, payment: Payment, owner: Account) -> str:
        """The ledger account of money that comes on top, later."""

    def title(self, payment: Payment) -> str:
        """What the payer reads that it is for."""


def came(payment: Payment, key: str, reference: str, leg: Leg) -> Entry:
    """The entry of money from a rail, of a kind that tells on a statement by what it came."""
    if payment.way == "link":
        return Entry("payment", key, "deposit_by_card", reference, (leg,))
    return Entry("payment", key, "deposit", reference, (leg,))


class Deposits:
    """All of it is the payer's own money, also when it is more than was asked for."""

    offers_choice = True

    def entries(self, payment: Payment, owner: Account, amount: Money) -> Sequence[Entry]:
        leg = Leg(at_rail("float", payment.rail, payment.currency), owner.wallet, amount)
        return (came(payment, payment.reference, payment.reference, leg),)

    def more(self, payment: Payment, owner: Account) -> str:
        return owner.wallet

    def title(self, payment: Payment) -> str:
        return "Mlango deposit"


class CreditSales:
    """The price is income, the credits are handed out; what came on top, or short, waits in suspense for a person."""

    offers_choice = False

    def __init__(self, packages: Mapping[str, tuple[int, int]]) -> None:
        """``packages``: credits and price (major units) by package."""
        self._packages = packages

    def entries(self, payment: Payment, owner: Account, amount: Money) -> Sequence[Entry]:
        came_by = at_rail("float", payment.rail, payment.currency)
        legs = [Leg(came_by, f"sales:{payment.currency}", payment.amount)]
        if amount > payment.amount:
            legs.append(Leg(came_by, self.more(payment, owner), amount - payment.amount))
        wallet = f"credits:{owner.number}"
        handed = Leg("issued:credits", wallet, self.credits(payment))
        return (
            Entry("payment", payment.reference, "credits_sale", payment.reference, tuple(legs)),
            Entry("credits", payment.reference, "credits_bought", new_reference(), (handed,), opens=(wallet,)),
        )

    def more(self, payment: Payment, owner: Account) -> str:
        return at_rail("suspense", payment.rail, payment.currency)

    def title(self, payment: Payment) -> str:
        return str(self.credits(payment))

    def credits(self, payment: Payment) -> Money:
        """What the package holds."""
        return Money(self._packages[payment.package or ""][0], "credits")
