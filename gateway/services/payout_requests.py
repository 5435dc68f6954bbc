"""Asking for money out of a wallet: a quote before the PIN, then one hold that happens once however often it is asked.

The hold, the payout's row, its first event and the job that pays it are one transaction. From then on the money is in
``clearing:<rail>`` until somebody knows what became of it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.orm import Session

from gateway.domain.errors import (
    AccountNotFound,
    AmountTooLarge,
    AmountTooSmall,
    KeyReused,
    PayoutsPaused,
    RailDown,
    Refusal,
    TooLate,
    TryLater,
    WholeShillingsOnly,
)
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.domain.references import new_reference
from gateway.models.accounts import Account, account_by_number, wallet_code
from gateway.models.payouts import insert_payout, note, payout_locked
from gateway.services.ledger import Entry, Leg, Posted, patiently
from gateway.services.limits import Standing
from gateway.services.payment_desk import cursor_of
from gateway.services.payout_books import clearing_of
from gateway.services.payout_desk import PayoutDesk

_KIND = "withdraw"


@dataclass(frozen=True, slots=True)
class Quote:
    """What a person is asked to confirm."""

    amount: Money
    fee: Money


@dataclass(frozen=True, slots=True)
class Held:
    """Money that is on its way. ``balance_after`` is what the wallet holds (after a replay or a look-up: now)."""

    reference: str
    amount: Money
    fee: Money
    balance_after: Money
    replayed: bool


@dataclass(frozen=True, slots=True)
class _Wish:
    """One confirmation."""

    number: str
    key: str
    amount: Money
    fee: Money
    refused: Refusal | None
    to: Phone | None


class PayoutRequests:
    """Everything before the money is on its way."""

    def __init__(self, desk: PayoutDesk) -> None:
        self._desk = desk

    def quote(self, standing: Standing, amount: Money) -> Quote:
        """Raises what ``Payouts.quote`` does."""
        self._desk.refuse_if_closed()
        self._check(standing, amount)
        return Quote(amount, self._desk.fees.of(amount))

    def request(self, number: str, standing: Standing, amount: Money, key: str, to: Phone | None) -> Held:
        """Raises what ``Payouts.request`` does."""
        if not amount.is_whole:
            raise WholeShillingsOnly
        self._refuse_new_if_closed(number, key)
        wish = _Wish(number, key, amount, self._desk.fees.of(amount), self._too_much(standing, amount), to)
        posted = patiently(lambda: self._hold(wish, standing)).or_refuse()
        if posted.replayed:
            return self._replayed(number, key)
        return Held(posted.reference, amount, wish.fee, posted.balance or Money(0), False)

    def outcome(self, number: str, key: str) -> Held | Refusal | None:
        """What became of a confirmation: it is held (or more), it was refused, or (yet) nothing happened."""
        with self._desk.db.hot() as cursor:
            found = self._desk.ledger.find(cursor, _scope(number), key)
            if found is None:
                return None
            if found.refusal is not None:
                return found.refusal
            balance = self._desk.ledger.balance(cursor, wallet_code(number))
        amount, *fee = found.amounts
        return Held(found.reference, amount, fee[0] if fee else Money(0), balance, True)

    def give_up(self, number: str, key: str) -> Held | Refusal:
        """Make sure that a confirmation nobody heard of again does nothing from now on; what became of it."""
        nothing = Leg(wallet_code(number), "fees", Money(1))
        entry = Entry(_scope(number), key, _KIND, new_reference(), (nothing,), refused=TooLate())
        with suppress(KeyReused):  # it did happen, or was refused, meanwhile
            self._desk.ledger.post_alone(self._desk.db, entry)
        outcome = self.outcome(number, key)
        if outcome is None:
            raise TryLater
        return outcome

    def _refuse_new_if_closed(self, number: str, key: str) -> None:
        """Closed for what is new; what was decided under a key stays decided."""
        try:
            self._desk.refuse_if_closed()
        except (RailDown, PayoutsPaused):
            if self.outcome(number, key) is None:
                raise

    def _check(self, standing: Standing, amount: Money) -> None:
        least = Money.major(self._desk.settings.least_withdrawal)
        most = Money.major(self._desk.settings.most_withdrawal)
        allowed = self._desk.limits.most(standing)
        if not amount.is_whole:
            raise WholeShillingsOnly
        if amount < least:
            raise AmountTooSmall(least)
        if amount > min(most, allowed, key=lambda limit: limit.minor):
            raise AmountTooLarge(min(most, allowed, key=lambda limit: limit.minor))

    def _too_much(self, standing: Standing, amount: Money) -> Refusal | None:
        """Checked again when it counts, and remembered: the quote may be older than a change of tier."""
        try:
            self._check(standing, amount)
        except (AmountTooSmall, AmountTooLarge) as refused:
            return refused
        return None

    def _hold(self, wish: _Wish, standing: Standing) -> Posted:
        """One transaction; a refusal is remembered in it under the key, and nothing else happens."""
        with self._desk.db.transaction() as session:
            account = account_by_number(session, wish.number)
            if account is None:
                raise AccountNotFound
            payee = wish.to or Phone(self._desk.vault.open(account.phone_sealed))
            posted = self._desk.ledger.post(cursor_of(session), self._entry(wish, standing, payee))
            if posted.refusal is None and not posted.replayed:
                self._write_down(session, account, payee, wish, posted.reference)
            return posted

    def _entry(self, wish: _Wish, standing: Standing, payee: Phone) -> Entry:
        wallet, clearing = wallet_code(wish.number), clearing_of(self._desk.settings.payouts, wish.amount.currency)
        legs = [Leg(wallet, clearing, wish.amount)]
        if wish.fee.minor:
            legs.append(Leg(wallet, clearing, wish.fee))
        return Entry(
            scope=_scope(wish.number),
            key=wish.key,
            kind=_KIND,
            reference=new_reference(),
            legs=tuple(legs),
            caps=(self._desk.limits.day_cap(standing, wallet, wish.amount),),
            request=f"{self._desk.vault.phone_index(payee).hex()} {wish.amount.minor} {wish.amount.currency}",
            refused=wish.refused,
        )

    def _write_down(self, session: Session, account: Account, payee: Phone, wish: _Wish, reference: str) -> None:
        now = self._desk.clock()
        payout_id = insert_payout(
            session,
            reference=reference,
            account_id=account.id,
            idempotency_key=f"{wish.number}:{wish.key}",
            purpose=_KIND,
            way="send",
            rail=self._desk.settings.payouts,
            held_from=account.wallet,
            amount_minor=wish.amount.minor,
            fee_minor=wish.fee.minor,
            currency=wish.amount.currency,
            payee_sealed=self._desk.vault.seal(payee.e164),
            due_at=now,
            created_at=now,
        )
        if payout_id is None:
            raise TryLater  # another payout has this very reference: the next try gets another
        note(session, payout_locked(session, payout_id), "asked for by the owner", now)
        self._desk.jobs.defer_pay(session, payout_id, 0)

    def _replayed(self, number: str, key: str) -> Held:
        found = self.outcome(number, key)
        if isinstance(found, Held):
            return found
        raise AssertionError("what was just replayed is in the books")


def _scope(number: str) -> str:
    return f"payout:{number}"
