"""Our rows against a rail's statement: each difference is one row with one thing to do, and nothing else is one."""

from __future__ import annotations

import pytest

from gateway.domain.errors import NothingWaiting
from gateway.domain.money import Money
from gateway.models.payments import claim_receipt
from integrations.protocols import PaymentVerdict
from tests.services.payments.world import new_receipt
from tests.services.reconciliation.world import Reconciled, days


def test_a_day_on_which_both_sides_agree_has_no_differences(world: Reconciled) -> None:
    world.deposit()
    world.later(minutes=20)
    receipt = new_receipt()
    _, own_id = world.payout(100, "paid", receipt)
    world.line(-100, own_id, receipt)
    world.line(700, done=False)
    world.later()
    assert world.run() == []


def test_money_that_nobody_here_knows_of_is_to_be_booked_in_suspense(world: Reconciled) -> None:
    line = world.line(300, "0712345678")
    world.later()
    assert world.run() == [("missing_here", "book_in_suspense")]
    (one,) = world.found()
    assert (one.subject, one.ours, one.theirs) == (line.receipt, None, Money.major(300))
    assert one.named is None, "what a payer typed may be a phone number"
    world.apply_all()
    assert [(rail, notice.receipt, notice.amount) for rail, notice in world.arrivals] == [
        (world.rail.name, line.receipt, Money.major(300))
    ]


def test_money_that_left_without_a_payout_is_a_persons_business(world: Reconciled) -> None:
    world.line(-5_000)
    world.later()
    assert world.run() == [("missing_here", "find_sender")]
    assert world.apply_all() == [None]


def test_a_receipt_that_the_rail_does_not_have_is_asked_about(world: Reconciled) -> None:
    payment_id = world.prompted(500)
    receipt = new_receipt()
    world.callback(payment_id, world.paid(payment_id, 500, receipt))
    world.later()
    assert world.run() == [("missing_there", "ask_rail")]
    (one,) = world.found()
    assert (one.subject, one.ours, one.theirs, one.payment_id) == (receipt, Money.major(500), None, payment_id)


def test_a_payout_that_we_call_paid_and_the_rail_does_not_have(world: Reconciled) -> None:
    world.payout(100, "paid", new_receipt())
    world.later()
    assert world.run() == [("missing_there", "ask_rail")]


def test_another_amount_under_the_same_receipt_is_compared_by_a_person(world: Reconciled) -> None:
    payment_id = world.prompted(500)
    line = world.line(450, world.row(payment_id).reference)
    world.callback(payment_id, world.paid(payment_id, 500, line.receipt))
    world.later()
    assert world.run() == [("amount_differs", "compare")]
    assert [(one.ours, one.theirs) for one in world.found()] == [(Money.major(500), Money.major(450))]
    assert world.apply_all() == [None]


def test_a_charge_under_the_same_receipt_is_no_difference(world: Reconciled) -> None:
    line = world.deposit()
    world.line(-5, "", line.receipt)
    world.later()
    assert [kind for kind, _ in world.run()] == ["float_differs"], "the charge itself is in nobody's books"


def test_the_same_line_twice_is_one_movement(world: Reconciled) -> None:
    line = world.line(300)
    world.statement.lines.append(line)
    world.later()
    assert [kind for kind, _ in world.run()][:1] == ["missing_here"]
    assert len([one for one in world.found() if one.kind == "missing_here"]) == 1


def test_a_payment_that_nobody_told_us_about_is_confirmed_by_the_statement(world: Reconciled) -> None:
    payment_id, line = world.unheard(500)
    world.later()
    assert world.run() == [("unknown_payment", "apply_to_payment")]
    assert world.row(payment_id).state == "prompted", "looking changes nothing"
    assert world.apply_all() == ["confirmed"]
    assert (world.row(payment_id).receipt, world.wallet) == (line.receipt, Money.major(500))
    assert world.sms(payment_id) == ["deposit_confirmed"]
    assert world.run() == []
    assert world.books_are_right()


@pytest.mark.parametrize("ending", ["expired", "failed"])
def test_a_payment_that_ended_without_money_is_paid_by_the_statement(world: Reconciled, ending: str) -> None:
    payment_id, _ = world.unheard(500)
    if ending == "failed":
        world.callback(payment_id, world.failed(payment_id))
    else:
        world.payments.close(world.row(payment_id).reference, "nothing was seen")
    world.later()
    assert world.run() == [("missing_here", "apply_to_payment")]
    assert world.apply_all() == ["confirmed"]
    assert (world.row(payment_id).state, world.wallet) == ("confirmed", Money.major(500))
    assert world.run() == []


def test_a_payer_who_paid_twice_is_credited_for_both_and_once_each(world: Reconciled) -> None:
    line = world.deposit(500)
    world.line(500, line.reference)
    world.later()
    assert world.run() == [("missing_here", "apply_to_payment")]
    assert world.apply_all() == ["extra"]
    assert world.run() == []
    assert world.wallet == Money.major(1_000)


def test_less_on_the_statement_than_was_asked_goes_to_suspense(world: Reconciled) -> None:
    payment_id = world.prompted(500)
    world.line(200, world.row(payment_id).reference)
    world.later()
    assert world.run() == [("unknown_payment", "apply_to_payment")]
    assert world.apply_all() == ["short"]
    assert world.run() == []
    assert (world.wallet, world.row(payment_id).waiting) == (Money(0), Money.major(200))


def test_a_receipt_that_a_query_could_not_tell_is_filled_in(world: Reconciled) -> None:
    payment_id, line = world.unheard(500)
    world.rail_says(payment_id, PaymentVerdict.PAID)
    world.ask_next(payment_id)
    assert world.row(payment_id).receipt is None
    world.later()
    assert world.run() == []
    assert world.row(payment_id).receipt == line.receipt
    with world.db.transaction() as session:
        assert not claim_receipt(session, world.rail.name, line.receipt, payment_id, world.clock()), "it is taken"
    assert world.run() == []
    assert world.wallet == Money.major(500)


def test_of_two_lines_for_a_payment_that_a_query_confirmed_its_own_is_the_one_of_its_amount(world: Reconciled) -> None:
    payment_id = world.prompted(500)
    reference = world.row(payment_id).reference
    world.line(200, reference)  # somebody typed the reference
    own = world.line(500, reference)
    world.rail_says(payment_id, PaymentVerdict.PAID)
    world.ask_next(payment_id)
    world.later()
    assert world.run() == [("missing_here", "apply_to_payment")]
    assert (world.row(payment_id).receipt, world.found()[0].theirs) == (own.receipt, Money.major(200))


def test_a_payment_that_a_query_confirmed_and_no_statement_has(world: Reconciled) -> None:
    payment_id = world.prompted(500)
    world.rail_says(payment_id, PaymentVerdict.PAID)
    world.ask_next(payment_id)
    world.later()
    assert world.run() == [("missing_there", "ask_rail")]
    assert [one.subject for one in world.found()] == [world.row(payment_id).reference]


def test_an_unknown_payout_that_the_rail_paid_is_paid(world: Reconciled) -> None:
    payout_id, own_id = world.payout(100)
    line = world.line(-100, own_id)
    world.later()
    assert world.run() == [("unknown_payout", "payout_is_paid")]
    assert world.apply_all() == ["paid"]
    ((told_id, result),) = world.payout_results
    assert (told_id, result.own_id, result.receipt, result.amount) == (
        payout_id,
        own_id,
        line.receipt,
        Money.major(100),
    )
    assert world.run() == []


def test_what_was_undone_is_found_by_the_receipt_that_came(world: Reconciled) -> None:
    came = new_receipt()
    payout_id, own_id = world.payout(100, undone=came)
    line = world.line(-100, came)
    world.later()
    assert world.run() == [("unknown_payout", "payout_is_paid")]
    assert world.apply_all() == ["paid"]
    ((told_of, told),) = world.payout_results
    assert (told_of, told.own_id, told.receipt) == (payout_id, own_id, line.receipt)
    world.later(days=2)
    assert world.run() == []


@pytest.mark.parametrize("state", ["unknown", "paid"])
def test_what_was_undone_is_neither_absent_nor_missing_where_its_receipt_was_never_told(
    world: Reconciled, state: str
) -> None:
    came = new_receipt()
    world.payout(100, state, undone=came)
    world.line(-100, came)
    world.later(days=1, hours=2)
    assert "payout_is_absent" not in [action for _, action in world.run()]
    assert "missing_there" not in [kind for kind, _ in world.run()]


def test_an_unknown_payout_that_the_rail_paid_another_amount_for_is_no_evidence(world: Reconciled) -> None:
    _, own_id = world.payout(100)
    world.line(-90, own_id)
    world.later()
    assert world.run() == [("amount_differs", "compare")]
    assert world.apply_all() == [None]


def test_only_after_a_day_is_a_payout_absent(world: Reconciled) -> None:
    payout_id, own_id = world.payout(100)
    world.later(hours=23)
    assert world.run() == []
    world.later(hours=2)
    assert world.run() == [("unknown_payout", "payout_is_absent")]
    assert world.apply_all() == ["returned"]
    ((told_id, result),) = world.payout_results
    assert (told_id, result.verdict, result.own_id) == (payout_id, PaymentVerdict.FAILED, own_id)
    assert world.run() == []


def test_a_payout_that_the_rail_has_but_has_not_done_is_not_absent(world: Reconciled) -> None:
    _, own_id = world.payout(100)
    world.line(-100, own_id, done=False)
    world.later(hours=25)
    assert world.run() == []


def test_a_payout_is_not_absent_while_money_of_its_amount_left_for_nobody_known(world: Reconciled) -> None:
    world.payout(100)
    world.line(-100)
    world.payout(70)
    world.later(hours=25)
    assert sorted(world.run()) == [
        ("missing_here", "find_sender"),
        ("unknown_payout", "compare"),
        ("unknown_payout", "payout_is_absent"),
    ]
    assert sorted(map(str, world.apply_all())) == ["None", "None", "returned"]


def test_a_file_that_does_not_print_our_ids_proves_no_absence(world: Reconciled) -> None:
    world.payout(100)
    world.later(hours=25)
    one = world.line(5)
    world.later(hours=1)
    found = world.reconciliation.run(world.rail.name, world.clock() - days(3), world.clock(), [one])
    assert [difference.kind for difference in found] == ["missing_here"]


def test_a_payout_that_the_rail_made_twice_is_money_to_recover(world: Reconciled) -> None:
    receipt = new_receipt()
    _, own_id = world.payout(100, "paid", receipt)
    world.line(-100, own_id, receipt)
    world.later(minutes=1)
    world.line(-100, own_id)
    world.later()
    assert world.run() == [("paid_twice", "recover")]


def test_a_payout_that_we_gave_back_and_the_rail_paid_is_paid_twice(world: Reconciled) -> None:
    _, own_id = world.payout(100, "returned")
    world.line(-100, own_id)
    world.later()
    assert ("paid_twice", "recover") in world.run()


def test_an_open_payout_that_was_paid_twice_is_paid_once_and_recovered_once(world: Reconciled) -> None:
    _, own_id = world.payout(100)
    world.line(-100, own_id)
    world.later(minutes=1)
    world.line(-100, own_id)
    world.later()
    assert world.run() == [("unknown_payout", "payout_is_paid"), ("paid_twice", "recover")]
    assert world.apply_all() == ["paid", None]
    assert world.run() == [("paid_twice", "recover")]


def test_a_reversal_is_known_by_the_receipt_that_it_undoes(world: Reconciled) -> None:
    line = world.deposit()
    world.later(minutes=20)
    payout_id = world.reversal(line.receipt, 500)
    undone = world.line(-500, line.receipt)
    world.later()
    assert world.run() == [("unknown_payout", "payout_is_paid")]
    assert world.apply_all() == ["paid"]
    ((told, result),) = world.payout_results
    assert (told, result.receipt, result.amount) == (payout_id, undone.receipt, Money.major(500))
    assert world.run() == []


def test_a_reversal_that_was_paid_without_a_receipt_is_no_difference(world: Reconciled) -> None:
    """The answer was lost, and the repetition heard only that it was done already."""
    line = world.deposit()
    world.later(minutes=20)
    world.reversal(line.receipt, 500, "paid")
    world.line(-500, line.receipt)
    world.later()
    assert world.run() == []


def test_a_second_reversal_of_a_receipt_is_not_taken_for_the_one_that_failed(world: Reconciled) -> None:
    line = world.deposit()
    world.later(minutes=20)
    world.reversal(line.receipt, 500, "returned")
    world.reversal(line.receipt, 500)
    world.line(-500, line.receipt)
    world.later()
    assert world.run() == [("unknown_payout", "payout_is_paid")]


def test_what_has_just_happened_is_nobodys_difference(world: Reconciled) -> None:
    world.unheard(500)
    payment_id = world.prompted_by_another(400)
    world.callback(payment_id, world.paid(payment_id, 400))
    world.later(minutes=10)
    assert world.run() == []
    world.later(minutes=20)
    assert sorted(world.run()) == [("missing_there", "ask_rail"), ("unknown_payment", "apply_to_payment")]


def test_what_began_before_the_period_is_not_missed_in_it(world: Reconciled) -> None:
    payment_id = world.prompted(500)
    receipt = new_receipt()
    world.line(500, world.row(payment_id).reference, receipt)
    world.later(minutes=30)
    since = world.clock()
    world.later(minutes=30)
    world.callback(payment_id, world.paid(payment_id, 500, receipt))
    world.later()
    assert world.run(since=since) == []


def test_a_late_callback_does_not_make_an_old_line_a_difference(world: Reconciled) -> None:
    payment_id, line = world.unheard(500)
    world.later(hours=30)
    world.callback(payment_id, world.paid(payment_id, 500, line.receipt))
    world.later()
    assert world.run() == []


def test_a_difference_seen_again_is_the_same_row(world: Reconciled) -> None:
    world.line(300)
    world.later()
    world.run()
    (first,) = world.found()
    world.later()
    world.run()
    (again,) = world.found()
    assert (again.id, again.first_seen_at) == (first.id, first.first_seen_at)
    assert again.last_seen_at == world.clock()


def test_a_difference_that_is_gone_settles_by_itself(world: Reconciled) -> None:
    payment_id, line = world.unheard(500)
    world.later()
    world.run()
    (one,) = world.found()
    world.callback(payment_id, world.paid(payment_id, 500, line.receipt))
    assert world.run() == []
    assert settled(world, one.id) == (world.clock(), None)


def test_a_difference_that_left_the_usual_period_stays_until_it_is_gone(world: Reconciled) -> None:
    payment_id, line = world.unheard(500)
    world.later()
    world.run()
    world.later(days=10)
    assert world.run() == [("unknown_payment", "apply_to_payment")]
    world.callback(payment_id, world.paid(payment_id, 500, line.receipt))
    assert world.run() == []


def test_without_a_statement_only_what_is_known_is_looked_at_again(world: Reconciled) -> None:
    payment_id, line = world.unheard(500)
    world.later()
    world.run()
    world.statement.says = False
    world.prompted_by_another(100)
    world.later()
    assert world.run() == [("unknown_payment", "apply_to_payment")]
    world.callback(payment_id, world.paid(payment_id, 500, line.receipt))
    assert world.run() == []


def test_what_no_statement_can_judge_stays_as_it_is(world: Reconciled) -> None:
    payment_id = world.prompted(500)
    world.callback(payment_id, world.paid(payment_id, 500))
    world.later()
    assert world.run() == [("missing_there", "ask_rail")]
    world.statement.says = False
    assert world.run() == [("missing_there", "ask_rail")]
    world.later(days=1)
    one = world.line(5)
    found = world.reconciliation.run(world.rail.name, lines=[one])
    assert [difference.kind for difference in found] == ["missing_there"], "the file is about another day"


def test_a_difference_that_comes_back_is_open_again(world: Reconciled) -> None:
    line = world.line(300)
    world.later()
    world.run()
    world.statement.lines.clear()
    assert world.run() == []
    world.statement.lines.append(line)
    assert world.run() == [("missing_here", "book_in_suspense")]
    assert world.found()[0].settled_at is None


def test_what_a_person_closed_stays_closed_while_its_figures_do(world: Reconciled) -> None:
    line = world.line(-40)
    world.later()
    world.run()
    (one,) = world.found()
    world.reconciliation.close(one.id, "the rail's monthly charge")
    assert world.run() == []
    assert settled(world, one.id)[1] == "the rail's monthly charge"
    world.statement.lines[:] = [world.line(-50, "", line.receipt, occurred_at=line.occurred_at)]
    assert world.run() == [("missing_here", "find_sender")]


def test_only_what_is_open_can_be_closed(world: Reconciled) -> None:
    world.line(-40)
    world.later()
    world.run()
    (one,) = world.found()
    world.reconciliation.close(one.id, "a charge")
    for difference_id in (one.id, 10**9):
        with pytest.raises(NothingWaiting):
            world.reconciliation.close(difference_id, "again")


def settled(world: Reconciled, difference_id: int) -> tuple[object, object]:
    with world.db.reading() as connection:
        query = f"SELECT settled_at, because FROM differences WHERE id = {difference_id}"
        return tuple(connection.exec_driver_sql(query).one())  # type: ignore[return-value]
