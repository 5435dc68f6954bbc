"""Money sent to a number without an account: it waits, and is claimed by its owner or goes back, never both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.errors import TryLater
from gateway.domain.money import Money
from gateway.domain.names import masked
from gateway.domain.phone import Phone
from gateway.domain.references import new_reference
from gateway.domain.words import Words
from gateway.models import claims as rows
from gateway.models.accounts import account_by_index
from gateway.models.claims import Claim, Sender, Stranger
from gateway.services.ledger import Entry, Ledger, Leg, Posted, Tell, Telling, patiently
from gateway.vault import Vault

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Hold:
    """What a claim is made of: who sends (``sender`` as others see it) how much to which phone."""

    sender_number: str
    sender: str
    language: str
    phone: Phone
    index: bytes = field(repr=False)
    amount: Money
    fee: Money


@dataclass(frozen=True, slots=True)
class Claimed:
    """Money that waited and has arrived; ``sender`` as others see it."""

    reference: str
    amount: Money
    sender: str


class Claimant(Protocol):
    """What claims need of a newly active account."""

    @property
    def id(self) -> Any: ...
    @property
    def number(self) -> Any: ...
    @property
    def name(self) -> Any: ...
    @property
    def language(self) -> Any: ...
    @property
    def phone_index(self) -> Any: ...


class Claims:
    """Holding, claiming and returning. Each claim is settled under one key of the books, whichever way it goes."""

    def __init__(
        self,
        db: Database,
        ledger: Ledger,
        vault: Vault,
        words: Words,
        clock: Clock,
        *,
        shortcode: str,
        days: int,
    ) -> None:
        self._db = db
        self._ledger = ledger
        self._vault = vault
        self._words = words
        self._clock = clock
        self._shortcode = shortcode
        self._days = days

    def hold(self, entry: Entry, hold: Hold) -> Posted:
        """Post the sender's entry and let its money wait; both people are told. Raises what ``Ledger.post`` does."""
        return patiently(lambda: self._hold(entry, hold))

    def claim_all(self, session: Session, account: Claimant) -> list[Claimed]:
        """Give a newly active account everything that waits for its phone, in the transaction that activates it."""
        return [self._claim(session, claim, account) for claim in rows.waiting_for(session, account.phone_index)]

    def return_expired(self, limit: int = 100) -> int:
        """Send back what nobody claimed in time; returns how many. Each is a transaction of its own."""
        with self._db.transaction() as session:
            late = rows.expired_ids(session, self._clock(), limit)
        return self._each(self._return, late)

    def give_stranded(self, limit: int = 100) -> int:
        """Give members what was set aside while they registered; returns how many."""
        with self._db.transaction() as session:
            stranded = rows.stranded_ids(session, limit)
        return self._each(self._give, stranded)

    def settle_due(self) -> int:
        """All that the clock settles: first what members are waiting for, then what nobody claimed."""
        return self.give_stranded() + self.return_expired()

    def _each(self, settle: Callable[[int], int], claim_ids: list[int]) -> int:
        """One that breaks the code must not stand before all others, round after round."""
        settled = 0
        for claim_id in claim_ids:
            try:
                settled += settle(claim_id)
            except TryLater:
                raise
            except Exception:
                log.exception("claim.failed", claim=claim_id)
        return settled

    def _give(self, claim_id: int) -> int:
        with self._db.transaction() as session:
            claim = rows.lock_waiting(session, claim_id)
            account = account_by_index(session, claim.recipient_index) if claim else None
            if claim is None or account is None:
                return 0
            self._claim(session, claim, account)
        return 1

    def _hold(self, entry: Entry, hold: Hold) -> Posted:
        with self._db.transaction() as session:
            posted = self._ledger.post(_cursor(session), entry, self._sent(hold))
            if posted.refusal is None and not posted.replayed:
                to = Stranger(hold.index, self._vault.seal(hold.phone.e164), hold.phone.last4)
                rows.insert_claim(session, self._row(posted.reference, hold), to)
                rows.tell_stranger(session, to, self._waiting(posted.reference, hold))
        return posted

    def _row(self, reference: str, hold: Hold) -> dict[str, object]:
        now = self._clock()
        return {
            "reference": reference,
            "sender": hold.sender_number,
            "amount": hold.amount.minor,
            "fee": hold.fee.minor,
            "currency": hold.amount.currency,
            "expires_at": now + timedelta(days=self._days),
            "now": now,
        }

    def _sent(self, hold: Hold) -> Telling:
        values = {"amount": hold.amount, "to": hold.phone.masked, "days": self._days, "fee": hold.fee}

        def messages(reference: str) -> list[Tell]:
            body = self._words("sms.claim_sent", hold.language, reference=reference, **values)
            return [Tell(hold.sender_number, "claim_sent", body)]

        return Telling(messages, self._clock())

    def _waiting(self, reference: str, hold: Hold) -> dict[str, object]:
        """In the sender's language: nobody knows the other's yet."""
        values = {"sender": hold.sender, "amount": hold.amount, "shortcode": self._shortcode, "days": self._days}
        body = self._words("sms.claim_waiting", hold.language, reference=reference, **values)
        return {"kind": "claim_waiting", "reference": reference, "body": body, "now": self._clock()}

    def _claim(self, session: Session, claim: Claim, account: Claimant) -> Claimed:
        sender = rows.sender_of(session, claim)
        amount = Money(claim.amount_minor, claim.currency)
        values = {"amount": amount, "sender": masked(sender.name), "shortcode": self._shortcode}

        def messages(reference: str) -> list[Tell]:
            got = self._words("sms.received", account.language, reference=reference, **values)
            return [
                Tell(account.number, "received", got),
                self._told(sender, claim, "claim_taken", masked(account.name)),
            ]

        posted = self._settle(session, claim, "claim", f"wallet:{account.number}", "fees", messages)
        rows.settle(session, claim.id, "claimed", account.id)
        return Claimed(posted.reference, amount, masked(sender.name))

    def _return(self, claim_id: int) -> int:
        with self._db.transaction() as session:
            claim = rows.lock_waiting(session, claim_id)
            if claim is None:
                return 0
            sender = rows.sender_of(session, claim)
            told = self._told(sender, claim, "claim_returned", f"****{claim.recipient_last4}")
            wallet = f"wallet:{sender.number}"
            self._settle(session, claim, "claim_return", wallet, wallet, lambda _reference: [told])
            rows.settle(session, claim.id, "returned")
        return 1

    def _settle(self, session: Session, claim: Claim, kind: str, amount_to: str, fee_to: str, messages: Any) -> Posted:
        """One key for both ways of settling: the books too let only one happen."""
        held = f"claim:{claim.reference}"
        legs = [Leg(held, amount_to, Money(claim.amount_minor, claim.currency))]
        if claim.fee_minor:
            legs.append(Leg(held, fee_to, Money(claim.fee_minor, claim.currency)))
        entry = Entry("claim", claim.reference, kind, new_reference(), tuple(legs))
        return self._ledger.post(_cursor(session), entry, Telling(messages, self._clock())).or_refuse()

    def _told(self, sender: Sender, claim: Claim, kind: str, to: str) -> Tell:
        values = {"reference": claim.reference, "to": to, "amount": Money(claim.amount_minor, claim.currency)}
        return Tell(sender.number, kind, self._words(f"sms.{kind}", sender.language, **values))


def _cursor(session: Session) -> Any:
    """The driver's cursor inside the session's transaction."""
    session.flush()
    return session.connection().connection.cursor()
