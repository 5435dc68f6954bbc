"""Giving back what came: undone at the rail or paid to the payer, once, and never lost when neither works."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain.money import Money
from gateway.services.payouts import Effect
from gateway.services.refunds import Refund
from integrations.protocols import PaymentVerdict, PayoutResult
from tests.services.payments.world import new_receipt
from tests.services.payouts.world import World

AMOUNT = Money.major(500)


@pytest.fixture
def suspended(world: World) -> str:
    """A receipt of KES 500 that waits in suspense; the rail can undo it."""
    world.rails["mpesa"] = world.rail(gives_back=world.bank)
    world.give("suspense:mpesa", 500)
    return new_receipt()


def give_back(world: World, receipt: str, **more: Any) -> int | None:
    """The payout's id."""
    values = {"account_id": account_id(world)} | more
    with world.db.transaction() as session:
        refund = Refund("mpesa", receipt, AMOUNT, "suspense:mpesa", **values)
        reference = world.payouts.refund(session, refund)
    return world.row(reference).id if reference else None


def account_id(world: World) -> int:
    with world.db.hot() as cursor:
        cursor.execute("SELECT id FROM accounts WHERE number = %s", (world.number,))
        return int(cursor.fetchone()[0])


def given(world: World, receipt: str, **more: Any) -> int:
    payout_id = give_back(world, receipt, **more)
    assert payout_id is not None
    return payout_id


def test_it_is_undone_at_the_rail_without_a_fee_and_the_payer_hears_of_it(world: World, suspended: str) -> None:
    payout_id = given(world, suspended)
    row = world.row(payout_id)
    assert (row.state, row.way, row.purpose, row.fee_minor, row.payee_sealed) == ("held", "reverse", "refund", 0, None)
    assert world.in_suspense == Money(0)
    world.passes(seconds=1)
    assert world.hears(payout_id, world.bank.settles()) is Effect.PAID
    ((kind, body),) = world.sms_bodies(payout_id)
    assert kind == "refunded"
    assert "You paid KES 500 twice. The second payment has been sent back to you." in body
    assert (world.state(payout_id), world.wallet) == ("paid", 1_000)
    assert world.books_agree()


def test_the_same_receipt_is_given_back_once(world: World, suspended: str) -> None:
    assert give_back(world, suspended)
    assert give_back(world, suspended) is None
    assert world.in_suspense == Money(0)


def test_a_rail_that_cannot_undo_pays_the_payers_phone(world: World, suspended: str) -> None:
    world.rails["mpesa"] = world.rail()
    payout_id = given(world, suspended, payee=world.other_phone)
    world.passes(seconds=1)
    assert (world.row(payout_id).way, world.bank.orders[0].phone) == ("send", world.other_phone)
    world.hears(payout_id, world.bank.settles())
    assert world.books_agree()


@pytest.mark.parametrize("can", [{"pays_out": None}, {}])
def test_without_any_way_nothing_moves(world: World, suspended: str, can: dict[str, None]) -> None:
    world.rails["mpesa"] = world.rail(**can)
    payee = world.other_phone if can else None
    assert give_back(world, suspended, payee=payee) is None
    assert (world.in_suspense, world.jobs.waiting) == (AMOUNT, [])


def test_a_decision_that_is_taken_back_gives_nothing_back(world: World, suspended: str) -> None:
    def decide_and_take_back() -> None:
        with world.db.transaction() as session:
            world.payouts.refund(session, Refund("mpesa", suspended, AMOUNT, "suspense:mpesa"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decide_and_take_back()
    assert (world.in_suspense, world.jobs.waiting) == (AMOUNT, [])
    assert give_back(world, suspended)


def test_one_that_cannot_be_given_back_is_put_into_the_payers_wallet(world: World, suspended: str) -> None:
    payout_id = given(world, suspended)
    world.passes(seconds=1)
    assert world.hears(payout_id, world.bank.refuses()) is Effect.RETURNED
    assert (world.wallet, world.in_suspense, world.row(payout_id).needs_review) == (1_500, Money(0), False)
    ((kind, body),) = world.sms_bodies(payout_id)
    assert kind == "refund_kept"
    assert "we put it into your wallet. Balance KES 1,500" in body
    assert world.books_agree()


def test_one_of_a_stranger_stays_in_suspense_and_goes_before_a_person(world: World, suspended: str) -> None:
    payout_id = given(world, suspended, account_id=None)
    world.passes(seconds=1)
    world.hears(payout_id, world.bank.refuses())
    assert (world.in_suspense, world.row(payout_id).needs_review, world.sms(payout_id)) == (AMOUNT, True, [])
    again = give_back(world, suspended, account_id=None)
    assert again not in (None, payout_id)


def test_what_was_undone_before_is_done(world: World, suspended: str) -> None:
    payout_id = given(world, suspended)
    world.passes(seconds=1)
    world.bank.settles()
    already = PayoutResult(PaymentVerdict.FAILED, world.bank.orders[0].own_id, code="R000001", reason="already")
    assert world.hears(payout_id, already) is Effect.PAID
    assert world.hears(payout_id, world.bank.settles()) is Effect.COMPLETED
    assert world.books_agree()


@pytest.mark.parametrize("where", ["die before", "die after", "lose the answer", "never arrived", "accept"])
def test_undoing_is_repeated_until_the_rail_says_so(world: World, suspended: str, where: str) -> None:
    payout_id = given(world, suspended)
    world.bank.script = [where]
    world.passes(minutes=1)
    assert len(world.bank.orders) == 1
    world.bank.settles()
    world.passes(minutes=11)
    assert (world.state(payout_id), len(world.bank.orders), world.bank.asked) == ("paid", 1, [])
    assert world.books_agree()


def test_undoing_that_nobody_answers_goes_before_a_person(world: World, suspended: str) -> None:
    payout_id = given(world, suspended)
    world.passes(hours=3)
    assert (world.state(payout_id), world.row(payout_id).needs_review) == ("unknown", True)
    assert (len(world.bank.orders), world.in_suspense) == (1, Money(0))


@pytest.mark.parametrize("whole", [True, False])
def test_the_whole_of_a_payment_makes_it_refunded_when_it_is_paid_and_when_that_was_asked(
    world: World, suspended: str, whole: bool
) -> None:
    payment_id = world.payments.prompted()
    world.payments.callback(payment_id, world.payments.paid(payment_id))
    world._float -= AMOUNT
    payout_id = given(world, suspended, payment_id=payment_id, whole=whole)
    world.passes(seconds=1)
    assert world.payments.row(payment_id).state == "confirmed"
    world.hears(payout_id, world.bank.settles())
    assert world.payments.row(payment_id).state == ("refunded" if whole else "confirmed")
    assert world.sms(payout_id) == ["refunded_whole" if whole else "refunded"]
    assert world.books_agree()


def test_a_refund_is_no_withdrawal_of_the_owner(world: World, suspended: str) -> None:
    given(world, suspended)
    assert world.payouts.latest(world.number) is None
