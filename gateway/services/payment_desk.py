"""What everything about payments shares: its tools, how it books money and how it tells the payer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

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
from gateway.settings import Settings
from gateway.vault import Vault
from integrations.protocols import Collects


class Books(Protocol):
    """The posting call of the ledger."""

    def post(self, cursor: Any, entry: Entry) -> Posted: ...


class Post(Protocol):
    """Where an SMS is queued on the decision's transaction."""

    def queue(
        self, session: Session, to: Recipient, kind: str, body: str, *, reference: str | None = None
    ) -> object: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """The tools of one rail's money in."""

    db: Database
    rail: Collects
    ledger: Books
    messages: Post
    words: Words
    jobs: Jobs
    vault: Vault
    settings: Settings
    clock: Clock

    def tell(self, session: Session, payment: Payment, kind: str, **blanks: object) -> None:
        """Queue one SMS about a payment to its account's owner, on this transaction."""
        account = owner(session, payment)
        values = {"reference": payment.reference, "amount": payment.amount, "shortcode": self.settings.shortcode}
        body = self.words(f"sms.{kind}", account.language, **(values | blanks))
        self.messages.queue(session, account.recipient, kind, body, reference=payment.reference)

    def credit_wallet(self, session: Session, payment: Payment, key: str, amount: Money) -> None:
        """Book money that came by the rail into the owner's wallet; the same ``key`` books once."""
        first = key == payment.reference
        leg = Leg(f"float:{payment.rail}", owner(session, payment).wallet, amount)
        self._post(session, Entry("payment", key, "deposit", payment.reference if first else new_reference(), (leg,)))

    def credit_suspense(self, session: Session, payment: Payment, key: str, amount: Money) -> None:
        """Book money that came but is not what was asked for: it waits for the payer's choice."""
        leg = Leg(f"float:{payment.rail}", f"suspense:{payment.rail}", amount)
        self._post(session, Entry("payment", key, "deposit_short", new_reference(), (leg,)))

    def add_from_suspense(self, session: Session, payment: Payment, key: str, amount: Money) -> None:
        """Book money that waited in suspense into the owner's wallet, under the reference the payer knows."""
        leg = Leg(f"suspense:{payment.rail}", owner(session, payment).wallet, amount)
        self._post(session, Entry("payment", key, "deposit_added", payment.reference, (leg,)))

    def _post(self, session: Session, entry: Entry) -> None:
        self.ledger.post(cursor_of(session), entry).or_refuse()


def cursor_of(session: Session) -> Any:
    """The DBAPI cursor of the session's own transaction, for the books."""
    return session.connection().connection.cursor()


def owner(session: Session, payment: Payment) -> Account:
    """Whose wallet the payment is for."""
    return session.get_one(Account, payment.account_id)
