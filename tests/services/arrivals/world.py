"""A small honest world for money that comes by itself: a rail that answers when it likes, and its true addresses."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Flask
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.domain.references import new_reference
from gateway.inbox import Inbox
from gateway.models.arrivals import Arrival
from gateway.models.inbox import InboxItem
from gateway.services.arrival_callbacks import ArrivalCallbacks, Gate
from gateway.services.arrivals import Arrivals
from gateway.services.callbacks import Callbacks
from gateway.services.ledger_entries import Entry, Leg, at_rail
from gateway.services.lookup_callbacks import LookupCallbacks
from gateway.services.lookups import Lookups
from gateway.services.payment_desk import cursor_of
from gateway.services.payment_refunds import PaymentRefunds
from gateway.services.payments import Payments
from gateway.services.refunds import Refund
from gateway.vault import Vault
from gateway.web.callbacks import callbacks_blueprint
from gateway.web.paybill import paybill_blueprint
from integrations import protocols
from integrations.protocols import (
    About,
    Addresses,
    ArrivalNotice,
    BalanceResult,
    Channel,
    LookupResult,
    Outcome,
    PaymentVerdict,
)
from tests.conftest import Clock
from tests.services.payments import world as payments_world
from tests.services.payments.world import Killed, new_receipt

TOKEN = "fedcba9876543210fedcba9876543210"


class Jobs(payments_world.Jobs):
    """Also the questions about arrivals."""

    def defer_arrival(self, session: Session, arrival_id: int, check: int, after_seconds: int) -> None:
        self._on_commit(session, ("arrival", arrival_id, check, after_seconds))


@dataclass
class Enquiries:
    """The part of a rail that answers questions at an address, later, when the test says so."""

    name: str
    outcome: Outcome = Outcome.ACCEPTED
    asked: list[tuple[str, str]] = field(default_factory=list)
    balance: BalanceResult | None = None
    registered: list[str] = field(default_factory=list)

    def look_up(self, *, receipt: str, addresses: Addresses) -> Outcome:
        self.asked.append((receipt, addresses("receipt-state")))
        return self.outcome

    def ask_balance(self, *, addresses: Addresses) -> BalanceResult | Outcome:
        self.asked.append(("", addresses("balance")))
        return self.balance or self.outcome

    def register(self, addresses: Addresses) -> tuple[Outcome, str]:
        self.registered += [addresses("paybill"), addresses("paybill-check")]
        return Outcome.ACCEPTED, "Registered."

    def read(self, body: bytes) -> ArrivalNotice | None:
        return read_notice(body)

    def answer(self, refusal: str | None) -> Mapping[str, object]:
        return {"said": refusal or "welcome"}


class GivesBack:
    """Money out as far as money in knows it: holds in clearing, once per receipt."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.able = True
        self.made: list[Refund] = []

    def refund(self, session: Session, refund: Refund) -> str | None:
        if not self.able or refund.receipt in [made.receipt for made in self.made]:
            return None
        leg = Leg(refund.held_from, at_rail("clearing", refund.rail, refund.amount.currency), refund.amount)
        entry = Entry("payout", f"{refund.rail}:{refund.receipt}", "refund", new_reference(), (leg,))
        self._world.ledger.post(cursor_of(session), entry).or_refuse()
        event.listen(session, "after_commit", lambda _: self.made.append(refund), once=True)
        return entry.reference


class World(payments_world.World):
    """One rail of its own with books of its own, its addresses, and one member."""

    def __init__(self, db: Database, vault: Vault, clock: Clock, **settings: Any) -> None:
        super().__init__(db, vault, clock, **settings)
        name = self.rail.name = f"r{secrets.token_hex(4)}"
        self.enquiries, self.jobs, self.refunds = Enquiries(name), Jobs(), GivesBack(self)
        with db.transaction() as session:
            for kind in ("float", "clearing", "suspense"):
                self.ledger.open_account(cursor_of(session), f"{kind}:{name}")
        self.channels = (
            Channel("paybill", About.ARRIVAL, read_notice),
            Channel("receipt-state", About.LOOKUP, read_lookup),
            Channel("balance", About.BALANCE, read_balance),
        )
        asks = self.enquiries
        self.as_rail = replace(
            self.rail.as_rail,
            channels=self.channels,
            looks_up=asks,
            tells_balance=asks,
            checks_arrivals=asks,
            registers=asks,
        )
        told = {"collect_rail": name, "callback_token": TOKEN}
        self.settings = self.settings.model_copy(update=told)
        self.rails: dict[str, protocols.Rail] = {name: self.as_rail}
        self.desk = replace(self.desk, rails=self.rails, jobs=self.jobs, settings=self.settings, refunds=self.refunds)
        self.payments = Payments(self.desk)
        self.payment_refunds = PaymentRefunds(self.desk)
        self.arrivals = Arrivals(self.desk, self.payments, self.jobs)
        self.lookups = Lookups(db, self.rails, self.arrivals, clock, self.settings.public_url)
        self.gate = Gate(self.desk)
        self._open_doors()

    def _open_doors(self) -> None:
        name = self.rail.name
        self.inbox = Inbox(self.db, self.vault, self.jobs, self.clock)
        handlers = {
            f"{name}.paybill": ArrivalCallbacks(self.arrivals, TOKEN, name, self.channels[0]),
            f"{name}.receipt-state": LookupCallbacks(self.lookups, self.channels[1]),
            f"{name}.balance": LookupCallbacks(self.lookups, self.channels[2]),
        }
        self.callbacks = Callbacks(self.db, self.vault, self.inbox, self.jobs, self.clock, handlers)
        app = Flask(__name__)
        app.register_blueprint(callbacks_blueprint(self.inbox, self.rails))
        app.register_blueprint(paybill_blueprint(self.gate, self.rails))
        self.client = app.test_client()

    def post(self, url: str, told: object) -> int:
        """A body comes to an address, and the worker does what it should; returns the HTTP status."""
        raw = told if isinstance(told, bytes) else json.dumps(told).encode()
        status = self.client.post(url.removeprefix(self.settings.public_url), data=raw).status_code
        self.run_inbox()
        return status

    def run_inbox(self) -> None:
        while jobs := [job for job in self.jobs.waiting if job[0] == "inbox"]:
            for job in jobs:
                self.jobs.waiting.remove(job)
                self.callbacks.handle(job[1])

    def comes(
        self, typed: str, shillings: int = 500, receipt: str | None = None, *, token: str = TOKEN, **more: Any
    ) -> str:
        """The rail (or somebody who plays it) tells of money; the receipt."""
        receipt = receipt or new_receipt()
        self.post(f"/hooks/{token}/paybill", {"receipt": receipt, "amount": shillings, "typed": typed, **more})
        return receipt

    def forged(self, typed: str, shillings: int = 500, receipt: str | None = None) -> str:
        """Somebody without the rail's address tells of money."""
        return self.comes(typed, shillings, receipt, token=secrets.token_hex(16))

    def asks(self) -> None:
        """The questions that were deferred are asked."""
        for job in [job for job in self.jobs.waiting if job[0] == "arrival"]:
            self.jobs.waiting.remove(job)
            self.arrivals.ask(job[1], job[2])

    def asks_next(self) -> int:
        """Wait for the next question and ask it; the seconds that took."""
        seconds = max(job[3] for job in self.jobs.waiting if job[0] == "arrival")
        self.clock.move(seconds=seconds)
        self.asks()
        return int(seconds)

    def answers(self, receipt: str, shillings: int | None = None, /, **more: Any) -> None:
        """The rail answers the last question about a receipt: completed, for an amount; without one, no such money."""
        self.asks()
        url = [url for asked, url in self.enquiries.asked if asked == receipt][-1]
        verdict = "paid" if shillings is not None else "failed"
        self.post(url, {"verdict": verdict, "receipt": receipt, "amount": shillings, "n": new_receipt()} | more)

    def arrival(self, receipt: str) -> Arrival:
        with self.db.transaction() as session:
            return session.query(Arrival).where(Arrival.rail == self.rail.name, Arrival.receipt == receipt).one()

    def state(self, receipt: str) -> str:
        return self.arrival(receipt).state

    def last_item(self) -> InboxItem:
        with self.db.transaction() as session:
            mine = session.query(InboxItem).where(InboxItem.source.like(f"{self.rail.name}.%"))
            return mine.order_by(InboxItem.id.desc()).limit(1).one()

    def held(self, kind: str) -> int:
        """Shillings in one of the rail's accounts; the float is shown as an asset."""
        minor = self.balance(f"{kind}:{self.rail.name}").minor
        return minor // 100

    def sms_about(self, reference: str) -> list[tuple[str, str, str]]:
        """Kind, text and last digits of the phone of SMS about a receipt or a reference."""
        query = text("SELECT kind, body, phone_last4 FROM messages WHERE reference = :r ORDER BY id")
        with self.db.reading() as connection:
            return [tuple(row) for row in connection.execute(query, {"r": reference})]


def read_notice(raw: bytes) -> ArrivalNotice | None:
    told = _told(raw)
    if "typed" not in told:
        return None
    payer = Phone(told["payer"]) if "payer" in told else None
    return ArrivalNotice(
        told["receipt"], Money.major(told["amount"]), told["typed"], payer, payer_told=told.get("payer_told", "")
    )


def read_lookup(raw: bytes) -> LookupResult | None:
    told = _told(raw)
    if "verdict" not in told:
        return None
    amount = Money.major(told["amount"]) if told.get("amount") is not None else None
    verdict = PaymentVerdict(told["verdict"])
    return LookupResult(verdict, told.get("receipt"), amount, told.get("own_id"), code="0", status="Completed")


def read_balance(raw: bytes) -> BalanceResult | None:
    told = _told(raw)
    if "accounts" not in told:
        return None
    return BalanceResult({name: Money.major(shillings) for name, shillings in told["accounts"].items()})


def _told(raw: bytes) -> dict[str, Any]:
    try:
        told = json.loads(raw)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


__all__ = ["TOKEN", "Enquiries", "GivesBack", "Jobs", "Killed", "World", "new_receipt"]
