"""Asking the rail: soon, then less often, then a person; silence is never called failed."""

from __future__ import annotations

import pytest
import structlog

from gateway.domain.errors import NothingWaiting
from gateway.services.stops import PAYOUTS
from integrations.protocols import PaymentVerdict, PayoutResult
from tests.services.payouts.world import World

PENDING, SILENCE = PayoutResult(PaymentVerdict.PENDING), PayoutResult(PaymentVerdict.NO_ANSWER)


def ask_all(world: World) -> list[int]:
    """Run every question until none is waiting; returns the gaps in seconds."""
    gaps = []
    while waiting := world.jobs.seconds("ask"):
        gaps.append(waiting[-1])
        world.passes(seconds=waiting[-1])
        assert len(gaps) < 20
    return gaps


@pytest.mark.parametrize("says", [PENDING, SILENCE])
def test_questions_come_soon_then_less_often_and_then_a_person_looks_once(world: World, says: PayoutResult) -> None:
    payout_id = world.submitted()
    world.bank.says = says
    with structlog.testing.capture_logs() as logs:
        assert ask_all(world) == [30, 120, 600, 3600]
    row = world.row(payout_id)
    assert (row.state, row.needs_review, row.due_at, world.wallet) == ("unknown", True, None, 485)
    assert [line["event"] for line in logs if line["log_level"] == "error" and "payout" in line["event"]] == [
        "payout.needs_review"
    ]
    assert world.sms(payout_id) == ["withdraw_delayed"]


@pytest.mark.parametrize("verdict", ["paid", "failed"])
def test_a_definite_answer_ends_the_questions(world: World, verdict: str) -> None:
    payout_id = world.submitted()
    world.bank.says = world.bank.settles() if verdict == "paid" else world.bank.refuses()
    assert ask_all(world) == [30]
    assert world.state(payout_id) == ("paid" if verdict == "paid" else "returned")
    assert world.books_agree()


def test_an_answer_after_the_last_question_still_counts_and_nobody_needs_to_look_any_more(world: World) -> None:
    payout_id = world.submitted()
    ask_all(world)
    world.hears(payout_id, world.bank.settles())
    row = world.row(payout_id)
    assert (row.state, row.needs_review, row.reason) == ("paid", False, None)
    assert world.sms(payout_id) == ["withdraw_delayed", "withdraw_paid"]
    assert world.books_agree()


def test_a_question_is_answered_at_an_address_of_its_own(world: World) -> None:
    payout_id = world.submitted()
    world.passes(minutes=3)
    (attempt,) = world.attempts(payout_id)
    assert set(world.bank.question_urls) == {f"https://mlango.example/hooks/{attempt.question_token}/payout-status"}
    assert attempt.question_token not in (None, attempt.token)


def test_a_question_that_comes_again_asks_nothing_and_starts_no_second_chain(world: World) -> None:
    payout_id = world.submitted()
    world.passes(seconds=30)
    asked, waiting = len(world.bank.asked), len(world.jobs.waiting)
    world.payouts.ask(payout_id, 0)
    assert (len(world.bank.asked), len(world.jobs.waiting)) == (asked, waiting) == (1, 1)


def test_a_question_left_from_an_earlier_call_does_not_ask_about_the_next_one_too_early(world: World) -> None:
    world.bank.repeatable = False
    payout_id = world.held()
    world.bank.script = ["busy", "busy", "lose the answer"]
    world.payouts.pay(payout_id)
    world.passes(seconds=25)
    assert world.state(payout_id) == "unknown"
    world.passes(seconds=6)
    assert (world.bank.asked, world.row(payout_id).checks) == ([], 0)
    world.passes(seconds=25)
    assert len(world.bank.asked) == 1


def test_a_settled_payout_is_not_asked_about(world: World) -> None:
    payout_id = world.submitted()
    world.hears(payout_id, world.bank.settles())
    world.passes(hours=3)
    assert world.bank.asked == []


def test_while_payouts_are_stopped_a_question_that_could_pay_waits(world: World) -> None:
    payout_id = world.held()
    world.bank.script = ["never arrived"]
    world.payouts.pay(payout_id)
    world.stops.stop(PAYOUTS, "the books are wrong")
    world.passes(hours=3)
    assert (world.state(payout_id), world.bank.orders) == ("unknown", [])
    world.stops.lift(PAYOUTS)
    world.passes(minutes=2)
    assert (world.state(payout_id), len(world.bank.orders)) == ("submitted", 1)


def test_while_payouts_are_stopped_what_the_rail_took_is_asked_about_all_the_same(world: World) -> None:
    payout_id = world.submitted()
    world.stops.stop(PAYOUTS, "the books are wrong")
    world.bank.says = world.bank.settles()
    world.passes(minutes=1)
    assert world.state(payout_id) == "paid"


def test_every_question_says_whether_the_rail_answered(world: World) -> None:
    noted: list[bool] = []
    world.submitted()
    world.health.note = lambda rail, *, answered: noted.append(answered)  # type: ignore[method-assign]
    world.passes(seconds=30)
    world.bank.says = SILENCE
    world.passes(minutes=2)
    assert noted == [True, False]


# A person.


def test_a_person_has_it_asked_about_again(world: World) -> None:
    payout_id = world.submitted()
    ask_all(world)
    world.payouts.retry(world.row(payout_id).reference)
    world.bank.says = world.bank.settles()
    world.passes(seconds=1)
    assert world.state(payout_id) == "paid"
    with pytest.raises(NothingWaiting):
        world.payouts.retry(world.row(payout_id).reference)


def test_going_on_with_what_is_held_pays_it_once(world: World) -> None:
    payout_id = world.held()
    for _ in range(3):
        world.payouts.retry(world.row(payout_id).reference)
    world.passes(seconds=1)
    assert (world.state(payout_id), len(world.bank.orders)) == ("submitted", 1)


@pytest.mark.parametrize("receipt", ["SG632NMUAB", None])
def test_a_person_who_saw_it_paid_settles_it_and_the_late_result_only_repeats_it(
    world: World, receipt: str | None
) -> None:
    payout_id = world.submitted()
    ask_all(world)
    result = world.bank.settles()
    receipt = receipt and str(result.receipt)
    world.payouts.settle(world.row(payout_id).reference, paid=True, because="in the statement", receipt=receipt)
    row = world.row(payout_id)
    assert (row.state, row.receipt, row.needs_review) == ("paid", receipt, False)
    assert world.hears(payout_id, result) == ("repeated" if receipt else "completed")
    assert (world.row(payout_id).receipt, world.row(payout_id).needs_review) == (result.receipt, False)
    assert world.books_agree()


def test_a_person_who_saw_that_it_was_not_paid_returns_it(world: World) -> None:
    payout_id = world.submitted()
    ask_all(world)
    world.payouts.settle(world.row(payout_id).reference, paid=False, because="not in the statement")
    assert (world.state(payout_id), world.wallet, world.row(payout_id).needs_review) == ("returned", 1_000, False)
    assert world.sms(payout_id) == ["withdraw_delayed", "withdraw_returned"]
    with pytest.raises(NothingWaiting):
        world.payouts.settle(world.row(payout_id).reference, paid=True, because="it was")
    assert world.books_agree()


def test_what_a_person_returned_before_it_was_called_is_never_paid(world: World) -> None:
    payout_id = world.held()
    world.bank.script = ["busy"]
    world.payouts.pay(payout_id)
    world.payouts.settle(world.row(payout_id).reference, paid=False, because="the owner asked")
    world.passes(hours=2)
    assert (world.bank.orders, world.wallet, world.state(payout_id)) == ([], 1_000, "returned")


def test_what_was_looked_at_is_off_the_list(world: World) -> None:
    payout_id = world.submitted()
    world.hears(payout_id, world.bank.settles())
    world.hears(payout_id, world.bank.settles(receipt="SECOND" + world.number))
    reference = world.row(payout_id).reference
    assert reference in [one.reference for one in world.payouts.to_review()]
    world.payouts.settle(reference, paid=True, because="seen")
    assert reference not in [one.reference for one in world.payouts.to_review()]
