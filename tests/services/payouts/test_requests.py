"""Asking for money out: one confirmation is one hold, and whoever may not is told before anything moves."""

from __future__ import annotations

import pytest

from gateway.domain.errors import (
    AccountFrozen,
    AccountNotFound,
    AmountTooLarge,
    AmountTooSmall,
    DayLimitReached,
    KeyReused,
    NotEnoughMoney,
    PayoutsPaused,
    RailDown,
    Refusal,
    TooLate,
    WholeShillingsOnly,
)
from gateway.domain.money import Money
from gateway.services.limits import Standing
from gateway.services.payouts import Held, Payouts
from gateway.services.stops import PAYOUTS
from tests.ledger.crowd import together
from tests.services.payouts.world import BASIC, World, fresh_phone


def falls_silent(world: World) -> None:
    for _ in range(3):
        world.health.note("mpesa", answered=False)


def test_the_quote_says_amount_and_fee(world: World) -> None:
    quote = world.payouts.quote(world.number, BASIC, Money.major(500))
    assert (quote.amount, quote.fee) == (Money.major(500), Money.major(15))
    assert world.payouts.quote(world.number, BASIC, Money.major(2_501)).fee == Money.major(30)


@pytest.mark.parametrize(
    ("amount", "standing", "refusal"),
    [
        (Money(50_050), BASIC, WholeShillingsOnly),
        (Money.major(9), BASIC, AmountTooSmall),
        (Money.major(70_001), BASIC, AmountTooLarge),
        (Money.major(250_001), Standing("verified"), AmountTooLarge),
    ],
)
def test_amounts_that_may_not_go_out_are_refused_before_the_pin(
    world: World, amount: Money, standing: Standing, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        world.payouts.quote(world.number, standing, amount)
    with pytest.raises(refusal):
        world.payouts.request(world.number, standing, amount, "k")
    assert (world.wallet, world.jobs.waiting) == (1_000, [])


def test_a_changed_pin_lowers_what_may_be_taken_out(world: World) -> None:
    with pytest.raises(AmountTooLarge) as refused:
        world.payouts.quote(world.number, Standing("verified", world.clock()), Money.major(5_001))
    assert refused.value.most == Money.major(5_000)


def test_amount_and_fee_are_held_and_the_rail_is_called_later(world: World) -> None:
    before = world.balance("clearing:mpesa")
    held = world.request(500)
    assert (held.amount, held.fee, held.balance_after) == (Money.major(500), Money.major(15), Money.major(485))
    assert not held.replayed
    row = world.row(held.reference)
    assert (row.state, row.purpose, row.way, row.held_from) == ("held", "withdraw", "send", f"wallet:{world.number}")
    assert world.vault.open(row.payee_sealed or "") == world.phone.e164
    assert world.balance("clearing:mpesa") - before == Money.major(515)
    assert (world.jobs.of("pay"), world.bank.orders) == ([("pay", row.id)], [])


def test_money_goes_to_another_phone_when_that_is_asked_for(world: World) -> None:
    row = world.row(world.request(500, to=world.other_phone).reference)
    world.passes(seconds=1)
    assert world.vault.open(row.payee_sealed or "") == world.other_phone.e164
    assert [order.phone for order in world.bank.orders] == [world.other_phone]


def test_the_same_confirmation_again_holds_nothing_more(world: World) -> None:
    first, again = world.request(500, "k"), world.request(500, "k")
    assert (again.reference, again.replayed, again.fee) == (first.reference, True, first.fee)
    assert (world.wallet, len(world.jobs.waiting)) == (485, 1)


def test_twenty_equal_confirmations_at_once_are_one_payout(world: World) -> None:
    answers = together([lambda: world.request(100, "k")] * 20)
    assert len({answer.reference for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    world.passes(minutes=1)
    assert (len(world.bank.orders), world.wallet) == (1, 885)


def test_two_confirmations_are_two_payouts(world: World) -> None:
    assert world.request(100, "a").reference != world.request(100, "b").reference
    assert world.wallet == 770


@pytest.mark.parametrize(("shillings", "to_another"), [(501, False), (500, True)])
def test_a_key_with_another_request_is_refused(world: World, shillings: int, to_another: bool) -> None:
    world.request(500, "k")
    with pytest.raises(KeyReused):
        world.request(shillings, "k", to=fresh_phone() if to_another else None)
    assert world.wallet == 485


def test_keys_of_two_people_never_meet(world: World) -> None:
    other = World(world.db, world.vault, world.clock)
    assert world.request(100, "k").reference != other.request(100, "k").reference
    assert (world.wallet, other.wallet) == (885, 885)


def test_what_is_not_there_is_not_held_and_stays_refused_under_its_key(world: World) -> None:
    with pytest.raises(NotEnoughMoney):
        world.request(990, "k")
    world.give(f"wallet:{world.number}", 1_000)
    with pytest.raises(NotEnoughMoney):
        world.request(990, "k")
    assert isinstance(world.payouts.outcome(world.number, "k"), NotEnoughMoney)
    assert (world.wallet, world.jobs.waiting) == (2_000, [])


def test_a_frozen_account_lets_nothing_out(world: World) -> None:
    with world.db.hot() as cursor:
        world.ledger.freeze(cursor, f"wallet:{world.number}")
    with pytest.raises(AccountFrozen):
        world.request(100)
    assert world.wallet == 1_000


def test_payouts_count_against_the_same_day_as_transfers(world: World) -> None:
    cooling = Standing("basic", world.clock())
    world.give(f"wallet:{world.number}", 20_000)
    for key in ("a", "b"):
        world.payouts.request(world.number, cooling, Money.major(5_000), key)
    with pytest.raises(DayLimitReached) as refused:
        world.payouts.request(world.number, cooling, Money.major(10), "c")
    assert refused.value.most == Money.major(10_000)
    with world.db.hot() as cursor:
        cursor.execute(
            "SELECT l.used FROM limit_counters l JOIN ledger_accounts a ON a.id = l.account_id"
            " WHERE a.code = %s AND l.counter = 'day'",
            (f"wallet:{world.number}",),
        )
        assert cursor.fetchone()[0] == 1_000_000


def test_an_unknown_account_is_refused(world: World) -> None:
    with pytest.raises(AccountNotFound):
        world.payouts.request("ML-000000", BASIC, Money.major(100), "k")


def close_by_stop(world: World) -> Payouts:
    world.stops.stop(PAYOUTS, "the books are wrong")
    return world.payouts


def close_by_silence(world: World) -> Payouts:
    falls_silent(world)
    return world.payouts


def close_by_setting(world: World) -> Payouts:
    world.rails["mpesa"] = world.rail(pays_out=None)
    return world.payouts


CLOSED = pytest.mark.parametrize(
    ("close", "refusal"),
    [(close_by_stop, PayoutsPaused), (close_by_silence, RailDown), (close_by_setting, PayoutsPaused)],
)


@CLOSED
def test_while_nothing_can_go_out_everybody_is_told_before_an_amount_is_typed(
    world: World, close: object, refusal: type[Refusal]
) -> None:
    close(world)  # type: ignore[operator]
    with pytest.raises(refusal):
        world.payouts.refuse_if_closed()
    with pytest.raises(refusal):
        world.payouts.quote(world.number, BASIC, Money.major(500))
    with pytest.raises(refusal):
        world.request(500, "k")
    assert (world.payouts.outcome(world.number, "k"), world.wallet) == (None, 1_000)


@CLOSED
def test_what_was_confirmed_before_is_still_the_same_payout(world: World, close: object, refusal: object) -> None:
    first = world.request(500, "k")
    close(world)  # type: ignore[operator]
    assert world.request(500, "k").reference == first.reference


def test_without_a_rail_for_payouts_there_are_none(world: World) -> None:
    nothing = World(world.db, world.vault, world.clock, payout_rail="none")
    with pytest.raises(PayoutsPaused):
        nothing.payouts.refuse_if_closed()


def test_the_outcome_of_a_confirmation_can_be_asked(world: World) -> None:
    assert world.payouts.outcome(world.number, "k") is None
    held = world.request(500, "k")
    assert world.payouts.outcome(world.number, "k") == Held(
        held.reference, Money.major(500), Money.major(15), Money.major(485), True
    )
    assert world.payouts.outcome("ML-000000", "k") is None


def test_a_confirmation_given_up_never_happens_and_one_that_happened_stays(world: World) -> None:
    assert isinstance(world.payouts.give_up(world.number, "k"), TooLate)
    with pytest.raises(KeyReused):
        world.request(500, "k")
    held = world.request(500, "other")
    given_up = world.payouts.give_up(world.number, "other")
    assert isinstance(given_up, Held)
    assert (given_up.reference, world.wallet) == (held.reference, 485)


def test_the_phone_is_stored_sealed(world: World) -> None:
    row = world.row(world.request().reference)
    assert world.phone.e164 not in repr(vars(row))
    assert world.phone.e164 not in repr(world.payouts.by_reference(row.reference))
