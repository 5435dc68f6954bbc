"""Sending money: a quote before the PIN, then one posting that happens once however often it is asked for."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.errors import AmountTooLarge, AmountTooSmall, KeyReused, Refusal, SamePerson, TooLate, TryLater
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.domain.references import new_reference
from gateway.domain.words import Words
from gateway.models.parties import Party, party_by_index
from gateway.services.claims import Claims, Hold
from gateway.services.fees import Fees
from gateway.services.ledger import Entry, Ledger, Leg, Posted, Tell, Telling
from gateway.services.limits import Limits, Standing
from gateway.vault import Vault

__all__ = ["Party", "Quote", "Sent", "Standing", "Transfers"]

#: Both ways of sending are one kind of request: its recipient may register between two attempts.
_KIND = "send"


@dataclass(frozen=True, slots=True)
class Quote:
    """What a person is asked to confirm. Without ``recipient`` the money will wait to be claimed."""

    amount: Money
    fee: Money
    phone: Phone
    recipient: Party | None
    index: bytes = field(repr=False)

    @property
    def total(self) -> Money:
        return self.amount + self.fee

    @property
    def to(self) -> str:
        """Whom it goes to, for screens and SMS: ``J*** M``, or ``0712***678`` for a number without an account."""
        return self.recipient.shown if self.recipient else self.phone.masked


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent. ``balance_after`` is what the sender's wallet holds (after a replay or a look-up: now)."""

    reference: str
    amount: Money
    fee: Money
    replayed: bool
    balance_after: Money


class Transfers:
    """Everything about sending from a wallet to a phone number."""

    def __init__(
        self,
        db: Database,
        ledger: Ledger,
        claims: Claims,
        fees: Fees,
        limits: Limits,
        vault: Vault,
        words: Words,
        clock: Clock,
        *,
        shortcode: str,
    ) -> None:
        self._db = db
        self._ledger = ledger
        self._claims = claims
        self._fees = fees
        self._limits = limits
        self._vault = vault
        self._words = words
        self._clock = clock
        self._shortcode = shortcode

    def quote(self, sender_number: str, standing: Standing, phone: Phone, amount: Money) -> Quote:
        """Amount, fee and recipient, to be shown before the PIN.

        Raises ``AmountTooSmall``, ``AmountTooLarge``, ``SamePerson``, ``TryLater``.
        """
        self._limits.check(standing, amount)
        index = self._vault.phone_index(phone)
        with self._db.hot() as cursor:
            recipient = party_by_index(cursor, index)
        if recipient is not None and recipient.number == sender_number:
            raise SamePerson
        return Quote(amount, self._fees.of(amount), phone, recipient, index)

    def send(self, key: str, sender: Party, standing: Standing, quote: Quote) -> Sent:
        """Send what was quoted, once per ``key``; the same key again gives the same answer.

        Raises what was refused, which is remembered under the key: ``NotEnoughMoney``, ``DayLimitReached``,
        ``AccountFrozen``, ``AmountTooLarge``, ...; ``KeyReused`` for a key that came with another recipient or
        amount; ``TryLater`` when it is not known what became of it: ``outcome`` will say, and so will the same call.
        """
        quote = self._found_meanwhile(sender, quote)
        entry = self._entry(key, sender, standing, quote)
        posted = self._post(entry, sender, quote).or_refuse()
        if posted.replayed:
            return self._replayed(sender.number, key)
        return Sent(posted.reference, quote.amount, quote.fee, False, posted.balance or Money(0))

    def outcome(self, sender_number: str, key: str) -> Sent | Refusal | None:
        """What became of a confirmation: it was sent, it was refused, or (yet) nothing happened under this key."""
        with self._db.hot() as cursor:
            found = self._ledger.find(cursor, _scope(sender_number), key)
            if found is None:
                return None
            if found.refusal is not None:
                return found.refusal
            balance = self._ledger.balance(cursor, f"wallet:{sender_number}")
        amount, *fee = found.amounts
        return Sent(found.reference, amount, fee[0] if fee else Money(0), True, balance)

    def give_up(self, sender_number: str, key: str) -> Sent | Refusal:
        """Make sure that a confirmation nobody heard of again does nothing from now on; what became of it."""
        nothing = Leg(f"wallet:{sender_number}", "fees", Money(1))
        entry = Entry(_scope(sender_number), key, _KIND, new_reference(), (nothing,), refused=TooLate())
        with suppress(KeyReused):  # it did happen, or was refused, meanwhile
            self._ledger.post_alone(self._db, entry)
        outcome = self.outcome(sender_number, key)
        if outcome is None:
            raise TryLater
        return outcome

    def _found_meanwhile(self, sender: Party, quote: Quote) -> Quote:
        """The quote, for a recipient who has got an account since: money set aside for a member would wait in vain."""
        if quote.recipient is not None:
            return quote
        with self._db.hot() as cursor:
            recipient = party_by_index(cursor, quote.index)
        return quote if recipient is None or recipient.number == sender.number else replace(quote, recipient=recipient)

    def _entry(self, key: str, sender: Party, standing: Standing, quote: Quote) -> Entry:
        reference = new_reference()
        recipient = quote.recipient
        to = recipient.wallet if recipient else f"claim:{reference}"
        legs = [Leg(sender.wallet, to, quote.amount)]
        if quote.fee.minor:
            legs.append(Leg(sender.wallet, "fees" if recipient else to, quote.fee))
        caps = [self._limits.day_cap(standing, sender.wallet, quote.amount)]
        if recipient is None:
            caps.append(self._limits.claims_cap(sender.wallet))
        return Entry(
            scope=_scope(sender.number),
            key=key,
            kind=_KIND,
            reference=reference,
            legs=tuple(legs),
            caps=tuple(caps),
            request=f"{quote.index.hex()} {quote.amount.minor} {quote.amount.currency}",
            opens=() if recipient else (to,),
            refused=self._too_much(standing, quote.amount),
        )

    def _too_much(self, standing: Standing, amount: Money) -> Refusal | None:
        """Checked again when it counts: the quote may be older than a change of tier."""
        try:
            self._limits.check(standing, amount)
        except (AmountTooSmall, AmountTooLarge) as refused:
            return refused
        return None

    def _post(self, entry: Entry, sender: Party, quote: Quote) -> Posted:
        recipient = quote.recipient
        if recipient is None:
            hold = Hold(sender.number, sender.shown, sender.language, quote.phone, quote.index, quote.amount, quote.fee)
            return self._claims.hold(entry, hold)

        def messages(reference: str) -> list[Tell]:
            return [self._receipt(reference, sender, quote), self._notice(reference, sender, recipient, quote.amount)]

        return self._ledger.post_alone(self._db, entry, Telling(messages, self._clock()))

    def _receipt(self, reference: str, sender: Party, quote: Quote) -> Tell:
        values = {"amount": quote.amount, "to": quote.to, "fee": quote.fee}
        return Tell(sender.number, "sent", self._words("sms.sent", sender.language, reference=reference, **values))

    def _notice(self, reference: str, sender: Party, recipient: Party, amount: Money) -> Tell:
        values = {"amount": amount, "sender": sender.shown, "shortcode": self._shortcode}
        body = self._words("sms.received", recipient.language, reference=reference, **values)
        return Tell(recipient.number, "received", body)

    def _replayed(self, sender_number: str, key: str) -> Sent:
        found = self.outcome(sender_number, key)
        if isinstance(found, Sent):
            return found
        raise AssertionError("what was just replayed is in the books")


def _scope(sender_number: str) -> str:
    return f"transfer:{sender_number}"
