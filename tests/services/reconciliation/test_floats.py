"""What the rail holds for us against what our books say it holds, and questions about what everybody forgot."""

from __future__ import annotations

from datetime import timedelta

from gateway.domain.money import Money
from tests.services.reconciliation.world import Reconciled


def test_a_posting_that_no_line_explains_is_a_gap_in_the_float(world: Reconciled) -> None:
    world.deposit(500)
    world.post("float", "suspense", 20)
    world.later()
    assert world.run() == [("float_differs", "find_gap")]
    (one,) = world.found()
    assert (one.subject, one.ours, one.theirs) == (f"float:{world.rail.name}", Money.major(520), Money.major(500))
    world.post("suspense", "float", 20)
    assert world.run() == []


def test_a_gap_that_another_difference_explains_is_one_difference(world: Reconciled) -> None:
    world.deposit(500)
    world.line(300)
    world.later()
    assert [kind for kind, _ in world.run()] == ["missing_here"]


def test_a_gap_that_a_person_has_explained_stays_explained(world: Reconciled) -> None:
    world.deposit(500)
    world.line(-30)
    world.later()
    world.run()
    world.reconciliation.close(world.found()[0].id, "the rail's charge of November")
    world.later(days=10)
    assert world.run() == []


def test_money_on_its_way_is_no_gap(world: Reconciled) -> None:
    world.deposit(500)
    _, own_id = world.payout(100, "submitted")
    world.line(-100, own_id)
    world.later(minutes=5)
    assert world.run() == []


def test_the_balance_that_the_rail_told_is_believed_while_it_is_fresh(world: Reconciled) -> None:
    world.deposit(500)
    world.later()
    accounts = {"Working Account": Money.major(300), "Utility Account": Money.major(150)}
    world.told_balance = (accounts, world.clock() - timedelta(minutes=5))
    assert world.run() == [("float_differs", "find_gap")]
    assert world.found()[0].theirs == Money.major(450)
    world.told_balance = (accounts, world.clock() - timedelta(hours=3))
    assert world.run() == [], "an old one says nothing, and the statement's sum is right"


def test_a_payment_about_which_nobody_asks_any_more_is_asked_about(world: Reconciled) -> None:
    payment_id = world.prompted(500)
    payout_id, _ = world.payout(100)
    world.jobs.waiting.clear()
    with world.db.transaction() as session:
        session.connection().exec_driver_sql("UPDATE payments SET due_at = NULL WHERE id = %s", (payment_id,))
    world.reconciliation.run_all()
    assert world.jobs.of("ask", payment_id) == []
    world.later(hours=2)
    world.reconciliation.run_all()
    assert world.jobs.of("ask", payment_id) == [("ask", payment_id, 0, 0)]
    assert world.jobs.of("ask_payout", payout_id) == [("ask_payout", payout_id)]


def test_a_payment_before_a_person_is_asked_about_without_being_put_there_again(world: Reconciled) -> None:
    payment_id = world.prompted(500)
    world.rail_says_nothing(payment_id)
    world.later(hours=25)
    world.payments.ask(payment_id, 0)
    before = world.events(payment_id)
    assert world.row(payment_id).needs_review
    world.reconciliation.run_all()
    _, _, check, _ = world.jobs.of("ask", payment_id)[-1]
    world.payments.ask(payment_id, check)
    assert world.events(payment_id) == before
    assert world.row(payment_id).state == "unknown"
