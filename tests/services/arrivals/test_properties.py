"""Anything in any order, true and forged: each receipt is booked at most once, and every account explains itself."""

from __future__ import annotations

import secrets
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from gateway.db import Database
from gateway.domain.errors import Refusal
from gateway.vault import Vault
from integrations.protocols import PaymentResult, PaymentVerdict
from tests.conftest import Clock
from tests.services.arrivals.world import World
from tests.services.payments.world import fresh_phone

#: What a rail's money may be: amounts around the one that needs a question.
AMOUNTS = (200, 500, 750, 20_001)
SLOT = st.integers(0, 3)
STEP = st.one_of(
    st.tuples(st.sampled_from(["comes", "forged"]), SLOT, st.sampled_from(AMOUNTS), st.integers(0, 4)),
    st.tuples(st.sampled_from(["says", "denies", "result", "assign", "give_back", "ask", "query"]), SLOT),
)


class Day:
    """Four receipts that may be true, two members, one payment, and all that can be said about them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.payment = world.prompted(500)
        self.other = world.open_account(fresh_phone())
        self.receipts = [secrets.token_hex(5).upper() for _ in range(4)]
        self.true: dict[str, int] = {}

    def named(self, who: int) -> str:
        names = (self.world.number, self.other, self.world.row(self.payment).reference, "nobody", "")
        return names[who]

    def comes(self, slot: int, amount: int, who: int) -> None:
        """The rail tells the truth: one receipt has one amount."""
        receipt = self.receipts[slot]
        amount = self.true.setdefault(receipt, amount)
        self.world.comes(self.named(who), amount, receipt, n=secrets.token_hex(4))

    def forged(self, slot: int, amount: int, who: int) -> None:
        self.world.forged(self.named(who), amount, self.receipts[slot])

    def says(self, slot: int) -> None:
        """The rail answers what it was asked: what is true, and of anything else that it has no such money."""
        self.world.asks()
        receipt = self.receipts[slot]
        if receipt in [asked for asked, _ in self.world.enquiries.asked]:
            self.world.answers(receipt, self.true.get(receipt))

    def denies(self, slot: int) -> None:
        """The rail's status errs: it does not have what it told of."""
        self.world.asks()
        if self.receipts[slot] in [asked for asked, _ in self.world.enquiries.asked]:
            self.world.answers(self.receipts[slot], None)

    def result(self, slot: int) -> None:
        """The prompt's own result: this receipt was for the payment."""
        amount = self.true.setdefault(self.receipts[slot], 500)
        self.world.callback(self.payment, self.world.paid(self.payment, amount, self.receipts[slot]))

    def query(self, _: int) -> None:
        if self.world.row(self.payment).receipt:
            self.world.query(self.payment, PaymentResult(PaymentVerdict.PAID, code="0"))

    def ask(self, _: int) -> None:
        self.world.clock.move(minutes=7)
        self.world.arrivals.resume_lost()
        self.world.asks()

    def assign(self, slot: int) -> None:
        self._decide(lambda: self.world.arrivals.assign(self.receipts[slot], self.other, "x"), slot)

    def give_back(self, slot: int) -> None:
        self._decide(lambda: self.world.arrivals.give_back(self.receipts[slot], "x"), slot)

    def _decide(self, act: Any, slot: int) -> None:
        """People look at the rail's own books first: they never vouch for what is not there."""
        if self.receipts[slot] not in self.true or self._amount_told(slot) != self.true[self.receipts[slot]]:
            return
        try:
            act()
        except Refusal:
            return

    def _amount_told(self, slot: int) -> int | None:
        query = text("SELECT amount_minor / 100 FROM arrivals WHERE rail = :rail AND receipt = :r")
        values = {"rail": self.world.rail.name, "r": self.receipts[slot]}
        with self.world.db.reading() as connection:
            return connection.execute(query, values).scalar_one_or_none()

    def check(self) -> None:
        world = self.world
        assert world.books_are_right()
        booked = self._booked()
        assert set(booked) <= set(self.true), "nothing is booked that did not come"
        float_, suspense, clearing = (world.held(kind) for kind in ("float", "suspense", "clearing"))
        assert float_ == sum(self.true[receipt] for receipt in booked), "each receipt is in the float once"
        wallets = world.wallet.whole_units + world.balance(f"wallet:{self.other}").whole_units
        assert float_ == wallets + suspense + clearing
        assert suspense == self._suspended() + world.row(self.payment).waiting_minor // 100

    def _booked(self) -> list[str]:
        query = text("SELECT receipt FROM receipts WHERE rail = :rail")
        with self.world.db.reading() as connection:
            return list(connection.execute(query, {"rail": self.world.rail.name}).scalars())

    def _suspended(self) -> int:
        query = text(
            "SELECT coalesce(sum(amount_minor), 0) / 100 FROM arrivals WHERE rail = :r AND state = 'suspended'"
        )
        with self.world.db.reading() as connection:
            return int(connection.execute(query, {"r": self.world.rail.name}).scalar_one())


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(STEP, min_size=3, max_size=14), able=st.booleans())
def test_each_receipt_is_booked_at_most_once_and_suspense_is_what_waits(
    db: Database, vault: Vault, steps: list[tuple[Any, ...]], able: bool
) -> None:
    day = Day(World(db, vault, Clock()))
    day.world.refunds.able = able
    for what, *values in steps:
        getattr(day, what)(*values)
        day.check()
