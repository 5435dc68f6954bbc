"""Random days of a rail that loses, repeats and alters lines: exactly the differences that were made, and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.db import Database
from gateway.domain.money import Money
from gateway.vault import Vault
from tests.conftest import Clock
from tests.services.payments.world import new_receipt
from tests.services.reconciliation.world import Reconciled

#: What is wrong with a movement, and what it must be called: (kind, action) of each difference it makes.
Expected = list[tuple[str, str]]


def booked_payment(world: Reconciled, amount: int) -> None:
    payment_id = world.prompted_by_another(amount)
    line = world.line(amount, world.row(payment_id).reference)
    world.callback(payment_id, world.paid(payment_id, amount, line.receipt))


def booked_payout(world: Reconciled, amount: int) -> None:
    receipt = new_receipt()
    _, own_id = world.payout(amount, "paid", receipt)
    world.line(-amount, own_id, receipt)


def lost_payment(world: Reconciled, amount: int) -> Expected:
    booked_payment(world, amount)
    world.statement.lines.pop()
    return [("missing_there", "ask_rail")]


def lost_payout(world: Reconciled, amount: int) -> Expected:
    booked_payout(world, amount)
    world.statement.lines.pop()
    return [("missing_there", "ask_rail")]


def altered_line(world: Reconciled, amount: int) -> Expected:
    (booked_payment if amount % 2 else booked_payout)(world, amount)
    line = world.statement.lines.pop()
    world.statement.lines.append(replace(line, amount=line.amount + Money.major(1)))
    return [("amount_differs", "compare")]


def payment_made_twice(world: Reconciled, amount: int) -> Expected:
    booked_payment(world, amount)
    world.line(amount, world.statement.lines[-1].reference)
    return [("missing_here", "apply_to_payment")]


def payout_made_twice(world: Reconciled, amount: int) -> Expected:
    booked_payout(world, amount)
    world.line(-amount, world.statement.lines[-1].reference)
    return [("paid_twice", "recover")]


def unheard_payment(world: Reconciled, amount: int) -> Expected:
    payment_id = world.prompted_by_another(amount)
    world.line(amount, world.row(payment_id).reference)
    return [("unknown_payment", "apply_to_payment")]


def unheard_payout(world: Reconciled, amount: int) -> Expected:
    _, own_id = world.payout(amount)
    world.line(-amount, own_id)
    return [("unknown_payout", "payout_is_paid")]


def stray_money(world: Reconciled, amount: int) -> Expected:
    world.line(amount, "0712345678")
    return [("missing_here", "book_in_suspense")]


def stray_payout(world: Reconciled, amount: int) -> Expected:
    world.line(-amount)
    return [("missing_here", "find_sender")]


def sound(world: Reconciled, amount: int) -> Expected:
    (booked_payment if amount % 2 else booked_payout)(world, amount)
    return []


def told_twice(world: Reconciled, amount: int) -> Expected:
    sound(world, amount)
    world.statement.lines.append(world.statement.lines[-1])
    return []


def refused(world: Reconciled, amount: int) -> Expected:
    payment_id = world.prompted_by_another(amount)
    world.callback(payment_id, world.failed(payment_id))
    world.line(amount, world.row(payment_id).reference, done=False)
    return []


EVENTS: list[Callable[[Reconciled, int], Expected]] = [
    sound, sound, told_twice, refused, lost_payment, lost_payout, altered_line, payment_made_twice, payout_made_twice,
    unheard_payment, unheard_payout, stray_money, stray_payout,
]  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    day=st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(10, 900), st.integers(0, 120)), max_size=10),
)
def test_a_random_day_has_the_differences_that_were_made_and_none_else(
    db: Database, vault: Vault, day: list[tuple[Callable[[Reconciled, int], Expected], int, int]]
) -> None:
    world = Reconciled(db, vault, Clock())
    expected: Expected = []
    for happens, amount, minutes in day:
        expected += happens(world, amount)
        world.later(minutes=minutes)
    world.later(minutes=25)
    assert sorted(world.run()) == sorted(expected)
    first = {one.id for one in world.found()}
    world.run()
    assert {one.id for one in world.found()} == first, "seen again is the same rows"
    _apply_until_nothing_changes(world)
    assert {one.kind for one in world.found()} <= _FOR_PEOPLE
    assert world.books_are_right()


#: What no call of ours can put right.
_FOR_PEOPLE = {"missing_there", "amount_differs", "paid_twice", "missing_here"}


def _apply_until_nothing_changes(world: Reconciled) -> None:
    world.apply_all()
    world.run()
    assert {one.action for one in world.found()}.isdisjoint({"apply_to_payment", "payout_is_paid"})
