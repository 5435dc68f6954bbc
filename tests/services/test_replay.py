"""A day of callbacks handled again: nothing that counted counts twice, and what a bug missed is made good."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from gateway.commands.replay import replay as replay_command
from gateway.db import Database
from gateway.domain.errors import TryLater
from gateway.domain.money import Money
from gateway.inbox import Inbox
from gateway.models.inbox import InboxState, Wanted
from gateway.services.callbacks import Callbacks, Handled, Handler
from gateway.services.payment_callbacks import PaymentCallbacks
from gateway.vault import Vault
from integrations.protocols import Channel, PaymentVerdict
from tests.conftest import Clock
from tests.services.payments.test_callbacks import CHANNEL
from tests.services.payments.world import new_receipt
from tests.services.reconciliation.world import Reconciled


class Day(Reconciled):
    """A rail that posts, and the worker behind its address."""

    def __init__(self, db: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(db, vault, clock)
        self.source = f"{self.rail.name}.stk"
        self.inbox = Inbox(db, vault, self.jobs, clock)
        self.handler = PaymentCallbacks(self.desk, self.payments, self.rail.name, CHANNEL)
        self.callbacks = self.handled_by({self.source: self.handler})
        self.began = clock()

    def handled_by(self, handlers: dict[str, Handler]) -> Callbacks:
        return Callbacks(self.db, self.vault, self.inbox, self.jobs, self.clock, handlers)

    def posts(self, payment_id: int, callbacks: Callbacks | None = None, **changes: Any) -> int:
        """The rail posts a result, and the job handles it; returns the body's id."""
        row = self.row(payment_id)
        told = {
            "verdict": "paid", "id": row.provider_id, "receipt": new_receipt(), "amount": row.amount.whole_units,
            "payer": self.phone.e164,
        }  # fmt: skip
        body = json.dumps({key: value for key, value in (told | changes).items() if value is not None}).encode()
        item_id = self.inbox.keep(self.source, row.token, body, {})
        assert item_id
        (callbacks or self.callbacks).handle(item_id)
        return item_id

    def replayed(self, **wanted: Any) -> dict[str, int]:
        return dict(self.callbacks.replay(Wanted(**({"since": self.began, "source": self.source} | wanted))))

    def picture(self) -> list[tuple[Any, ...]]:
        """All that money did on this rail, and all that was said about it."""
        with self.db.reading() as connection:
            payments = connection.execute(
                text("SELECT reference, state, receipt, received_minor, needs_review FROM payments WHERE rail = :r"),
                {"r": self.rail.name},
            ).all()
            told = connection.execute(
                text("""SELECT m.kind, m.reference FROM messages m JOIN payments p ON p.reference = m.reference
                        WHERE p.rail = :r ORDER BY m.id"""),
                {"r": self.rail.name},
            ).all()
        books = [self.balance(f"{kind}:{self.rail.name}") for kind in ("float", "suspense", "clearing")]
        return [*sorted(map(tuple, payments)), *map(tuple, told), *((str(one),) for one in books)]


@pytest.fixture
def day(db: Database, vault: Vault, clock: Clock) -> Day:
    return Day(db, vault, clock)


def a_busy_day(day: Day) -> None:
    """Paid, cancelled, paid less, paid twice, told twice, and one that fits nothing."""
    day.posts(day.prompted_by_another(500))
    day.posts(day.prompted_by_another(300), verdict="failed", receipt=None, amount=None, reason="cancelled")
    day.posts(day.prompted_by_another(400), amount=100)
    twice = day.prompted_by_another(200)
    day.posts(twice)
    day.posts(twice)
    again = day.prompted_by_another(250)
    receipt = new_receipt()
    day.posts(again, receipt=receipt)
    day.posts(again, receipt=receipt, code="0 ")
    day.posts(day.prompted_by_another(10), id="ws_CO_nobody", payer="+254700000000")


def test_a_day_handled_twice_more_changes_nothing(day: Day) -> None:
    a_busy_day(day)
    before = day.picture()
    assert len(before) > 12
    for _ in range(2):
        counts = day.replayed()
        assert sum(counts.values()) == 8
        assert day.picture() == before
    assert day.books_are_right()


def test_what_came_while_nobody_handled_its_channel_is_settled_by_a_replay(day: Day) -> None:
    payment_id = day.prompted(500)
    item_id = day.posts(payment_id, day.handled_by({}))
    assert state_of(day, item_id) == "unmatched"
    assert day.wallet == Money(0)
    assert day.replayed() == {"handled": 1}
    assert day.wallet == Money.major(500)


def test_what_a_reader_could_not_read_is_settled_once_it_can(day: Day) -> None:
    payment_id = day.prompted(500)
    deaf = PaymentCallbacks(day.desk, day.payments, day.rail.name, _deaf_channel())
    item_id = day.posts(payment_id, day.handled_by({day.source: deaf}))
    assert state_of(day, item_id) == "unreadable"
    assert day.replayed() == {"handled": 1}
    assert day.wallet == Money.major(500)


def test_a_replay_restores_money_that_a_bug_forgot_although_its_body_was_handled(day: Day) -> None:
    payment_id = day.prompted(500)
    item_id = day.posts(payment_id, day.handled_by({day.source: lambda token, body: _careless()}))
    assert (state_of(day, item_id), day.wallet) == ("handled", Money(0))
    assert day.replayed() == {"handled": 1}
    assert day.wallet == Money.major(500)


def test_a_replay_does_not_undo_that_a_body_was_handled(day: Day) -> None:
    item_id = day.posts(day.prompted(500))
    day.callbacks = day.handled_by({})
    assert day.replayed() == {"handled": 1}
    assert state_of(day, item_id) == "handled"


def test_a_dry_run_handles_nothing(day: Day) -> None:
    item_id = day.posts(day.prompted(500), day.handled_by({}))
    wanted = Wanted(since=day.began, source=day.source)
    assert day.callbacks.replay(wanted, dry_run=True) == {"unmatched": 1}
    assert (state_of(day, item_id), day.wallet) == ("unmatched", Money(0))


def test_only_what_is_wanted_is_handled(day: Day) -> None:
    nobody = day.handled_by({})
    first = day.posts(day.prompted_by_another(100), nobody)
    day.later()
    second = day.posts(day.prompted_by_another(100), nobody)
    assert day.replayed(until=day.clock() - timedelta(minutes=1)) == {"handled": 1}
    assert [state_of(day, item) for item in (first, second)] == ["handled", "unmatched"]
    assert day.replayed(id=second) == {"handled": 1}
    assert state_of(day, second) == "handled"
    assert day.replayed(source="nobody.stk") == {}


def test_a_replay_that_the_database_ends_can_be_done_again(day: Day) -> None:
    payment_ids = [day.prompted_by_another(100) for _ in range(2)]
    nobody = day.handled_by({})
    for payment_id in payment_ids:
        day.posts(payment_id, nobody, payer=None)
    turns = iter([None, TryLater()])

    def stumbling(token: str | None, body: bytes) -> Any:
        trouble = next(turns, None)
        if trouble:
            raise trouble
        return day.handler(token, body)

    day.callbacks = day.handled_by({day.source: stumbling})
    with pytest.raises(TryLater):
        day.replayed()
    assert day.replayed() == {"handled": 2}
    assert [day.row(payment_id).state for payment_id in payment_ids] == ["confirmed", "confirmed"]


def test_a_body_that_needs_the_rails_word_is_asked_about_again(day: Day) -> None:
    payment_id = day.prompted(20_001)
    day.posts(payment_id)
    assert day.wallet == Money(0)
    day.rail_says(payment_id, PaymentVerdict.PAID)
    assert day.replayed() == {"handled": 1}
    assert day.wallet == Money.major(20_001)


def _deaf_channel() -> Channel:
    return replace(CHANNEL, read=lambda _: None)


def _careless() -> Handled:
    """A handler with a bug: it says that it is done and did nothing."""
    return Handled(InboxState.HANDLED, "forgotten")


@dataclass
class Parts:
    callbacks: Callbacks


def test_the_command_says_what_became_of_them_and_wants_a_beginning(day: Day) -> None:
    day.posts(day.prompted(500), day.handled_by({}))
    run = CliRunner().invoke
    command = replay_command(Parts(day.callbacks))  # type: ignore[arg-type]
    assert run(command, []).exit_code == 2
    since = ["--since", f"{day.began - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}", "--source", day.source]
    assert run(command, [*since, "--dry-run"]).output.endswith("unmatched          1\n1 would be handled again.\n")
    assert run(command, since).output.endswith("handled            1\n1 handled again.\n")


def state_of(day: Day, item_id: int) -> str:
    with day.db.reading() as connection:
        return str(connection.exec_driver_sql(f"SELECT state FROM inbox WHERE id = {item_id}").scalar_one())
