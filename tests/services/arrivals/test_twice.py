"""Who paid twice gets the second payment back by itself; what was never made keeps all that came for it."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from gateway.domain.errors import CannotGiveBack, NotEnoughMoney, NothingWaiting
from gateway.domain.money import Money
from gateway.services.payment_results import Effect
from integrations.protocols import ArrivalNotice, PaymentResult, PaymentVerdict
from tests.services.arrivals.world import World, new_receipt
from tests.services.payments.world import fresh_phone


def paid(world: World, shillings: int = 500) -> int:
    payment_id = world.prompted(shillings)
    world.callback(payment_id, world.paid(payment_id, shillings))
    return payment_id


def test_a_second_receipt_for_a_settled_payment_goes_back_once(world: World) -> None:
    payment_id = paid(world)
    second = world.paid(payment_id)
    assert world.callback(payment_id, second) is Effect.SENT_BACK
    assert world.callback(payment_id, second) is Effect.REPEATED
    assert (world.wallet, world.held("suspense"), world.held("clearing")) == (Money.major(500), 0, 500)
    (refund,) = world.refunds.made
    assert (refund.receipt, refund.amount, refund.payment_id) == (second.receipt, Money.major(500), payment_id)
    assert (refund.payee, refund.whole, refund.held_from) == (world.phone, False, f"suspense:{world.rail.name}")
    assert (world.row(payment_id).state, world.row(payment_id).needs_review) == ("confirmed", False)
    assert world.sms(payment_id) == ["deposit_confirmed"]
    assert world.books_are_right()


def test_money_that_names_a_settled_payment_goes_back_to_who_really_paid(world: World) -> None:
    payment_id, other = paid(world), fresh_phone()
    receipt = world.comes(world.row(payment_id).reference, payer=other.e164)
    (refund,) = world.refunds.made
    assert (refund.receipt, refund.payee, world.held("clearing")) == (receipt, other, 500)
    assert (world.wallet, world.state(receipt)) == (Money.major(500), "credited")


def test_another_amount_for_a_payment_whose_receipt_nobody_knows_waits_until_its_result_tells(world: World) -> None:
    """A query tells no amount: it may be that payment's own money, which must not go back while the wallet keeps it."""
    payment_id = world.prompted()
    world.rail_says(payment_id, PaymentVerdict.PAID, code="0")
    world.ask_next(payment_id)
    own = world.paid(payment_id, 490)
    assert own.receipt
    notice = ArrivalNotice(own.receipt, Money.major(490), world.row(payment_id).reference)
    assert world.arrivals.heard(world.rail.name, notice, tokened=True) is None
    assert world.refunds.made == []
    assert world.callback(payment_id, own) is Effect.COMPLETED
    assert world.arrivals.heard(world.rail.name, notice, tokened=True) == "payment repeated"
    assert (world.refunds.made, world.held("float"), world.wallet) == ([], 490, Money.major(500))
    assert world.books_are_right()


def test_a_payer_whose_number_is_hidden_is_not_taken_for_whom_we_prompted(world: World) -> None:
    world.comes(world.row(paid(world)).reference, payer_told="2547 ***** 126")
    assert world.refunds.made[0].payee is None


def test_where_the_rail_has_no_way_back_it_is_the_owners_money_and_a_person_looks(world: World) -> None:
    world.refunds.able = False
    payment_id = paid(world)
    assert world.callback(payment_id, world.paid(payment_id)) is Effect.EXTRA
    assert (world.wallet, world.held("suspense"), world.held("float")) == (Money.major(1000), 0, 1000)
    assert world.row(payment_id).needs_review
    assert world.sms(payment_id) == ["deposit_confirmed", "deposit_confirmed"]
    assert world.books_are_right()


def test_credits_that_were_paid_twice_and_cannot_go_back_wait_in_suspense(world: World) -> None:
    world.refunds.able = False
    payment_id = buy_credits(world)
    assert world.callback(payment_id, world.paid(payment_id, 5_000)) is Effect.CONFIRMED
    assert world.callback(payment_id, world.paid(payment_id, 5_000)) is Effect.EXTRA
    assert (world.held("suspense"), world.row(payment_id).needs_review) == (5_000, True)
    assert world.sms(payment_id) == ["credits_confirmed", "paid_twice"]


def buy_credits(world: World) -> int:
    """Credits for shillings: this world's rail speaks shillings only."""
    payment_id = world.prompted(5_000)
    with world.db.transaction() as session:
        world.ledger.open_account(session.connection().connection.cursor(), f"credits:{world.number}", "credits")
        world.ledger.open_account(session.connection().connection.cursor(), "sales:KES")
        query = text("UPDATE payments SET purpose = 'credits', package = 'pkg_10_credits' WHERE id = :p")
        session.execute(query, {"p": payment_id})
    return payment_id


def test_a_short_payment_keeps_the_rest_that_is_paid_later(world: World) -> None:
    payment_id = world.prompted()
    world.callback(payment_id, world.paid(payment_id, 300))
    world.callback(payment_id, world.paid(payment_id, 200))
    assert (world.wallet, world.held("suspense"), world.refunds.made) == (Money.major(200), 300, [])


def test_a_query_is_no_second_payment(world: World) -> None:
    payment_id = paid(world)
    assert world.query(payment_id, PaymentResult(PaymentVerdict.PAID, code="0")) is Effect.REPEATED
    assert world.refunds.made == []


def test_a_forged_second_payment_sends_nothing_back(world: World) -> None:
    receipt = world.forged(world.row(paid(world)).reference)
    assert (world.refunds.made, world.wallet) == ([], Money.major(500))
    world.answers(receipt, None)
    assert (world.refunds.made, world.held("float")) == ([], 500)


def test_a_receipt_that_settled_another_payment_sends_nothing_back(world: World) -> None:
    first = paid(world)
    receipt = world.row(first).receipt
    second = paid(world)
    assert world.callback(second, world.paid(second, receipt=receipt)) is Effect.CONTRADICTION
    assert (world.wallet, world.refunds.made) == (Money.major(1000), [])


def test_a_confirmed_deposit_is_given_back_whole_by_a_person(world: World) -> None:
    payment_id = paid(world)
    reference = world.row(payment_id).reference
    assert world.payment_refunds.give_back(reference, "the caller asked")
    (refund,) = world.refunds.made
    assert (refund.whole, refund.held_from, refund.amount) == (True, f"wallet:{world.number}", Money.major(500))
    assert (world.wallet, world.held("clearing")) == (Money(0), 500)


def test_a_deposit_that_was_spent_is_not_given_back(world: World) -> None:
    first = paid(world)
    world.payment_refunds.give_back(world.row(first).reference, "asked")
    second = world.row(paid(world, 100)).reference
    world.refunds.made.clear()
    with pytest.raises(NotEnoughMoney):
        world.payment_refunds.give_back(world.row(first).reference, "asked again")
    assert (world.wallet, world.refunds.made) == (Money.major(100), [])
    assert second


def test_what_came_short_is_given_back_from_where_it_waits_and_is_offered_no_more(world: World) -> None:
    payment_id = world.prompted(500)
    world.callback(payment_id, world.paid(payment_id, 300))
    reference = world.row(payment_id).reference
    world.payment_refunds.give_back(reference, "the payer wants it back")
    (refund,) = world.refunds.made
    assert (refund.held_from, refund.amount) == (f"suspense:{world.rail.name}", Money.major(300))
    assert (world.held("suspense"), world.held("clearing"), world.row(payment_id).needs_review) == (0, 300, False)
    with pytest.raises(NothingWaiting):
        world.payments.add_waiting(world.number, reference, "k")
    with pytest.raises(CannotGiveBack):
        world.payment_refunds.give_back(reference, "again")
    assert (world.wallet, world.held("clearing")) == (Money(0), 300)


@pytest.mark.parametrize("state", ["prompted", "unknown reference", "no receipt"])
def test_what_is_no_confirmed_deposit_is_not_given_back(world: World, state: str) -> None:
    payment_id = world.prompted()
    if state == "no receipt":
        world.query(payment_id, PaymentResult(PaymentVerdict.PAID, code="0"))
    reference = "NOSUCHRF" if state == "unknown reference" else world.row(payment_id).reference
    with pytest.raises(NothingWaiting):
        world.payment_refunds.give_back(reference, "asked")


def test_a_rail_without_a_way_back_says_so_and_nothing_moves(world: World) -> None:
    world.refunds.able = False
    payment_id = paid(world)
    with pytest.raises(CannotGiveBack):
        world.payment_refunds.give_back(world.row(payment_id).reference, "asked")
    assert (world.wallet, world.held("clearing"), new_receipt() != "") == (Money.major(500), 0, True)
