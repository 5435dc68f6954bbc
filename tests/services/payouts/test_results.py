"""What a rail says of payouts, as tables: success wins, a receipt counts once, nothing is settled in silence."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.domain.money import Money
from gateway.services.payment_results import Source
from gateway.services.payout_views import Standing
from gateway.services.payouts import Effect
from integrations.protocols import PayoutResult
from tests.ledger.crowd import together
from tests.services.payouts.world import World


def test_a_success_takes_the_money_out_earns_the_fee_and_tells_receipt_and_balance(world: World) -> None:
    payout_id, fees = world.submitted(), world.balance("fees")
    result = world.bank.settles()
    assert world.hears(payout_id, result) is Effect.PAID
    row = world.row(payout_id)
    assert (row.state, row.receipt, row.due_at) == ("paid", result.receipt, None)
    assert (world.paid_out, world.balance("fees") - fees) == (Money.major(500), Money.major(15))
    ((kind, body),) = world.sms_bodies(payout_id)
    assert kind == "withdraw_paid"
    for said in (row.reference, "KES 500", str(result.receipt), world.phone.masked, "Balance KES 485"):
        assert said in body
    assert world.books_agree()


@pytest.mark.parametrize("source", list(Source))
def test_a_success_without_a_receipt_is_a_success(world: World, source: Source) -> None:
    payout_id = world.submitted()
    assert world.hears(payout_id, world.bank.settles(receipt=None, amount=None), source=source) is Effect.PAID
    assert world.sms(payout_id) == ["withdraw_paid_no_receipt"]
    result = world.bank.settles()
    assert world.hears(payout_id, result) is Effect.COMPLETED
    assert world.hears(payout_id, result) is Effect.REPEATED
    assert (world.row(payout_id).receipt, world.row(payout_id).needs_review) == (result.receipt, False)
    assert world.books_agree()


@pytest.mark.parametrize("again", [0, 1, 2])
def test_the_same_success_again_changes_nothing(world: World, again: int) -> None:
    payout_id = world.submitted()
    result = world.bank.settles()
    world.hears(payout_id, result)
    repeated = [result, world.bank.settles(receipt=None), world.bank.settles(amount=None)][again]
    assert world.hears(payout_id, repeated) is Effect.REPEATED
    assert (len(world.sms(payout_id)), world.row(payout_id).needs_review) == (1, False)
    assert world.books_agree()


def test_twenty_equal_successes_at_once_settle_once(world: World) -> None:
    payout_id = world.submitted()
    result = world.bank.settles()
    effects = together([lambda: world.hears(payout_id, result)] * 20)
    assert sorted(effects) == ["paid"] + ["repeated"] * 19
    assert world.books_agree()


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("not_registered", "withdraw_not_registered"),
        ("limit", "withdraw_limit"),
        ("config", "withdraw_returned"),
        ("other", "withdraw_returned"),
        ("", "withdraw_returned"),
        ("already", "withdraw_returned"),
    ],
)
def test_a_definite_failure_returns_amount_and_fee_and_says_why(world: World, reason: str, told: str) -> None:
    payout_id, fees = world.submitted(), world.balance("fees")
    assert world.hears(payout_id, world.bank.refuses(reason, code="2040")) is Effect.RETURNED
    row = world.row(payout_id)
    assert (row.state, row.reason, row.result_code) == ("returned", reason or "other", "2040")
    assert (world.wallet, world.balance("fees")) == (1_000, fees)
    ((kind, body),) = world.sms_bodies(payout_id)
    assert kind == told
    assert "back in your wallet, with the fee. Balance KES 1,000" in body
    assert world.hears(payout_id, world.bank.refuses(reason)) is Effect.REPEATED
    assert len(world.sms(payout_id)) == 1
    assert world.books_agree()


@pytest.mark.parametrize("reason", ["busy", "no_float"])
def test_a_failure_that_may_pass_is_tried_again_under_a_new_id_and_told_once(world: World, reason: str) -> None:
    payout_id = world.submitted()
    assert world.hears(payout_id, world.bank.refuses(reason)) is Effect.AGAIN
    assert (world.state(payout_id), world.jobs.seconds("pay"), world.wallet) == ("held", [60], 485)
    world.passes(minutes=1)
    assert world.hears(payout_id, world.bank.refuses(reason)) is Effect.AGAIN
    assert world.jobs.seconds("pay") == [600]
    world.passes(minutes=10)
    ids = [order.own_id for order in world.bank.orders]
    assert ids == [f"{world.row(payout_id).reference}-{number}" for number in (1, 2, 3)]
    assert world.sms(payout_id) == ["withdraw_delayed"]
    assert world.hears(payout_id, world.bank.refuses(reason)) is Effect.RETURNED
    assert (world.sms(payout_id), world.wallet) == (["withdraw_delayed", "withdraw_returned"], 1_000)
    assert world.books_agree()


def test_a_retried_payout_that_is_paid_is_paid_once(world: World) -> None:
    payout_id = world.submitted()
    world.hears(payout_id, world.bank.refuses("no_float"))
    world.passes(minutes=1)
    assert world.hears(payout_id, world.bank.settles()) is Effect.PAID
    assert [attempt.state for attempt in world.attempts(payout_id)] == ["failed", "paid"]
    assert world.books_agree()


# Late results of any attempt.


def test_a_late_success_of_a_failed_attempt_settles_what_is_still_held(world: World) -> None:
    payout_id = world.submitted()
    first = world.bank.orders[0]
    world.hears(payout_id, world.bank.refuses("busy", first))
    assert world.hears(payout_id, world.bank.settles(first), attempt=1) is Effect.PAID
    world.passes(hours=1)
    assert (len(world.bank.orders), world.row(payout_id).needs_review) == (1, False)
    assert world.books_agree()


@pytest.mark.parametrize("second_is_paid_too", [True, False])
def test_a_late_success_while_the_next_attempt_is_under_way_goes_before_a_person(
    world: World, second_is_paid_too: bool
) -> None:
    payout_id = world.submitted()
    first = world.bank.orders[0]
    world.hears(payout_id, world.bank.refuses("busy", first))
    world.passes(minutes=1)
    assert world.hears(payout_id, world.bank.settles(first), attempt=1) is Effect.PAID
    assert world.row(payout_id).needs_review
    if second_is_paid_too:
        assert world.hears(payout_id, world.bank.settles()) is Effect.EXTRA
        assert world.in_suspense == Money.major(-500)
    else:
        assert world.hears(payout_id, world.bank.refuses()) is Effect.REPEATED
        assert world.in_suspense == Money(0)
    assert (world.state(payout_id), world.sms(payout_id)) == ("paid", ["withdraw_delayed", "withdraw_paid"])
    assert world.books_agree()


def test_a_failure_of_an_earlier_attempt_says_nothing_of_the_next(world: World) -> None:
    payout_id = world.submitted()
    first = world.bank.orders[0]
    world.hears(payout_id, world.bank.refuses("busy", first))
    world.passes(minutes=1)
    assert world.hears(payout_id, world.bank.refuses("other", first), attempt=1) is Effect.REPEATED
    assert (world.state(payout_id), world.wallet) == ("submitted", 485)


@pytest.mark.parametrize("with_receipt", [True, False])
def test_a_success_after_the_money_was_returned_is_in_the_books_and_before_a_person(
    world: World, with_receipt: bool
) -> None:
    payout_id = world.submitted()
    world.hears(payout_id, world.bank.refuses())
    late = world.bank.settles()
    told = late if with_receipt else world.bank.settles(receipt=None)
    assert world.hears(payout_id, told) is Effect.EXTRA
    row = world.row(payout_id)
    assert (row.state, row.needs_review, world.wallet) == ("returned", True, 1_000)
    assert world.in_suspense == Money.major(-500)
    assert world.hears(payout_id, late) is (Effect.REPEATED if with_receipt else Effect.COMPLETED)
    assert world.in_suspense == Money.major(-500)
    assert world.books_agree()


def test_a_second_success_with_another_receipt_is_in_the_books_and_before_a_person(world: World) -> None:
    payout_id = world.submitted()
    world.hears(payout_id, world.bank.settles())
    second = world.bank.settles(receipt="SECOND" + world.number)
    world.bank.out += Money.major(500)
    assert world.hears(payout_id, second) is Effect.EXTRA
    assert world.hears(payout_id, second) is Effect.REPEATED
    assert (world.row(payout_id).needs_review, world.in_suspense) == (True, Money.major(-500))
    assert world.books_agree()


@pytest.mark.parametrize("source", list(Source))
def test_a_failure_after_a_success_moves_nothing_and_goes_before_a_person(world: World, source: Source) -> None:
    payout_id = world.submitted()
    world.hears(payout_id, world.bank.settles())
    assert world.hears(payout_id, world.bank.refuses(), source=source) is Effect.CONTRADICTION
    assert (world.state(payout_id), world.row(payout_id).needs_review) == ("paid", True)
    assert (len(world.sms(payout_id)), world.wallet) == (1, 485)
    assert world.books_agree()


@pytest.mark.parametrize("shillings", [499, 501, 50_000])
def test_another_amount_settles_nothing_and_goes_before_a_person(world: World, shillings: int) -> None:
    payout_id = world.submitted()
    wrong = world.bank.settles(amount=Money.major(shillings))
    assert world.hears(payout_id, wrong) is Effect.CONTRADICTION
    row = world.row(payout_id)
    assert (row.state, row.needs_review, world.paid_out) == ("submitted", True, Money(0))
    assert world.hears(payout_id, world.bank.settles()) is Effect.PAID
    assert world.row(payout_id).needs_review
    assert world.books_agree()


def test_a_receipt_that_other_money_has_settles_nothing(world: World) -> None:
    one, other = world.submitted(100), world.submitted(200)
    first, second = world.bank.orders
    result = world.bank.settles(first)
    world.hears(one, result)
    assert world.hears(other, world.bank.settles(second, receipt=result.receipt)) is Effect.CONTRADICTION
    assert (world.state(other), world.row(other).needs_review) == ("submitted", True)
    assert world.hears(other, world.bank.settles(second)) is Effect.PAID
    assert world.books_agree()


def test_a_receipt_of_money_that_came_in_settles_nothing(world: World) -> None:
    payment = world.payments.prompted()
    came = world.payments.paid(payment)
    world.payments.callback(payment, came)
    payout_id = world.submitted()
    assert world.hears(payout_id, world.bank.settles(receipt=came.receipt)) is Effect.CONTRADICTION


def paid(world: World) -> PayoutResult:
    return world.bank.settles()


def paid_receiptless(world: World) -> PayoutResult:
    return world.bank.settles(receipt=None, amount=None)


def refused(world: World) -> PayoutResult:
    return world.bank.refuses()


@pytest.mark.parametrize(
    "order", list(itertools.permutations([paid, paid, paid_receiptless, refused], 4))[::2], ids=lambda _: ""
)
def test_whatever_the_order_of_what_is_told_the_money_left_once_and_the_books_agree(
    world: World, order: tuple[Callable[[World], PayoutResult], ...]
) -> None:
    payout_id = world.submitted()
    for told in order:
        world.hears(payout_id, told(world))
        world.hears(payout_id, told(world))
    row = world.row(payout_id)
    assert row.state == ("returned" if order[0] is refused else "paid")
    assert row.needs_review
    assert world.paid_out == Money.major(500)
    assert world.wallet == (1_000 if order[0] is refused else 485)
    assert len(world.sms(payout_id)) == 1
    assert world.books_agree()


# What the owner sees.


def test_the_last_withdrawal_is_told_until_a_quarter_of_an_hour_after_it_is_certain(world: World) -> None:
    assert world.payouts.latest(world.number) is None
    payout_id = world.submitted()
    glance = world.payouts.latest(world.number)
    assert glance is not None
    assert (glance.standing, glance.amount) == (Standing.CHECKING, Money.major(500))
    world.hears(payout_id, world.bank.settles())
    glance = world.payouts.latest(world.number)
    assert glance is not None
    assert glance.standing is Standing.PAID
    world.clock.now += timedelta(minutes=16)
    assert world.payouts.latest(world.number) is None


def test_money_that_came_back_is_told_so(world: World) -> None:
    payout_id = world.submitted()
    world.hears(payout_id, world.bank.refuses())
    glance = world.payouts.latest(world.number)
    assert glance is not None
    assert glance.standing is Standing.RETURNED
