"""Money in from a rail: request, prompt, result, and what the payer is shown about it.

One confirmation on a screen is one row. The prompt goes out later, from the worker; see ``payment_push``,
``payment_questions`` and ``payment_results`` for what happens then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway.domain.errors import (
    AccountNotFound,
    AmountTooLarge,
    AmountTooSmall,
    CardsClosed,
    KeyReused,
    NothingWaiting,
    PaymentInProgress,
    TryLater,
    WholeShillingsOnly,
)
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.domain.references import new_reference
from gateway.domain.states import PaymentState
from gateway.models.accounts import account_by_number
from gateway.models.payments import (
    Payment,
    advance,
    insert_payment,
    note,
    open_links,
    open_prompt,
    payment_by_key,
    payment_by_reference,
    payment_locked,
)
from gateway.services.payment_desk import Desk
from gateway.services.payment_push import Pushes
from gateway.services.payment_questions import Questions
from gateway.services.payment_results import Effect, Results, Source
from gateway.settings import new_token
from integrations.protocols import PaymentResult

#: How long the first line of home still tells about a payment that has become certain.
_RECENT = timedelta(minutes=15)
#: Whoever asks for a page usually waits for it and makes it at once (``page``); else it is made by the worker.
_LINK_BY_SMS_AFTER_SECONDS = 5
_MOST_OPEN_LINKS = 5


@dataclass(frozen=True, slots=True)
class _New:
    """A payment to be written down."""

    amount: Money
    key: str
    rail: str
    way: str = "prompt"
    purpose: str = "deposit"
    package: str | None = None


@dataclass(frozen=True, slots=True)
class Requested:
    """A payment that was asked for; ``replayed`` when the same confirmation came before."""

    reference: str
    replayed: bool


class Standing(StrEnum):
    """What the first line of home says."""

    CHECKING = "checking"
    PAID = "paid"
    NOT_PAID = "not_paid"
    WAITING = "waiting"  # less came than asked; it waits for the payer's choice


@dataclass(frozen=True, slots=True)
class Glance:
    """The last payment worth telling. ``received`` is what really came, if anything did."""

    reference: str
    amount: Money
    standing: Standing
    received: Money | None
    at: datetime


@dataclass(frozen=True, slots=True)
class ForReview:
    """A payment that contradicts itself or never became certain. ``received`` is what came, if anything did."""

    reference: str
    state: str
    amount: Money
    received: Money | None
    reason: str
    at: datetime


class Payments:
    """Everything the gateway does with money that comes in."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._results = Results(desk)
        self._questions = Questions(desk, self._results)
        self._pushes = Pushes(desk)

    def request(self, account_number: str, phone: Phone, amount: Money, key: str) -> Requested:
        """Ask ``phone`` to pay ``amount`` into the account's wallet, once per ``key``.

        Refuses: ``WholeShillingsOnly``, ``AmountTooSmall``, ``AmountTooLarge``, ``AccountNotFound``, ``KeyReused``,
        and ``PaymentInProgress`` while an earlier payment of the account is not resolved.
        """
        self._check_amount(amount, self._desk.settings.most_prompted)
        with self._desk.db.transaction() as session:
            account = account_by_number(session, account_number)
            if account is None:
                raise AccountNotFound
            new = _New(amount, key, self._desk.settings.collect_rail)
            payment_id, reference = self._insert(session, account.id, phone, new)
            if payment_id is None:
                return self._standing_in_the_way(session, account.id, phone, amount, key)
            payment = payment_locked(session, payment_id)
            note(session, payment, "asked for by the payer", self._desk.clock())
            self._desk.jobs.defer_push(session, payment_id, self._desk.settings.push_delay_seconds)
            return Requested(reference, replayed=False)

    def request_link(
        self, account_number: str, amount: Money, key: str, *, purpose: str = "deposit", package: str | None = None
    ) -> Requested:
        """Ask for ``amount`` by a payment page on the rail of cards, once per ``key``; the link goes out by SMS.

        Refuses: ``CardsClosed`` without a rail of cards for its currency, ``AccountNotFound``, ``AmountTooSmall``,
        ``AmountTooLarge``, ``KeyReused``, and ``PaymentInProgress`` while too many pages are open.
        """
        rail = self._desk.settings.cards
        if not self._takes_cards(amount.currency):
            raise CardsClosed
        if purpose == "deposit":
            self._check_amount(amount, self._desk.settings.most_deposit)
        with self._desk.db.transaction() as session:
            account = account_by_number(session, account_number)
            if account is None:
                raise AccountNotFound
            if payment_by_key(session, key) is None and open_links(session, account.id) >= _MOST_OPEN_LINKS:
                raise PaymentInProgress(amount)
            phone = Phone(self._desk.vault.open(account.phone_sealed))
            new = _New(amount, key, rail, way="link", purpose=purpose, package=package)
            payment_id, reference = self._insert(session, account.id, phone, new)
            if payment_id is None:
                return self._standing_in_the_way(session, account.id, phone, amount, key)
            note(session, payment_locked(session, payment_id), "asked for by the payer", self._desk.clock())
            self._desk.jobs.defer_push(session, payment_id, _LINK_BY_SMS_AFTER_SECONDS)
            return Requested(reference, replayed=False)

    def refuse_if_closed(self, currency: str) -> None:
        """Raises ``CardsClosed``: said before anything is typed."""
        if not self._takes_cards(currency) or self._desk.settings.cards in self._desk.health.down():
            raise CardsClosed

    def page(self, payment_reference: str) -> str | None:
        """The address of a payment's page, made now if it was not yet; ``None`` when the rail has not given one."""
        with self._desk.db.transaction() as session:
            payment = payment_by_reference(session, payment_reference)
        if payment is None or payment.way != "link":
            return None
        if payment.link is None and payment.state == PaymentState.REQUESTED:
            self._pushes.push(payment.id, tell_link=False)
        with self._desk.db.transaction() as session:
            made = payment_by_reference(session, payment_reference)
            return made.link if made else None

    def is_known(self, key: str) -> bool:
        """Whether a confirmation became a payment, whatever became of that."""
        with self._desk.db.transaction() as session:
            return payment_by_key(session, key) is not None

    def push(self, payment_id: int) -> None:
        """The job that prompts the payer's phone; harmless when it runs again."""
        self._pushes.push(payment_id)

    def ask(self, payment_id: int, check: int) -> None:
        """The job that asks the rail; harmless when it runs again."""
        self._questions.ask(payment_id, check)

    def answer(self, payment: Payment, provider_id: str | None = None, receipt: str | None = None) -> PaymentResult:
        """What the rail itself says of a payment at this moment, by its id or by another, or of one receipt of it."""
        return self._questions.answer(payment, provider_id, receipt)

    def result(self, payment_id: int, result: PaymentResult, source: Source, *, review: bool = False) -> Effect:
        """Apply what a callback or a query said; see ``payment_results`` for the rules."""
        return self._results.apply(payment_id, result, source, review=review)

    def settled_by(self, session: Session, payment_id: int, result: PaymentResult) -> Effect:
        """Apply money that came by itself and named the payment, as a part of the caller's transaction."""
        return self._results.within(session, payment_id, result, Source.ARRIVAL)

    def resume_lost(self) -> int:
        """Defer pushes and questions again whose jobs were lost; returns how many."""
        return self._questions.resume_lost()

    def add_waiting(self, account_number: str, payment_reference: str, key: str) -> Requested:
        """The payer's choice for a payment that came short: what came goes to the wallet. Once, whatever the key.

        Refuses: ``AccountNotFound`` when the payment is not this account's, ``NothingWaiting``.
        """
        with self._desk.db.transaction() as session:
            payment = self._own_payment(session, account_number, payment_reference)
            if payment.waiting_minor == 0 or payment.purpose != "deposit":
                if payment.reason == "short" and payment.state == PaymentState.CONFIRMED:
                    return Requested(payment.reference, replayed=True)
                raise NothingWaiting
            amount, payment.waiting_minor = payment.waiting, 0
            advance(
                session, payment, PaymentState.CONFIRMED, f"added by the payer ({key})", self._desk.clock(), money=True
            )
            payment.needs_review = False
            self._desk.add_from_suspense(session, payment, f"{payment.reference}:add", amount)
            return Requested(payment.reference, replayed=False)

    def close(self, payment_reference: str, because: str) -> None:
        """A person has looked at the rail's own books and found no money: the payment expires.

        Refuses: ``NothingWaiting`` when it is not open.
        """
        with self._desk.db.transaction() as session:
            found = payment_by_reference(session, payment_reference)
            payment = payment_locked(session, found.id) if found else None
            if payment is None or not payment.is_open:
                raise NothingWaiting
            advance(session, payment, PaymentState.EXPIRED, because, self._desk.clock())
            payment.needs_review = False
            self._desk.tell(session, payment, "timeout")

    def latest(self, account_number: str) -> Glance | None:
        """The last prompt that is not certain or became so a quarter of an hour ago, or money that waits for a choice.

        A page is not told of here: it may stand open for a day, and nobody was asked to hurry.
        """
        values = {"number": account_number, "since": self._desk.clock() - _RECENT}
        with self._desk.db.hot() as cursor:
            cursor.execute(_LATEST, values)
            row = cursor.fetchone()
        if row is None:
            return None
        reference, minor, currency, state, waiting_minor, received_minor, at = row
        received = None if received_minor is None else Money(received_minor, currency)
        return Glance(reference, Money(minor, currency), _standing(state, waiting_minor), received, at)

    def to_review(self, limit: int = 200) -> list[ForReview]:
        """What a person must look at, oldest first."""
        with self._desk.db.reading() as connection:
            rows = connection.execute(_TO_REVIEW, {"limit": limit}).all()
        return [
            ForReview(
                row.reference,
                row.state,
                Money(row.amount_minor, row.currency),
                None if row.received_minor is None else Money(row.received_minor, row.currency),
                row.reason or "",
                row.created_at,
            )
            for row in rows
        ]

    def _takes_cards(self, currency: str) -> bool:
        rail = self._desk.rails.get(self._desk.settings.cards)
        return rail is not None and rail.links is not None and currency in rail.links.currencies

    def _check_amount(self, amount: Money, most_units: int) -> None:
        least = Money.major(self._desk.settings.least_deposit, amount.currency)
        most = Money.major(most_units, amount.currency)
        if not amount.is_whole:
            raise WholeShillingsOnly
        if amount < least:
            raise AmountTooSmall(least)
        if amount > most:
            raise AmountTooLarge(most)

    def _insert(self, session: Session, account_id: int, phone: Phone, new: _New) -> tuple[int | None, str]:
        now, reference = self._desk.clock(), new_reference()
        payment_id = insert_payment(
            session,
            reference=reference,
            account_id=account_id,
            idempotency_key=new.key,
            purpose=new.purpose,
            package=new.package,
            way=new.way,
            rail=new.rail,
            amount_minor=new.amount.minor,
            currency=new.amount.currency,
            payer_index=self._desk.vault.phone_index(phone),
            payer_sealed=self._desk.vault.seal(phone.e164),
            token=new_token(),
            due_at=now + timedelta(seconds=self._desk.settings.push_delay_seconds),
            created_at=now,
        )
        return payment_id, reference

    def _standing_in_the_way(
        self, session: Session, account_id: int, phone: Phone, amount: Money, key: str
    ) -> Requested:
        """Why no row was made: the same confirmation came before, or another payment is open."""
        same = payment_by_key(session, key)
        if same is not None:
            asked = (same.account_id, same.amount, same.payer_index)
            if asked != (account_id, amount, self._desk.vault.phone_index(phone)):
                raise KeyReused
            return Requested(same.reference, replayed=True)
        other = open_prompt(session, account_id)
        if other is not None:
            raise PaymentInProgress(other.amount)
        raise TryLater  # it was resolved at this very moment

    def _own_payment(self, session: Session, account_number: str, reference: str) -> Payment:
        account = account_by_number(session, account_number)
        payment = payment_by_reference(session, reference)
        if account is None or payment is None or payment.account_id != account.id:
            raise AccountNotFound
        return payment_locked(session, payment.id)


_LATEST = """
    SELECT p.reference, p.amount_minor, p.currency, p.state, p.waiting_minor, p.received_minor,
           coalesce(p.resolved_at, p.created_at) AS at
    FROM payments p JOIN accounts a ON a.id = p.account_id
    WHERE a.number = %(number)s AND p.purpose = 'deposit'
      AND ((p.state IN ('requested', 'prompted', 'unknown') AND p.way = 'prompt')
           OR p.waiting_minor > 0 OR p.resolved_at > %(since)s)
    ORDER BY p.id DESC LIMIT 1
"""


_TO_REVIEW = text("""
    SELECT reference, state, amount_minor, received_minor, currency, reason, created_at
    FROM payments WHERE needs_review ORDER BY id LIMIT :limit
""")


def _standing(state: str, waiting_minor: int) -> Standing:
    if waiting_minor:
        return Standing.WAITING
    if state == PaymentState.CONFIRMED:
        return Standing.PAID
    return Standing.NOT_PAID if PaymentState(state) in _NOT_PAID else Standing.CHECKING


_NOT_PAID = (PaymentState.FAILED, PaymentState.EXPIRED, PaymentState.REFUNDED)
