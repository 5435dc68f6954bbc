"""What everything about payouts shares: its tools, when it must wait, and how people are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.errors import PayoutsPaused
from gateway.domain.phone import Phone
from gateway.domain.words import Words
from gateway.models.accounts import Account
from gateway.models.payouts import Payout
from gateway.services.fees import Fees
from gateway.services.later import Jobs
from gateway.services.ledger import Ledger
from gateway.services.limits import Limits
from gateway.services.payment_desk import Post, cursor_of
from gateway.services.rail_health import RailHealth
from gateway.services.stops import PAYOUTS, Stops
from gateway.settings import Settings
from gateway.vault import Vault
from integrations.protocols import Addresses, Rail


@dataclass(frozen=True, slots=True)
class PayoutDesk:
    """The tools of money out."""

    db: Database
    rails: Mapping[str, Rail]
    ledger: Ledger
    messages: Post
    words: Words
    jobs: Jobs
    vault: Vault
    settings: Settings
    clock: Clock
    health: RailHealth
    stops: Stops
    fees: Fees
    limits: Limits

    def rail_of(self, payout: Payout) -> Rail | None:
        """The payout's rail, whatever new money takes; ``None`` when it is no longer configured."""
        return self.rails.get(payout.rail)

    def addresses(self, token: str) -> Addresses:
        """Where the rail calls back about the attempt, or the question, with this token."""
        return lambda channel: f"{self.settings.public_url}/hooks/{token}/{channel}"

    def refuse_if_closed(self) -> None:
        """Raises ``RailDown`` while the rail does not answer, ``PayoutsPaused`` when none pays out or it is stopped."""
        rail = self.rails.get(self.settings.payouts)
        if rail is None or rail.pays_out is None:
            raise PayoutsPaused
        self.stops.refuse_payouts()
        self.health.refuse_if_down(rail.name)

    def must_wait(self, payout: Payout) -> bool:
        """Whether a payout that is held stays held for now."""
        return self.is_stopped or payout.rail in self.health.down()

    @property
    def is_stopped(self) -> bool:
        """Whether an operator, or an alarm, has stopped money from going out."""
        return self.stops.why(PAYOUTS) is not None

    def tell(self, session: Session, payout: Payout, kind: str, **blanks: object) -> None:
        """Queue one SMS about a payout to its account's owner, if it has one, on this transaction."""
        account = self.owner(session, payout)
        if account is None:
            return
        values: dict[str, object] = {
            "reference": payout.reference,
            "amount": payout.amount,
            "fee": payout.fee,
            "receipt": payout.receipt,
            "to": self.shown(payout),
            "balance": self.ledger.balance(cursor_of(session), account.wallet),
        }
        body = self.words(f"sms.{kind}", account.language, **(values | blanks))
        self.messages.queue(session, account.recipient, kind, body, reference=payout.reference)

    def owner(self, session: Session, payout: Payout) -> Account | None:
        """Whom it is about; ``None`` for somebody without an account."""
        return session.get(Account, payout.account_id) if payout.account_id is not None else None

    def shown(self, payout: Payout) -> str:
        """The phone it goes to, masked; empty for what is undone at the rail."""
        return Phone(self.vault.open(payout.payee_sealed)).masked if payout.payee_sealed else ""
