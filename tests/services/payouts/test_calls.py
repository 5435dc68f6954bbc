"""Calling the rail: an id of ours is there first, nothing is paid twice, and dying anywhere loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from gateway.services.stops import PAYOUTS
from integrations.protocols import PaymentVerdict, PayoutResult
from tests.ledger.crowd import together
from tests.services.payments.world import Killed
from tests.services.payouts.world import World


def finish(world: World) -> None:
    """What the worker and the rail do until it is over: jobs run, and what the rail took it pays and tells."""
    world.passes(minutes=3)
    for order in list(world.bank.orders):
        result = world.bank.settles(order)
        payout_id = world.row(order.own_id.rpartition("-")[0]).id
        number = int(order.own_id.rpartition("-")[2])
        world.hears(payout_id, result, number)


def test_our_id_is_committed_before_the_rail_is_called(world: World) -> None:
    payout_id, seen = world.held(), []
    world.bank.during_call = lambda order: seen.append((world.state(payout_id), world.attempts(payout_id)[0].own_id))
    world.payouts.pay(payout_id)
    (order,) = world.bank.orders
    assert seen == [("unknown", order.own_id)]
    assert order.own_id == f"{world.row(payout_id).reference}-1"
    assert order.urls["payout"] == f"https://mlango.example/hooks/{world.attempts(payout_id)[0].token}/payout"


def test_what_the_rail_took_is_submitted_with_its_id(world: World) -> None:
    payout_id = world.submitted()
    (attempt,), (order,) = world.attempts(payout_id), world.bank.orders
    assert (world.state(payout_id), attempt.state, attempt.provider_id) == ("submitted", "taken", order.provider_id)
    assert world.moves(payout_id) == ["unknown", "submitted"]
    assert (order.amount, order.phone) == (world.row(payout_id).amount, world.phone)


def test_a_job_that_runs_again_pays_nobody_again(world: World) -> None:
    payout_id = world.submitted()
    world.payouts.pay(payout_id)
    assert len(world.bank.orders) == 1


@pytest.mark.parametrize("repeatable", [True, False])
def test_twenty_jobs_at_once_pay_once(world: World, repeatable: bool) -> None:
    world.bank.repeatable = repeatable
    payout_id = world.held()
    together([lambda: world.payouts.pay(payout_id)] * 20)
    assert len(world.bank.orders) == 1


def test_an_answer_that_proves_nothing_started_is_tried_again_under_the_same_id(world: World) -> None:
    payout_id = world.held()
    world.bank.script = ["busy", "busy"]
    world.payouts.pay(payout_id)
    assert (world.state(payout_id), world.jobs.seconds("pay"), world.sms(payout_id)) == ("held", [5], [])
    world.passes(minutes=1)
    (attempt,) = world.attempts(payout_id)
    assert (world.state(payout_id), attempt.number, attempt.calls) == ("submitted", 1, 3)
    assert [order.own_id for order in world.bank.orders] == [attempt.own_id]


def test_after_a_few_such_answers_the_money_is_returned(world: World) -> None:
    payout_id = world.held()
    world.bank.script = ["busy"] * 9
    world.payouts.pay(payout_id)
    world.passes(hours=1)
    assert (world.state(payout_id), world.wallet, len(world.bank.script)) == ("returned", 1_000, 4)
    assert world.sms(payout_id) == ["withdraw_returned"]


def test_a_definite_refusal_returns_amount_and_fee_and_says_so(world: World) -> None:
    payout_id = world.held()
    world.bank.script = ["refuse"]
    world.payouts.pay(payout_id)
    row = world.row(payout_id)
    assert (row.state, row.reason, row.result_code, world.wallet) == ("returned", "config", "400", 1_000)
    ((kind, body),) = world.sms_bodies(payout_id)
    assert kind == "withdraw_returned"
    assert "back in your wallet, with the fee. Balance KES 1,000" in body
    assert world.attempts(payout_id)[0].state == "failed"
    assert world.books_agree()


def test_no_answer_is_unknown_and_says_nothing_to_anybody(world: World) -> None:
    payout_id = world.held()
    world.bank.script = ["lose the answer"]
    world.payouts.pay(payout_id)
    assert (world.state(payout_id), world.sms(payout_id), world.wallet) == ("unknown", [], 485)
    world.payouts.pay(payout_id)
    assert len(world.bank.orders) == 1


def test_a_rail_that_is_no_longer_there_returns_the_money(world: World) -> None:
    payout_id = world.held()
    del world.rails["mpesa"]
    world.payouts.pay(payout_id)
    assert (world.state(payout_id), world.row(payout_id).reason, world.wallet) == ("returned", "config", 1_000)


# Results that are faster than the answer to the call.


def test_a_result_faster_than_the_answer_stands_and_only_the_id_is_added(world: World) -> None:
    payout_id = world.held()
    world.bank.during_call = lambda order: world.hears(payout_id, world.bank.settles(order, provider_id=None))
    world.payouts.pay(payout_id)
    (attempt,), (order,) = world.attempts(payout_id), world.bank.orders
    assert (world.state(payout_id), attempt.state, attempt.provider_id) == ("paid", "paid", order.provider_id)
    assert world.sms(payout_id) == ["withdraw_paid"]
    assert world.books_agree()


@pytest.mark.parametrize("answer", ["lose the answer", "accept"])
def test_a_failure_faster_than_the_answer_stands_too(world: World, answer: str) -> None:
    payout_id = world.held()
    world.bank.script = [answer]
    world.bank.during_call = lambda order: world.hears(payout_id, world.bank.refuses("not_registered", order))
    world.payouts.pay(payout_id)
    assert (world.state(payout_id), world.wallet) == ("returned", 1_000)
    world.passes(hours=2)
    assert (world.state(payout_id), world.sms(payout_id)) == ("returned", ["withdraw_not_registered"])


# Waiting.


def test_while_payouts_are_stopped_they_wait_and_then_go_out(world: World) -> None:
    payout_id = world.held()
    world.stops.stop(PAYOUTS, "somebody looks")
    world.payouts.pay(payout_id)
    world.passes(minutes=30)
    assert (world.state(payout_id), world.bank.orders) == ("held", [])
    world.stops.lift(PAYOUTS)
    world.passes(minutes=1)
    assert world.state(payout_id) == "submitted"


def test_while_the_rail_is_down_payouts_wait_and_then_go_out(world: World) -> None:
    payout_id = world.held()
    for _ in range(3):
        world.health.note("mpesa", answered=False)
    world.payouts.pay(payout_id)
    world.passes(minutes=30)
    assert (world.state(payout_id), world.bank.orders) == ("held", [])
    world.health.note("mpesa", answered=True)
    world.passes(minutes=1)
    assert world.state(payout_id) == "submitted"


@pytest.mark.parametrize(("step", "answered"), [("lose the answer", False), ("not_sent", False), ("refuse", True)])
def test_every_call_says_whether_the_rail_answered(world: World, step: str, answered: bool) -> None:
    noted: list[bool] = []
    world.health.note = lambda rail, *, answered: noted.append(answered)  # type: ignore[method-assign]
    world.bank.script = [step]
    world.payouts.pay(world.held())
    assert noted == [answered]


def test_three_calls_that_nobody_took_shut_the_door_and_the_payout_waits(world: World) -> None:
    payout_id = world.held()
    world.bank.script = ["not_sent"] * 3
    world.payouts.pay(payout_id)
    world.passes(hours=5)
    assert (world.state(payout_id), world.health.down()) == ("held", {"mpesa"})
    world.health.note("mpesa", answered=True)
    world.passes(minutes=2)
    assert world.state(payout_id) == "submitted"


# Dying.


def test_dying_before_the_call_is_committed_leaves_it_to_be_done(world: World) -> None:
    payout_id = world.held()
    world.jobs.dies_on = "ask"
    with pytest.raises(Killed):
        world.payouts.pay(payout_id)
    assert (world.state(payout_id), world.attempts(payout_id), world.bank.orders) == ("held", [], [])
    world.jobs.dies_on = ""
    world.payouts.pay(payout_id)
    assert world.state(payout_id) == "submitted"


@pytest.mark.parametrize("where", ["die before", "die after"])
def test_dying_in_the_call_is_repeated_under_the_same_id_where_that_pays_once(world: World, where: str) -> None:
    payout_id = world.held()
    world.bank.script = [where]
    with pytest.raises(Killed):
        world.payouts.pay(payout_id)
    world.payouts.pay(payout_id)
    assert world.state(payout_id) == "unknown"
    world.passes(seconds=30)
    assert (world.state(payout_id), len(world.bank.orders)) == ("submitted", 1)
    finish(world)
    assert (world.state(payout_id), len(world.attempts(payout_id))) == ("paid", 1)
    assert world.books_agree()


@pytest.mark.parametrize("where", ["die before", "die after", "lose the answer", "never arrived"])
def test_where_repeating_could_pay_twice_it_is_only_asked_about(world: World, where: str) -> None:
    world.bank.repeatable = False
    payout_id = world.held()
    world.bank.script = [where]
    try:
        world.payouts.pay(payout_id)
    except Killed:
        world.payouts.pay(payout_id)
    calls = len(world.bank.orders)
    world.passes(hours=3)
    assert len(world.bank.orders) == calls <= 1
    assert world.bank.asked == [f"{world.row(payout_id).reference}-1"] * 4
    assert (world.state(payout_id), world.row(payout_id).needs_review) == ("unknown", True)


def test_a_repetition_that_is_refused_says_nothing_of_the_first_call(world: World) -> None:
    payout_id = world.held()
    world.bank.script = ["lose the answer", "busy", "refuse", "never arrived"]
    world.payouts.pay(payout_id)
    world.passes(minutes=13)
    assert (world.state(payout_id), world.wallet, world.bank.script) == ("unknown", 485, [])
    world.passes(hours=1)
    assert world.state(payout_id) == "submitted"
    finish(world)
    assert world.books_agree()


@contextmanager
def dies_at(world: World, statement: int) -> Iterator[list[int]]:
    """The process dies as it sends its ``statement``-th statement or commit; the count of them is the answer."""
    count = [0]

    def step(*_: object) -> None:
        count[0] += 1
        if count[0] == statement:
            raise Killed

    for name in ("before_cursor_execute", "commit"):
        event.listen(world.db.engine, name, step)
    yield count
    for name in ("before_cursor_execute", "commit"):
        event.remove(world.db.engine, name, step)


@pytest.mark.parametrize("answer", ["accept", "lose the answer", "busy"])
def test_dying_between_any_two_statements_of_a_call_pays_once(world: World, answer: str) -> None:
    world.give(f"wallet:{world.number}", 20_000)
    statement, finished = 0, False
    while not finished:
        statement += 1
        payout_id = world.held(100)
        world.bank.script = [answer]
        with dies_at(world, statement) as count:
            try:
                world.payouts.pay(payout_id)
                finished = count[0] < statement
            except Killed:
                world.jobs.waiting.append((world.clock().timestamp() + 60, "pay", payout_id))
        world.bank.script = []
        finish(world)
        assert world.state(payout_id) == "paid", statement
        assert len(world.attempts(payout_id)) == 1
    assert statement > 8
    assert len(world.bank.orders) == statement
    assert world.books_agree()


@pytest.mark.parametrize("verdict", [PaymentVerdict.PAID, PaymentVerdict.FAILED])
def test_dying_between_any_two_statements_of_a_result_settles_once(world: World, verdict: PaymentVerdict) -> None:
    world.give(f"wallet:{world.number}", 20_000)
    statement, finished = 0, False
    while not finished:
        statement += 1
        payout_id = world.submitted(100)
        result: PayoutResult = world.bank.settles() if verdict is PaymentVerdict.PAID else world.bank.refuses()
        with dies_at(world, statement) as count:
            try:
                world.hears(payout_id, result)
                finished = count[0] < statement
            except Killed:
                pass
        world.hears(payout_id, result)
        assert world.state(payout_id) == ("paid" if verdict is PaymentVerdict.PAID else "returned")
        assert len(world.sms(payout_id)) == 1
    assert statement > 8
    assert world.books_agree()


def test_a_lost_job_is_found_again(world: World) -> None:
    payout_id = world.held()
    world.clock.move(minutes=6)
    while world.payouts.resume_lost():
        pass
    assert ("pay", payout_id) in world.jobs.of("pay")
    world.jobs.waiting = [job for job in world.jobs.waiting if job[2] == payout_id]
    world.passes(seconds=1)
    assert world.state(payout_id) == "submitted"
    world.jobs.waiting.clear()
    world.clock.move(minutes=6)
    while world.payouts.resume_lost():
        pass
    assert ("ask", payout_id, 0) in world.jobs.of("ask")
