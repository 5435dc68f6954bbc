"""A small honest world for money in: a rail that remembers prompts, jobs that wait to be run, real tables."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.domain.references import new_account_number
from gateway.models.payments import Payment
from gateway.services.ledger import Ledger
from gateway.services.messages import Messages
from gateway.services.payment_desk import Desk, cursor_of
from gateway.services.payment_purposes import CreditSales, Deposits
from gateway.services.payment_results import Effect, Source
from gateway.services.payments import Payments
from gateway.settings import Settings
from gateway.vault import Vault
from integrations import protocols
from integrations.protocols import (
    Addresses,
    DeliveryReport,
    Outcome,
    PaymentResult,
    PaymentVerdict,
    PromptAnswer,
    SmsReceipt,
)
from tests.conftest import Clock
from ussd_menus.texts import load_texts


class Killed(BaseException):
    """The process dies here."""


@dataclass
class Rail:
    """Remembers every prompt, and answers what the test says."""

    name: str = "mpesa"
    prompts: list[dict[str, Any]] = field(default_factory=list)
    answers: list[PromptAnswer | BaseException] = field(default_factory=list)
    says: dict[str, PaymentResult] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    during_prompt: Callable[[str], None] = lambda provider_id: None

    def prompt(
        self, *, phone: Phone, amount: Money, reference: str, description: str, addresses: Addresses
    ) -> PromptAnswer:
        provider_id = f"ws_CO_{secrets.token_hex(6)}"
        said = dict(phone=phone, amount=amount, reference=reference, description=description, url=addresses("stk"))
        self.prompts.append({**said, "provider_id": provider_id})
        self.during_prompt(provider_id)
        answer = self.answers.pop(0) if self.answers else PromptAnswer(Outcome.ACCEPTED, provider_id, "m-1", "0")
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def ask(self, provider_id: str) -> PaymentResult:
        self.asked.append(provider_id)
        return self.says.get(provider_id, PaymentResult(PaymentVerdict.PENDING, provider_id))

    @property
    def as_rail(self) -> protocols.Rail:
        return protocols.Rail(self.name, is_up=lambda: True, channels=(), collects=self)


@dataclass
class Jobs:
    """Jobs exist when their transaction committed, and not before."""

    waiting: list[tuple[Any, ...]] = field(default_factory=list)
    dies_on: str = ""

    def defer_push(self, session: Session, payment_id: int, after_seconds: int) -> None:
        self._on_commit(session, ("push", payment_id, after_seconds))

    def defer_ask(self, session: Session, payment_id: int, check: int, after_seconds: int) -> None:
        self._on_commit(session, ("ask", payment_id, check, after_seconds))

    def defer_inbox(self, session: Session, inbox_id: int) -> None:
        self._on_commit(session, ("inbox", inbox_id))

    def _on_commit(self, session: Session, job: tuple[Any, ...]) -> None:
        if job[0] == self.dies_on:
            raise Killed
        event.listen(session, "after_commit", lambda _session: self.waiting.append(job), once=True)

    def of(self, kind: str, thing_id: int) -> list[tuple[Any, ...]]:
        return [job for job in self.waiting if job[0] == kind and job[1] == thing_id]


class NoSms:
    """Nothing is sent here: only what was queued matters."""

    name = "none"

    def send(self, text: str, phones: Sequence[Phone]) -> Mapping[Phone, SmsReceipt]:
        raise NotImplementedError

    def read_report(self, form: Mapping[str, str]) -> DeliveryReport | None:
        raise NotImplementedError


def fresh_phone() -> Phone:
    return Phone(f"+2547{secrets.randbelow(10**8):08d}")


class World:
    """One account, one rail, and everything between them."""

    def __init__(self, db: Database, vault: Vault, clock: Clock, **settings: Any) -> None:
        self.db, self.vault, self.clock = db, vault, clock
        self.settings = Settings(app_env="test", public_url="https://mlango.example", **settings)
        self.rail, self.jobs, self.ledger = Rail(self.settings.collect_rail), Jobs(), Ledger()
        self.desk = Desk(
            db=db,
            rails={self.rail.name: self.rail.as_rail},
            ledger=self.ledger,
            messages=Messages(db, vault, NoSms(), clock),
            words=load_texts(),
            jobs=self.jobs,
            vault=vault,
            settings=self.settings,
            clock=clock,
            purposes={"deposit": Deposits(), "credits": CreditSales(self.settings.credit_packages)},
        )
        self.payments = Payments(self.desk)
        self.phone = fresh_phone()
        self.number = self.open_account(self.phone)

    def another(self) -> World:
        """Somebody else, on the same rail and database."""
        return World(self.db, self.vault, self.clock, collect_rail=self.settings.collect_rail)

    def open_account(self, phone: Phone, language: str = "en") -> str:
        number = new_account_number()
        with self.db.transaction() as session:
            session.execute(
                text("""INSERT INTO accounts (number, phone_index, phone_sealed, phone_last4, name, language,
                                              stellar_public_key, stellar_secret_sealed)
                        VALUES (:n, :i, :s, :l, 'Juma', :lang, :n, 'x')"""),
                {
                    "n": number,
                    "i": self.vault.phone_index(phone),
                    "s": self.vault.seal(phone.e164),
                    "l": phone.last4,
                    "lang": language,
                },
            )
            self.ledger.open_account(cursor_of(session), f"wallet:{number}")
        return number

    def balance(self, code: str) -> Money:
        with self.db.transaction() as session:
            return self.ledger.balance(cursor_of(session), code)

    def books_are_right(self) -> bool:
        with self.db.transaction() as session:
            return not any(self.ledger.check(cursor_of(session)).values())

    @property
    def wallet(self) -> Money:
        return self.balance(f"wallet:{self.number}")

    def request(self, shillings: int = 500, key: str | None = None) -> int:
        """A requested payment's id."""
        asked = self.payments.request(self.number, self.phone, Money.major(shillings), key or secrets.token_hex(8))
        return self.row(asked.reference).id

    def prompted(self, shillings: int = 500) -> int:
        """A payment whose payer is looking at the prompt."""
        payment_id = self.request(shillings)
        self.payments.push(payment_id)
        return payment_id

    def row(self, which: str | int) -> Payment:
        column = Payment.id if isinstance(which, int) else Payment.reference
        with self.db.transaction() as session:
            return session.query(Payment).where(column == which).one()

    def events(self, payment_id: int) -> list[tuple[str, str]]:
        with self.db.reading() as connection:
            query = text("SELECT from_state, to_state FROM payment_events WHERE payment_id = :p ORDER BY id")
            return [tuple(row) for row in connection.execute(query, {"p": payment_id})]

    def sms(self, payment_id: int) -> list[str]:
        """Kinds of SMS about a payment, in order."""
        return [kind for kind, _body in self.sms_bodies(payment_id)]

    def sms_bodies(self, payment_id: int) -> list[tuple[str, str]]:
        with self.db.reading() as connection:
            query = text("""SELECT m.kind, m.body FROM messages m JOIN payments p ON p.reference = m.reference
                            WHERE p.id = :p ORDER BY m.id""")
            return [tuple(row) for row in connection.execute(query, {"p": payment_id})]

    def paid(self, payment_id: int, shillings: int = 500, receipt: str | None = None, **more: Any) -> PaymentResult:
        """A successful callback's content."""
        values: dict[str, Any] = {
            "provider_id": self.row(payment_id).provider_id,
            "receipt": receipt or new_receipt(),
            "amount": Money.major(shillings),
            "payer": self.phone,
            "code": "0",
        }
        return PaymentResult(PaymentVerdict.PAID, **(values | more))

    def failed(self, payment_id: int, reason: str = "cancelled", code: str = "1032") -> PaymentResult:
        provider_id = self.row(payment_id).provider_id
        return PaymentResult(PaymentVerdict.FAILED, provider_id=provider_id, code=code, reason=reason)

    def callback(self, payment_id: int, result: PaymentResult) -> Effect:
        return self.payments.result(payment_id, result, Source.CALLBACK)

    def query(self, payment_id: int, result: PaymentResult) -> Effect:
        return self.payments.result(payment_id, result, Source.QUERY)

    def rail_says(self, payment_id: int, verdict: PaymentVerdict, **more: Any) -> None:
        """What the rail answers from now on when it is asked about this payment."""
        provider_id = self.row(payment_id).provider_id
        assert provider_id
        self.rail.says[provider_id] = PaymentResult(verdict, provider_id, **more)

    def ask_next(self, payment_id: int) -> int:
        """Wait for the next question about a payment and ask it; returns how many seconds that took."""
        _, _, check, seconds = self.jobs.of("ask", payment_id)[-1]
        self.clock.move(seconds=seconds)
        self.payments.ask(payment_id, check)
        return int(seconds)


def new_receipt() -> str:
    return secrets.token_hex(5).upper()
