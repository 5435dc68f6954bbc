"""What a rail says, as tables: money counts once, success wins, less is never paid, silence is never failed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gateway.domain.errors import AccountNotFound, NothingWaiting
from gateway.domain.money import Money
from gateway.services.payment_results import Effect, Source
from gateway.services.payments import Standing
from integrations.protocols import PaymentResult, PaymentVerdict
from tests.services.payments.world import World, fresh_phone, new_receipt

PAID_BY_QUERY = PaymentResult(PaymentVerdict.PAID, code="0")


def test_a_paid_callback_credits_the_wallet_and_tells_amount_and_receipt(world: World) -> None:
    payment_id = world.prompted()
    result = world.paid(payment_id, receipt="QWE1234567" + world.number)
    assert world.callback(payment_id, result) is Effect.CONFIRMED
    row = world.row(payment_id)
    assert (row.state, row.receipt, row.received_minor) == ("confirmed", result.receipt, 50_000)
    assert world.wallet == Money.major(500)
    ((kind, body),) = world.sms_bodies(payment_id)
    assert kind == "deposit_confirmed"
    assert row.reference in body
    assert "KES 500" in body
    assert str(result.receipt) in body
    assert world.books_are_right()


def test_a_query_confirms_without_a_receipt(world: World) -> None:
    payment_id = world.prompted()
    assert world.query(payment_id, PAID_BY_QUERY) is Effect.CONFIRMED
    row = world.row(payment_id)
    assert (row.state, row.receipt, world.wallet) == ("confirmed", None, Money.major(500))
    assert world.sms(payment_id) == ["deposit_confirmed_no_receipt"]


def test_the_callback_after_a_query_only_fills_the_receipt_in(world: World) -> None:
    payment_id = world.prompted()
    world.query(payment_id, PAID_BY_QUERY)
    result = world.paid(payment_id)
    assert world.callback(payment_id, result) is Effect.COMPLETED
    assert (world.row(payment_id).receipt, world.wallet) == (result.receipt, Money.major(500))
    assert world.sms(payment_id) == ["deposit_confirmed_no_receipt"]
    assert world.callback(payment_id, result) is Effect.REPEATED


def test_the_callback_after_a_query_that_says_more_adds_the_difference(world: World) -> None:
    payment_id = world.prompted()
    world.query(payment_id, PAID_BY_QUERY)
    assert world.callback(payment_id, world.paid(payment_id, 600)) is Effect.COMPLETED
    assert world.wallet == Money.major(600)


def test_the_callback_after_a_query_that_says_less_goes_before_a_person(world: World) -> None:
    payment_id = world.prompted()
    world.query(payment_id, PAID_BY_QUERY)
    before = world.balance(f"suspense:{world.row(payment_id).rail}")
    world.callback(payment_id, world.paid(payment_id, 400))
    row = world.row(payment_id)
    assert (row.state, row.needs_review, row.received_minor) == ("confirmed", True, 40_000)
    assert world.balance(f"suspense:{world.row(payment_id).rail}") == before - Money.major(100), (
        "so that our float is what the rail has"
    )


def test_the_paybill_paid_beside_a_prompt_that_a_query_confirmed_is_other_money(world: World) -> None:
    payment_id = world.prompted(500)
    world.query(payment_id, PAID_BY_QUERY)
    typed = PaymentResult(PaymentVerdict.PAID, receipt=new_receipt(), amount=Money.major(200))
    assert world.payments.result(payment_id, typed, Source.ARRIVAL) in (Effect.EXTRA, Effect.SENT_BACK)
    assert world.callback(payment_id, world.paid(payment_id, 500)) is Effect.COMPLETED
    assert (world.row(payment_id).received_minor, world.wallet) == (50_000, Money.major(700))


@pytest.mark.parametrize(
    ("came", "effect", "wallet", "review"),
    [(500, Effect.REPEATED, 500, False), (650, Effect.COMPLETED, 650, False), (300, Effect.COMPLETED, 500, True)],
)
def test_a_query_that_knew_the_receipt_but_not_the_amount_is_put_right_by_the_callback(
    world: World, came: int, effect: Effect, wallet: int, review: bool
) -> None:
    payment_id, receipt = world.prompted(), new_receipt()
    assert world.query(payment_id, replace(PAID_BY_QUERY, receipt=receipt)) is Effect.CONFIRMED
    assert world.callback(payment_id, world.paid(payment_id, came, receipt)) is effect
    assert world.callback(payment_id, world.paid(payment_id, came, receipt)) is Effect.REPEATED
    row = world.row(payment_id)
    assert (row.receipt, row.received_minor, row.needs_review) == (receipt, came * 100, review)
    assert world.wallet == Money.major(wallet)
    assert world.books_are_right()


@pytest.mark.parametrize("source", list(Source))
def test_the_same_success_again_changes_nothing(world: World, source: Source) -> None:
    payment_id = world.prompted()
    result = world.paid(payment_id)
    world.callback(payment_id, result)
    again = result if source is Source.CALLBACK else PAID_BY_QUERY
    assert world.payments.result(payment_id, again, source) is Effect.REPEATED
    assert (world.wallet, world.sms(payment_id)) == (Money.major(500), ["deposit_confirmed"])


@pytest.mark.parametrize("source", list(Source))
def test_a_success_is_never_overwritten_by_a_later_failure(world: World, source: Source) -> None:
    payment_id = world.prompted()
    world.callback(payment_id, world.paid(payment_id))
    assert world.payments.result(payment_id, world.failed(payment_id), source) is Effect.REPEATED
    assert (world.row(payment_id).state, world.wallet) == ("confirmed", Money.major(500))


def test_a_failed_callback_after_a_receiptless_success_is_a_contradiction_for_a_person(world: World) -> None:
    payment_id = world.prompted()
    world.query(payment_id, PAID_BY_QUERY)
    assert world.callback(payment_id, world.failed(payment_id)) is Effect.CONTRADICTION
    row = world.row(payment_id)
    assert (row.state, row.needs_review) == ("confirmed", True)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("cancelled", "deposit_cancelled"),
        ("no_money", "deposit_no_money"),
        ("timeout", "deposit_timeout"),
        ("wrong_pin", "deposit_failed"),
        ("limit", "deposit_failed"),
        ("other", "deposit_failed"),
    ],
)
def test_a_failure_is_told_by_its_reason(world: World, reason: str, told: str) -> None:
    payment_id = world.prompted()
    assert world.callback(payment_id, world.failed(payment_id, reason, "SFC_IC0003")) is Effect.FAILED
    row = world.row(payment_id)
    assert (row.state, row.reason, row.result_code) == ("failed", reason, "SFC_IC0003")
    assert row.needs_review is (reason == "other")
    assert (world.sms(payment_id), world.wallet) == ([told], Money(0))


def test_the_same_failure_twice_is_told_once(world: World) -> None:
    payment_id = world.prompted()
    world.callback(payment_id, world.failed(payment_id))
    assert world.callback(payment_id, world.failed(payment_id)) is Effect.REPEATED
    assert world.sms(payment_id) == ["deposit_cancelled"]


def test_an_undocumented_code_from_a_query_is_held_for_a_person_and_not_called_failed(world: World) -> None:
    payment_id = world.prompted()
    assert world.query(payment_id, world.failed(payment_id, "other", "E3008")) is Effect.CONTRADICTION
    row = world.row(payment_id)
    assert (row.state, row.needs_review, world.sms(payment_id)) == ("prompted", True, [])


def make_failed(world: World, payment_id: int) -> None:
    world.query(payment_id, world.failed(payment_id, "timeout", "1037"))


def make_expired(world: World, payment_id: int) -> None:
    world.payments.close(world.row(payment_id).reference, "not in the statement")


@pytest.mark.parametrize("lose", [make_failed, make_expired])
@pytest.mark.parametrize("with_receipt", [True, False])
def test_a_late_success_wins_and_is_told(world: World, lose: Callable[[World, int], None], with_receipt: bool) -> None:
    payment_id = world.prompted()
    lose(world, payment_id)
    result = world.paid(payment_id) if with_receipt else PAID_BY_QUERY
    source = Source.CALLBACK if with_receipt else Source.QUERY
    assert world.payments.result(payment_id, result, source) is Effect.CONFIRMED
    assert (world.row(payment_id).state, world.wallet) == ("confirmed", Money.major(500))
    assert world.sms(payment_id)[-1].startswith("deposit_confirmed")


def test_more_than_asked_is_the_payers_own_money(world: World) -> None:
    payment_id = world.prompted()
    assert world.callback(payment_id, world.paid(payment_id, 750)) is Effect.CONFIRMED
    assert world.wallet == Money.major(750)
    assert "KES 750" in world.sms_bodies(payment_id)[0][1]


def test_less_than_asked_waits_in_suspense_and_is_never_called_paid(world: World) -> None:
    payment_id = world.prompted()
    suspense = world.balance(f"suspense:{world.rail.name}")
    assert world.callback(payment_id, world.paid(payment_id, 300)) is Effect.SHORT
    row = world.row(payment_id)
    assert (row.state, row.reason, row.needs_review) == ("failed", "short", True)
    assert (row.received_minor, row.waiting_minor) == (30_000, 30_000)
    assert (world.wallet, world.balance(f"suspense:{world.rail.name}") - suspense) == (Money(0), Money.major(300))
    ((kind, body),) = world.sms_bodies(payment_id)
    assert kind == "deposit_short"
    assert "KES 300" in body
    assert "KES 500" in body


def test_a_query_that_says_paid_does_not_make_a_short_payment_whole(world: World) -> None:
    payment_id = world.prompted()
    world.callback(payment_id, world.paid(payment_id, 300))
    assert world.query(payment_id, PAID_BY_QUERY) is Effect.REPEATED
    assert world.wallet == Money(0)


def test_a_short_payment_is_added_by_the_payers_choice_once(world: World) -> None:
    payment_id = world.prompted()
    suspense = world.balance(f"suspense:{world.rail.name}")
    world.callback(payment_id, world.paid(payment_id, 300))
    reference = world.row(payment_id).reference
    assert world.payments.add_waiting(world.number, reference, "k1").replayed is False
    assert world.payments.add_waiting(world.number, reference, "k1").replayed is True
    assert world.payments.add_waiting(world.number, reference, "k2").replayed is True
    assert (world.wallet, world.balance(f"suspense:{world.rail.name}")) == (Money.major(300), suspense)
    row = world.row(payment_id)
    assert (row.state, row.needs_review, row.waiting_minor) == ("confirmed", False, 0)


def test_four_choices_at_once_add_once(world: World) -> None:
    payment_id = world.prompted()
    world.callback(payment_id, world.paid(payment_id, 300))
    reference = world.row(payment_id).reference
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: world.payments.add_waiting(world.number, reference, f"k{n}"), range(4)))
    assert world.wallet == Money.major(300)


def test_nobody_adds_another_persons_money_or_money_that_is_not_waiting(world: World) -> None:
    payment_id = world.prompted()
    world.callback(payment_id, world.paid(payment_id, 300))
    reference = world.row(payment_id).reference
    with pytest.raises(AccountNotFound):
        world.payments.add_waiting(world.open_account(fresh_phone()), reference, "k")
    other = world.another()
    paid = other.prompted()
    other.callback(paid, other.paid(paid))
    with pytest.raises(NothingWaiting):
        other.payments.add_waiting(other.number, other.row(paid).reference, "k")


def test_a_second_receipt_for_one_payment_is_credited_once_and_told(world: World) -> None:
    payment_id = world.prompted()
    world.callback(payment_id, world.paid(payment_id))
    second = world.paid(payment_id)
    assert world.callback(payment_id, second) is Effect.EXTRA
    assert world.callback(payment_id, second) is Effect.REPEATED
    assert world.wallet == Money.major(1000)
    assert world.sms(payment_id) == ["deposit_confirmed", "deposit_confirmed"]
    assert world.row(payment_id).needs_review
    assert world.books_are_right()


def test_a_receipt_of_another_payment_credits_nobody_twice(world: World) -> None:
    receipt = new_receipt()
    first = world.prompted()
    world.callback(first, world.paid(first, receipt=receipt))
    second = world.prompted()
    assert world.callback(second, world.paid(second, receipt=receipt)) is Effect.CONTRADICTION
    assert (world.wallet, world.row(second).needs_review) == (Money.major(500), True)


@pytest.mark.parametrize("verdict", [PaymentVerdict.PENDING, PaymentVerdict.NO_ANSWER])
def test_no_news_changes_nothing(world: World, verdict: PaymentVerdict) -> None:
    payment_id = world.prompted()
    assert world.query(payment_id, PaymentResult(verdict)) is Effect.NOT_YET
    assert (world.row(payment_id).state, world.sms(payment_id)) == ("prompted", [])


def test_eight_equal_callbacks_at_once_credit_once(world: World) -> None:
    payment_id = world.prompted()
    result = world.paid(payment_id)
    with ThreadPoolExecutor(8) as pool:
        effects = list(pool.map(lambda _: world.callback(payment_id, result), range(8)))
    assert sorted(effects).count(Effect.CONFIRMED) == 1
    assert (world.wallet, world.sms(payment_id)) == (Money.major(500), ["deposit_confirmed"])


def test_a_callback_and_a_query_at_once_credit_once(world: World) -> None:
    payment_id = world.prompted()
    result = world.paid(payment_id)
    calls = [(result, Source.CALLBACK), (PAID_BY_QUERY, Source.QUERY)] * 4
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda call: world.payments.result(payment_id, *call), calls))
    assert world.wallet == Money.major(500)
    assert world.row(payment_id).receipt == result.receipt
    assert len(world.sms(payment_id)) == 1


def test_one_receipt_at_two_payments_at_once_credits_once(world: World) -> None:
    other = world.another()
    receipt = new_receipt()
    pairs = [(one, one.prompted()) for one in (world, other)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda pair: pair[0].callback(pair[1], pair[0].paid(pair[1], receipt=receipt)), pairs))
    assert world.wallet + other.wallet == Money.major(500)


def test_dying_while_crediting_leaves_nothing_behind_and_the_next_try_credits(world: World) -> None:
    payment_id = world.prompted()
    result = world.paid(payment_id)
    unsayable = replace(result, amount=Money.major(500))
    broken = world.another()
    object.__setattr__(broken.desk, "words", _no_words)
    with pytest.raises(KeyError):
        broken.payments.result(payment_id, unsayable, Source.CALLBACK)
    assert (world.wallet, world.row(payment_id).state) == (Money(0), "prompted")
    assert world.callback(payment_id, result) is Effect.CONFIRMED
    assert world.wallet == Money.major(500)


def _no_words(name: str, language: str, /, **blanks: object) -> str:
    raise KeyError(name)


def glance(world: World) -> tuple[Standing, Money | None] | None:
    seen = world.payments.latest(world.number)
    return (seen.standing, seen.received) if seen else None


def test_the_first_line_of_home_follows_the_payment(world: World) -> None:
    assert glance(world) is None
    payment_id = world.request()
    assert glance(world) == (Standing.CHECKING, None)
    world.payments.push(payment_id)
    assert glance(world) == (Standing.CHECKING, None)
    world.callback(payment_id, world.failed(payment_id))
    assert glance(world) == (Standing.NOT_PAID, None)
    world.callback(payment_id, world.paid(payment_id))
    assert glance(world) == (Standing.PAID, Money.major(500))
    world.clock.move(minutes=16)
    assert glance(world) is None


def test_a_short_payment_stays_on_home_until_its_payer_chose(world: World) -> None:
    payment_id = world.prompted()
    world.callback(payment_id, world.paid(payment_id, 300))
    world.clock.move(days=3)
    assert glance(world) == (Standing.WAITING, Money.major(300))
    world.payments.add_waiting(world.number, world.row(payment_id).reference, "k")
    assert glance(world) == (Standing.PAID, Money.major(300))
