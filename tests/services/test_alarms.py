"""Alarms: raised once when something waits too long or goes wrong, cleared once when it is over, shown all the time."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from gateway.commands.alarms import alarms, figures
from gateway.db import Database
from gateway.domain.money import Money
from gateway.metrics import Metrics
from gateway.models.arrivals import insert_arrival
from gateway.services.alarms import ALARMS, BOOKS_WRONG, Alarms
from gateway.services.bookkeeping import Bookkeeping
from gateway.services.figures import Figures
from gateway.services.rail_health import RailHealth
from gateway.services.stops import PAYOUTS, Stops
from gateway.vault import Vault
from tests.conftest import ROOT, Clock
from tests.services.payments.world import new_receipt
from tests.services.reconciliation.world import Reconciled


class Watched(Reconciled):
    """A world with somebody who watches over it; also what the commands take of all parts."""

    def __init__(self, db: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(db, vault, clock)
        self.metrics = Metrics()
        self.figures = Figures(db, self.ledger, [self.rail.name])
        self.alarms = Alarms(db, self.figures, self.settings, self.metrics, clock)
        self.stops = Stops(db, clock)
        self.bookkeeping = Bookkeeping(db, self.ledger, self.metrics, self.stops, self.alarms)
        self.health = RailHealth(db, self.desk.rails, clock)

    def stands(self) -> list[str]:
        """Look, and say what is wrong: names."""
        self.alarms.look()
        return [alarm.name for alarm in self.alarms.standing()]

    def shown(self, gauge: str, **labels: str) -> float | None:
        return self.metrics._registry.get_sample_value(gauge, labels)

    def sql(self, statement: str, *values: Any) -> None:
        with self.db.transaction() as session:
            session.connection().exec_driver_sql(statement, values)

    def says(self, command: Callable[[Any], Any], *arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(command(self), arguments)
        return result.exit_code, result.output

    def suspend(self, shillings: int = 300) -> None:
        with self.db.transaction() as session:
            insert_arrival(
                session, rail=self.rail.name, receipt=new_receipt(), amount_minor=shillings * 100, currency="KES",
                typed_sealed="x", token=secrets.token_hex(8), state="suspended", created_at=self.clock(),
            )  # fmt: skip


@pytest.fixture
def own_db(make_database: Callable[[], str]) -> Iterator[Database]:
    """A database in which nothing else is wrong."""
    url = make_database()
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute((ROOT / "schema.sql").read_text())
    database = Database(url, pool_size=3)
    yield database
    database.close()


@pytest.fixture
def world(own_db: Database, vault: Vault, clock: Clock) -> Watched:
    return Watched(own_db, vault, clock)


def a_prompt(world: Watched) -> None:
    world.prompted(500)


def a_payout(world: Watched) -> None:
    world.payout(100, "submitted")


def an_unknown_payout(world: Watched) -> None:
    world.payout(100, "unknown")


def an_arrival(world: Watched) -> None:
    world.suspend()


def a_short_payment(world: Watched) -> None:
    payment_id = world.prompted(500)
    world.callback(payment_id, world.paid(payment_id, 200))
    world.sql("UPDATE payments SET needs_review = false")


def a_message(world: Watched) -> None:
    payment_id = world.prompted(500)
    world.callback(payment_id, world.failed(payment_id))


def a_body(world: Watched) -> None:
    world.sql(
        "INSERT INTO inbox (source, digest, body_sealed, state, received_at) VALUES (%s, '1', 'x', 'unmatched', %s)",
        f"{world.rail.name}.stk",
        world.clock(),
    )


@pytest.mark.parametrize(
    ("begins", "alarm", "minutes"),
    [
        (a_prompt, "stuck_payments", 15),
        (a_payout, "stuck_payouts", 10),
        (an_unknown_payout, "unknown_payouts", 60),
        (an_arrival, "suspense_old", 24 * 60),
        (a_short_payment, "suspense_old", 24 * 60),
        (a_message, "sms_late", 10),
        (a_body, "callbacks_unsettled", 15),
    ],
)
def test_what_waits_too_long_is_an_alarm_and_no_minute_sooner(
    world: Watched, begins: Callable[[Watched], None], alarm: str, minutes: int
) -> None:
    begins(world)
    world.later(minutes=minutes - 1)
    assert alarm not in world.stands()
    world.later(minutes=1)
    assert alarm in world.stands()


def test_an_alarm_is_said_once_when_it_comes_and_once_when_it_goes(world: Watched) -> None:
    payment_id = world.prompted(500)
    world.later(minutes=20)
    with capture_logs() as said:
        for _ in range(3):
            world.alarms.look()
        world.callback(payment_id, world.paid(payment_id, 500))
        for _ in range(3):
            world.alarms.look()
    ours = [(one["event"], one["alarm"], one["subject"]) for one in said if one.get("alarm") == "stuck_payments"]
    assert ours == [
        ("alarm.raised", "stuck_payments", world.rail.name),
        ("alarm.cleared", "stuck_payments", world.rail.name),
    ]


def test_an_alarm_that_stands_keeps_its_beginning_and_gets_the_newest_detail(world: Watched) -> None:
    world.prompted(500)
    world.later(minutes=20)
    world.alarms.look()
    (first,) = world.alarms.standing()
    world.prompted_by_another(300)
    world.later(minutes=20)
    world.alarms.look()
    (again,) = (one for one in world.alarms.standing() if one.name == "stuck_payments")
    assert (again.since, again.detail[:2]) == (first.since, "2,")


def test_a_link_may_stay_unpaid_for_a_day(world: Watched) -> None:
    world.prompted(500)
    world.sql("UPDATE payments SET way = 'link'")
    world.later(hours=20)
    assert world.stands() == []


def test_a_payer_who_cancels_is_no_failure_of_the_rail(world: Watched) -> None:
    for _ in range(12):
        payment_id = world.prompted_by_another()
        world.callback(payment_id, world.failed(payment_id, "cancelled"))
    assert "failing" not in world.stands()


def test_half_of_a_quarter_of_an_hour_failing_is_an_alarm(world: Watched) -> None:
    for turn in range(10):
        payment_id = world.prompted_by_another()
        told = world.failed(payment_id, "declined") if turn % 2 else world.paid(payment_id)
        world.callback(payment_id, told)
        if turn < 9:
            assert "failing" not in world.stands(), "too few to say"
    assert "failing" in world.stands()
    assert world.shown("mlango_failing_percent", kind="payments", rail=world.rail.name) == 50
    world.later(minutes=16)
    assert "failing" not in world.stands()
    assert world.shown("mlango_failing_percent", kind="payments", rail=world.rail.name) == 0


def test_what_needs_a_person_is_an_alarm_at_once(world: Watched) -> None:
    world.sql("UPDATE payments SET needs_review = true WHERE id = %s", world.prompted(500))
    payout_id, _ = world.payout(100)
    world.sql("UPDATE payouts SET needs_review = true WHERE id = %s", payout_id)
    assert world.stands() == ["payments_to_review", "payouts_to_review"]


def test_a_rail_that_is_down_is_an_alarm_until_it_is_back(world: Watched) -> None:
    for _ in range(3):
        world.health.note(world.rail.name, answered=False)
    assert world.stands() == ["rail_down"]
    world.health.note(world.rail.name, answered=True)
    assert world.stands() == []


def test_an_open_difference_is_an_alarm(world: Watched) -> None:
    world.line(-50)
    world.later()
    world.run()
    assert world.stands() == ["differences"]


def test_a_body_that_fitted_nothing_yesterday_is_no_news(world: Watched) -> None:
    a_body(world)
    world.later(hours=25)
    assert world.stands() == []


def test_wrong_books_stop_payouts_and_nothing_but_a_person_starts_them(world: Watched) -> None:
    assert world.bookkeeping.check()
    assert world.stops.why(PAYOUTS) is None
    world.deposit(500)
    wallet = "(SELECT id FROM ledger_accounts WHERE code = %s)"
    damage = f"UPDATE ledger_balances SET credits = credits {{}} 1 WHERE account_id = {wallet}"
    world.sql(damage.format("+"), f"wallet:{world.number}")
    assert not world.bookkeeping.check()
    assert world.stops.why(PAYOUTS) == "the books are wrong"
    assert {BOOKS_WRONG, "stopped"} <= set(world.stands())
    world.sql(damage.format("-"), f"wallet:{world.number}")
    assert world.bookkeeping.check()
    assert world.stands() == ["stopped"], "right again, and a person has to look all the same"
    world.stops.lift(PAYOUTS)
    assert world.stands() == []


def test_deposits_go_on_while_payouts_are_stopped(world: Watched) -> None:
    world.stops.stop(PAYOUTS, "the books are wrong")
    world.deposit(500)
    assert world.wallet == Money.major(500)


def test_every_figure_is_shown(world: Watched) -> None:
    rail = world.rail.name
    world.prompted(500)
    a_short_payment(Watched(world.db, world.vault, world.clock))
    world.deposit_of_another(700)
    world.payout(100)
    world.later(minutes=3)
    world.alarms.look()
    assert world.shown("mlango_waiting", what="payment", rail=rail) == 1
    assert world.shown("mlango_waiting_oldest_seconds", what="payment", rail=rail) == 180
    assert world.shown("mlango_waiting", what="unknown_payout", rail=rail) == 1
    assert world.shown("mlango_waiting", what="difference", rail=rail) == 0
    assert world.shown("mlango_money_moves_in_a_day", kind="payments", rail=rail, state="confirmed") == 1
    assert world.shown("mlango_money_moves_in_a_day", kind="payouts", rail=rail, state="unknown") == 1
    assert world.shown("mlango_held_minor", account=f"clearing:{rail}") == 10_000
    assert world.shown("mlango_held_minor", account=f"suspense:{rail}") == -10_000
    assert {name for name in ALARMS if world.shown("mlango_alarm", name=name) is None} == set()


def test_a_figure_that_is_gone_is_shown_as_nought(world: Watched) -> None:
    payment_id = world.prompted(500)
    world.alarms.look()
    world.callback(payment_id, world.paid(payment_id, 500))
    world.alarms.look()
    assert world.shown("mlango_waiting", what="payment", rail=world.rail.name) == 0
    world.later(days=2)
    world.alarms.look()
    kinds = {"kind": "payments", "rail": world.rail.name, "state": "confirmed"}
    assert world.shown("mlango_money_moves_in_a_day", **kinds) == 0


def test_the_command_lists_what_stands_and_exits_with_one(world: Watched) -> None:
    assert world.says(alarms) == (0, "Nothing is wrong.\n")
    world.stops.stop(PAYOUTS, "drill")
    world.alarms.look()
    code, said = world.says(alarms)
    assert code == 1
    assert "stopped" in said


def test_the_figures_of_a_day_are_by_rail_and_state_with_their_sums(world: Watched) -> None:
    world.deposit(500)
    world.prompted(300)
    world.later(minutes=6)
    code, said = world.says(figures)
    lines = [" ".join(line.split()) for line in said.splitlines()]
    rail = world.rail.name
    assert code == 0
    assert f"payments {rail} confirmed 1 KES 500" in lines
    assert f"payments {rail} prompted 1 KES 300" in lines
    assert f"waiting {rail} payment 1 oldest 6 min over 5 minutes" in lines
    assert f"held suspense:{rail} KES 0" in lines
