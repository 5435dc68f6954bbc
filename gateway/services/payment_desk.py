"""What everything about payments shares: its tools, how it books money and how it tells the payer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.money import Money
from gateway.domain.references import new_reference
from gateway.domain.words import Words
from gateway.models.accounts import Account
from gateway.models.messages import Recipient
from gateway.models.payments import Payment
from gateway.services.later import Jobs
from gateway.services.ledger import Entry, Leg, Posted
from gateway.services.ledger_entries import at_rail
from gateway.services.payment_purposes import Purpose, came
from gateway.services.rail_health import Hears, HearsNothing
from gateway.services.refunds import NoRefunds, Refunds
from gateway.settings import Settings
from gateway.vault import Vault
from integrations.protocols import Addresses, Rail


class Books(Protocol):
    """What is asked of the ledger."""

    def post(self, cursor: Any, entry: Entry) -> Posted: ...
    def balance(self, cursor: Any, code: str) -> Money: ...


class Post(Protocol):
    """Where an SMS is queued on the decision's transaction."""

    def queue(
        self, session: Session, to: Recipient, kind: str, body: str, *, reference: str | None = None
    ) -> object: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """The tools of money in. ``purposes``: what money buys, by the payment's purpose; ``refunds``: the way back."""

    db: Database
    rails: Mapping[str, Rail]
    ledger: Books
    messages: Post
    words: Words
    jobs: Jobs
    vault: Vault
    settings: Settings
    clock: Clock
    purposes: Mapping[str, Purpose]
    health: Hears = field(default_factory=HearsNothing)
    refunds: Refunds = field(default_factory=NoRefunds)

    def rail_of(self, payment: Payment) -> Rail | None:
        """The payment's rail, whatever new money takes; ``None`` when it is no longer configured."""
        return self.rails.get(payment.rail)

    def addresses(self, payment: Payment) -> Addresses:
        """Where the rail calls back about this very payment."""
        return lambda channel: f"{self.settings.public_url}/hooks/{payment.token}/{channel}"

    def tell(self, session: Session, payment: Payment, kind: str, **blanks: object) -> None:
        """Queue one SMS about a payment to its account's owner, on this transaction: ``sms.<told as>_<kind>``."""
        account, kind = owner(session, payment), f"{payment.told_as}_{kind}"
        values = {"reference": payment.reference, "amount": payment.amount, "shortcode": self.settings.shortcode}
        values["title"] = self.title(payment)
        body = self.words(f"sms.{kind}", account.language, **(values | blanks))
        self.messages.queue(session, account.recipient, kind, body, reference=payment.reference)

    def email(self, number: str) -> str:
        """An address for rails that insist on one: people here have phones. Nothing is delivered to it."""
        return f"{number.lower()}@{urlsplit(self.settings.public_url).hostname or 'localhost'}"

    def title(self, payment: Payment) -> str:
        """What it is for, in a few words: ``10 credits``."""
        return self.purposes[payment.purpose].title(payment)

    def settle(self, session: Session, payment: Payment, amount: Money) -> None:
        """Book the money of a payment that is made, and what it buys; once per payment."""
        for entry in self.purposes[payment.purpose].entries(payment, owner(session, payment), amount):
            self.post(session, entry)

    def credit_more(self, session: Session, payment: Payment, key: str, amount: Money) -> None:
        """Book money that came on top of what was settled; the same ``key`` books once."""
        more = self.purposes[payment.purpose].more(payment, owner(session, payment))
        leg = Leg(at_rail("float", payment.rail, payment.currency), more, amount)
        self.post(session, came(payment, key, new_reference(), leg))

    def credit_suspense(self, session: Session, payment: Payment, key: str, amount: Money) -> None:
        """Book money that came but is not what was asked for: it waits for the payer's choice."""
        rail, currency = payment.rail, payment.currency
        leg = Leg(at_rail("float", rail, currency), at_rail("suspense", rail, currency), amount)
        self.post(session, Entry("payment", key, "deposit_short", new_reference(), (leg,)))

    def owe_suspense(self, session: Session, payment: Payment, key: str, amount: Money) -> None:
        """Book that less came than was credited: the rail never had the difference, and suspense says who lacks it."""
        rail, currency = payment.rail, payment.currency
        leg = Leg(at_rail("suspense", rail, currency), at_rail("float", rail, currency), amount)
        self.post(session, Entry("payment", key, "deposit_less", new_reference(), (leg,)))

    def add_from_suspense(self, session: Session, payment: Payment, key: str, amount: Money) -> None:
        """Book money that waited in suspense into the owner's wallet, under the reference the payer knows."""
        leg = Leg(at_rail("suspense", payment.rail, payment.currency), owner(session, payment).wallet, amount)
        self.post(session, Entry("payment", key, "deposit_added", payment.reference, (leg,)))

    def post(self, session: Session, entry: Entry) -> None:
        """Book an entry on this transaction; raises what the books refuse."""
        self.ledger.post(cursor_of(session), entry).or_refuse()


def cursor_of(session: Session) -> Any:
    """The DBAPI cursor of the session's own transaction, for the books."""
    return session.connection().connection.cursor()


def owner(session: Session, payment: Payment) -> Account:
    """Whose wallet the payment is for."""
    return session.get_one(Account, payment.account_id)
