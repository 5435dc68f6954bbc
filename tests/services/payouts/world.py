"""A small honest world for money out: a rail with books of its own, jobs that run when it is time, real tables."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.domain.references import new_reference
from gateway.models.payouts import Payout, PayoutAttempt
from gateway.services.fees import Fees
from gateway.services.ledger import Entry, Ledger, Leg
from gateway.services.limits import Limits, Standing
from gateway.services.messages import Messages
from gateway.services.payment_desk import cursor_of
from gateway.services.payment_results import Source
from gateway.services.payout_desk import PayoutDesk
from gateway.services.payouts import Effect, Held, Payouts
from gateway.services.rail_health import RailHealth
from gateway.services.stops import PAYOUTS, Stops
from gateway.settings import Settings
from gateway.vault import Vault
from integrations import protocols
from integrations.protocols import Addresses, Outcome, PaymentVerdict, PayoutAnswer, PayoutResult
from tests.conftest import Clock
from tests.services.payments.world import Killed, NoSms, fresh_phone
from tests.services.payments.world import World as PaymentWorld
from ussd_menus.texts import load_texts

BASIC = Standing("basic")


_PENDING, _NOTHING = PayoutResult(PaymentVerdict.PENDING), Money(0)


@dataclass
class Order:
    """One payment the rail has been asked for."""

    own_id: str
    provider_id: str
    amount: Money
    phone: Phone | None
    urls: dict[str, str]
    receipt: str | None = None


@dataclass
class Bank:
    """A rail that keeps its own books. ``script`` says how the next calls go; then they are taken and answered."""

    name: str = "mpesa"
    repeatable: bool = True
    orders: list[Order] = field(default_factory=list)
    undone: dict[str, Order] = field(default_factory=dict)
    script: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    question_urls: list[str] = field(default_factory=list)
    says: PayoutResult = _PENDING
    during_call: Callable[[Order], object] = lambda order: None
    out: Money = _NOTHING

    def pay(self, *, own_id: str, phone: Phone, amount: Money, remarks: str, addresses: Addresses) -> PayoutAnswer:
        assert 2 <= len(remarks) <= 100
        known = self.repeatable and any(order.own_id == own_id for order in self.orders)
        return self._answer(known, lambda: self._take(own_id, amount, phone, addresses))

    def give_back(self, *, own_id: str, receipt: str, amount: Money, addresses: Addresses) -> PayoutAnswer:
        if receipt in self.undone and self.undone[receipt].receipt:
            return PayoutAnswer(Outcome.REJECTED, code="R000001", reason="already")
        if receipt in self.undone:
            return PayoutAnswer(Outcome.ACCEPTED, self.undone[receipt].provider_id)

        def take() -> Order:
            self.undone[receipt] = self._take(own_id, amount, None, addresses)
            return self.undone[receipt]

        return self._answer(False, take)

    def ask_payout(self, *, own_id: str, provider_id: str | None, addresses: Addresses) -> PayoutResult:
        self.asked.append(own_id)
        self.question_urls.append(addresses("payout-status"))
        return self.says

    def settles(self, order: Order | None = None, **changes: Any) -> PayoutResult:
        """The rail pays, books it, and this is what it says of it."""
        order = order or self.orders[-1]
        if order.receipt is None:
            order.receipt = secrets.token_hex(5).upper()
            self.out += order.amount
        told = PayoutResult(
            PaymentVerdict.PAID, order.own_id, order.provider_id, order.receipt, order.amount, order.phone, "0"
        )
        return replace(told, **changes)

    def refuses(self, reason: str = "other", order: Order | None = None, code: str = "1") -> PayoutResult:
        """The rail does not pay, and this is what it says of it."""
        order = order or self.orders[-1]
        return PayoutResult(PaymentVerdict.FAILED, order.own_id, order.provider_id, code=code, reason=reason)

    def _answer(self, known: bool, take: Callable[[], Order]) -> PayoutAnswer:
        step = self.script.pop(0) if self.script else "accept"
        if step == "die before":
            raise Killed
        if step == "never arrived":
            return PayoutAnswer(Outcome.UNKNOWN, code="no_answer")
        if step in ("busy", "not_sent"):
            return PayoutAnswer(Outcome.REJECTED, code=step, reason="busy", retry_safe=True)
        if step == "refuse":
            return PayoutAnswer(Outcome.REJECTED, code="400", reason="config")
        if known:
            return PayoutAnswer(Outcome.REJECTED, code="500.002.1001", reason="duplicate", duplicate=True)
        order = take()
        self.during_call(order)
        if step == "die after":
            raise Killed
        if step == "lose the answer":
            return PayoutAnswer(Outcome.UNKNOWN, code="no_answer")
        return PayoutAnswer(Outcome.ACCEPTED, order.provider_id, "0")

    def _take(self, own_id: str, amount: Money, phone: Phone | None, addresses: Addresses) -> Order:
        urls = {name: addresses(name) for name in ("payout", "payout-late")}
        self.orders.append(Order(own_id, f"AG_{secrets.token_hex(8)}", amount, phone, urls))
        return self.orders[-1]


@dataclass
class Jobs:
    """Jobs exist when their transaction committed, and run when their time has come."""

    clock: Clock
    waiting: list[tuple[Any, ...]] = field(default_factory=list)
    dies_on: str = ""

    def defer_pay(self, session: Session, payout_id: int, after_seconds: int) -> None:
        self._on_commit(session, after_seconds, "pay", payout_id)

    def defer_ask_payout(self, session: Session, payout_id: int, check: int, after_seconds: int) -> None:
        self._on_commit(session, after_seconds, "ask", payout_id, check)

    def defer_inbox(self, session: Session, inbox_id: int) -> None:
        self._on_commit(session, 0, "inbox", inbox_id)

    def _on_commit(self, session: Session, after_seconds: int, *job: Any) -> None:
        if job[0] == self.dies_on:
            raise Killed
        due = self.clock().timestamp() + after_seconds
        event.listen(session, "after_commit", lambda _session: self.waiting.append((due, *job)), once=True)

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [job[1:] for job in self.waiting if job[1] == kind]

    def seconds(self, kind: str) -> list[int]:
        """In how many seconds the waiting jobs of a kind are due."""
        return [round(job[0] - self.clock().timestamp()) for job in self.waiting if job[1] == kind]

    def next_due(self, until: float) -> tuple[Any, ...] | None:
        due = sorted((job for job in self.waiting if job[0] <= until), key=lambda job: job[0])
        return due[0] if due else None


class World:
    """One account with KES 1,000, one rail, and everything between them."""

    def __init__(self, db: Database, vault: Vault, clock: Clock, **settings: Any) -> None:
        self.db, self.vault, self.clock = db, vault, clock
        self.bank, self.jobs, self.ledger = Bank(), Jobs(clock), Ledger()
        self.rails = {"mpesa": self.rail()}
        self.settings = Settings(app_env="test", public_url="https://mlango.example", **settings)
        self.health, self.stops = RailHealth(db, self.rails, clock), Stops(db, clock)
        self.stops.lift(PAYOUTS)
        self.health.note("mpesa", answered=True)
        self.desk = PayoutDesk(
            db=db,
            rails=self.rails,
            ledger=self.ledger,
            messages=Messages(db, vault, NoSms(), clock),
            words=load_texts(),
            jobs=self.jobs,  # type: ignore[arg-type]
            vault=vault,
            settings=self.settings,
            clock=clock,
            health=self.health,
            stops=self.stops,
            fees=Fees(self.settings.withdraw_fees),
            limits=Limits(self.settings, clock),
        )
        self.payouts = Payouts(self.desk)
        self.payments = PaymentWorld(db, vault, clock)
        self.phone, self.number = self.payments.phone, self.payments.number
        self.other_phone = fresh_phone()
        self._float = self.balance("float:mpesa")
        self.give(f"wallet:{self.number}", 1_000)
        self._suspense = self.balance("suspense:mpesa")

    def rail(self, **changes: Any) -> protocols.Rail:
        can = {"pays_out": self.bank, **changes}
        return protocols.Rail("mpesa", is_up=lambda: True, channels=(), **can)

    def give(self, to: str, shillings: int) -> None:
        leg = Leg("float:mpesa", to, Money.major(shillings))
        self.ledger.post_alone(self.db, Entry("test", new_reference(16), "deposit", new_reference(), (leg,)))
        self._float -= Money.major(shillings)

    def balance(self, code: str) -> Money:
        with self.db.transaction() as session:
            cursor = cursor_of(session)
            cursor.execute(
                "SELECT credits - debits FROM ledger_totals((SELECT id FROM ledger_accounts WHERE code = %s))", (code,)
            )
            return Money(cursor.fetchone()[0])

    @property
    def wallet(self) -> int:
        return self.balance(f"wallet:{self.number}").whole_units

    @property
    def paid_out(self) -> Money:
        """What our books say has left by the rail since this world began; ``Bank.out`` is what the rail says."""
        return self.balance("float:mpesa") - self._float

    @property
    def in_suspense(self) -> Money:
        return self.balance("suspense:mpesa") - self._suspense

    def books_agree(self) -> bool:
        """Ours are right, and say the same as the rail's."""
        with self.db.transaction() as session:
            right = not any(self.ledger.check(cursor_of(session)).values())
        return right and self.paid_out == self.bank.out

    def request(self, shillings: int = 500, key: str | None = None, **more: Any) -> Held:
        key = key or secrets.token_hex(8)
        return self.payouts.request(self.number, BASIC, Money.major(shillings), key, **more)

    def held(self, shillings: int = 500) -> int:
        """The id of a payout that nobody has been called for; its job is taken by the test."""
        payout_id = self.row(self.request(shillings).reference).id
        self.jobs.waiting.clear()
        return payout_id

    def submitted(self, shillings: int = 500) -> int:
        """A payout that the rail has taken."""
        payout_id = self.held(shillings)
        self.payouts.pay(payout_id)
        return payout_id

    def row(self, which: str | int) -> Payout:
        column = Payout.id if isinstance(which, int) else Payout.reference
        with self.db.transaction() as session:
            return session.query(Payout).where(column == which).one()

    def attempts(self, payout_id: int) -> list[PayoutAttempt]:
        with self.db.transaction() as session:
            query = session.query(PayoutAttempt).where(PayoutAttempt.payout_id == payout_id)
            return query.order_by(PayoutAttempt.number).all()

    def state(self, payout_id: int) -> str:
        return self.row(payout_id).state

    def moves(self, payout_id: int) -> list[str]:
        """The states it went through."""
        with self.db.reading() as connection:
            query = text("""SELECT to_state FROM payout_events WHERE payout_id = :p
                            AND from_state IS DISTINCT FROM to_state ORDER BY id""")
            return list(connection.execute(query, {"p": payout_id}).scalars())

    def sms(self, payout_id: int) -> list[str]:
        """Kinds of SMS about a payout, in order."""
        return [kind for kind, _body in self.sms_bodies(payout_id)]

    def sms_bodies(self, payout_id: int) -> list[tuple[str, str]]:
        with self.db.reading() as connection:
            query = text("""SELECT m.kind, m.body FROM messages m JOIN payouts p ON p.reference = m.reference
                            WHERE p.id = :p ORDER BY m.id""")
            return [tuple(row) for row in connection.execute(query, {"p": payout_id})]

    def hears(self, payout_id: int, result: PayoutResult, attempt: int = 0, source: Source = Source.CALLBACK) -> Effect:
        """A result of one attempt (the first one is 1, the last one 0) is applied."""
        return self.payouts.result(self.attempts(payout_id)[attempt - 1].id, result, source)

    def passes(self, **by: float) -> None:
        """Time passes, and every job runs when it is due; one whose worker dies is given to another a minute later."""
        until = self.clock().timestamp() + sum(value * _SECONDS[unit] for unit, value in by.items())
        while job := self.jobs.next_due(until):
            self.jobs.waiting.remove(job)
            self.clock.move(seconds=max(0.0, job[0] - self.clock().timestamp()))
            try:
                self.run(*job[1:])
            except Killed:
                self.jobs.waiting.append((job[0] + 60, *job[1:]))
        self.clock.move(seconds=max(0.0, until - self.clock().timestamp()))

    def run(self, kind: str, *ids: int) -> None:
        jobs = {"pay": self.payouts.pay, "ask": self.payouts.ask}
        if kind in jobs:
            jobs[kind](*ids)


_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
