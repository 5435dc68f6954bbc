"""Asking the rail: soon, then less often, for a day; and what the payer hears meanwhile."""

from __future__ import annotations

import pytest

from gateway.domain.errors import NothingWaiting, PaymentInProgress
from gateway.domain.money import Money
from integrations.protocols import Outcome, PaymentVerdict, PromptAnswer
from tests.services.payments.world import World


def ask_for_a_day(world: World, payment_id: int) -> list[int]:
    """Run every question until none is waiting; returns the gaps in seconds."""
    gaps = []
    while len(world.jobs.of("ask", payment_id)) > len(gaps):
        gaps.append(world.ask_next(payment_id))
        assert len(gaps) < 100
    return gaps


def test_questions_come_soon_and_then_with_growing_gaps(world: World) -> None:
    payment_id = world.prompted()
    gaps = ask_for_a_day(world, payment_id)
    assert gaps[:8] == [25, 30, 60, 120, 300, 600, 1800, 3600]
    assert set(gaps[8:]) == {3600}
    assert 24 * 3600 <= sum(gaps) < 26 * 3600


def test_a_paid_answer_confirms_and_ends_the_questions(world: World) -> None:
    payment_id = world.prompted()
    world.rail_says(payment_id, PaymentVerdict.PAID, code="0")
    assert ask_for_a_day(world, payment_id) == [25]
    assert (world.row(payment_id).state, world.wallet) == ("confirmed", Money.major(500))


def test_a_definite_failure_ends_them_too(world: World) -> None:
    payment_id = world.prompted()
    world.rail_says(payment_id, PaymentVerdict.FAILED, code="1032", reason="cancelled")
    assert ask_for_a_day(world, payment_id) == [25]
    assert (world.row(payment_id).state, world.sms(payment_id)) == ("failed", ["deposit_cancelled"])


@pytest.mark.parametrize("verdict", [PaymentVerdict.PENDING, PaymentVerdict.NO_ANSWER])
def test_the_payer_hears_once_that_it_is_not_certain_and_never_that_it_failed(
    world: World, verdict: PaymentVerdict
) -> None:
    payment_id = world.prompted()
    world.rail_says(payment_id, verdict)
    for told in ([], [], ["deposit_unconfirmed"], ["deposit_unconfirmed"], ["deposit_unconfirmed"]):
        world.ask_next(payment_id)
        assert world.sms(payment_id) == told
    assert world.row(payment_id).state == "unknown"
    with pytest.raises(PaymentInProgress):
        world.request()


def test_a_day_of_not_paid_yet_expires(world: World) -> None:
    payment_id = world.prompted()
    world.rail_says(payment_id, PaymentVerdict.PENDING)
    ask_for_a_day(world, payment_id)
    assert world.row(payment_id).state == "expired"
    assert world.sms(payment_id) == ["deposit_unconfirmed", "deposit_timeout"]


def test_a_day_of_silence_stays_unknown_and_goes_before_a_person(world: World) -> None:
    payment_id = world.prompted()
    world.rail_says(payment_id, PaymentVerdict.NO_ANSWER)
    ask_for_a_day(world, payment_id)
    row = world.row(payment_id)
    assert (row.state, row.needs_review, row.due_at) == ("unknown", True, None)
    assert world.sms(payment_id) == ["deposit_unconfirmed"]


def test_a_push_whose_answer_was_lost_cannot_be_asked_about_and_goes_before_a_person(world: World) -> None:
    payment_id = world.request()
    world.rail.answers = [PromptAnswer(Outcome.UNKNOWN)]
    world.payments.push(payment_id)
    ask_for_a_day(world, payment_id)
    row = world.row(payment_id)
    assert (row.state, row.needs_review, world.rail.asked) == ("unknown", True, [])
    assert world.sms(payment_id) == ["deposit_unconfirmed"]


def test_a_person_closes_what_the_rails_own_books_do_not_have(world: World) -> None:
    payment_id = world.request()
    world.rail.answers = [PromptAnswer(Outcome.UNKNOWN)]
    world.payments.push(payment_id)
    reference = world.row(payment_id).reference
    world.payments.close(reference, "not in the statement")
    assert (world.row(payment_id).state, world.sms(payment_id)) == ("expired", ["deposit_timeout"])
    assert world.request()
    with pytest.raises(NothingWaiting):
        world.payments.close(reference, "again")


def test_a_question_job_that_runs_again_asks_nothing_and_starts_no_second_chain(world: World) -> None:
    payment_id = world.prompted()
    world.ask_next(payment_id)
    asked, waiting = len(world.rail.asked), len(world.jobs.waiting)
    world.payments.ask(payment_id, 0)
    assert (len(world.rail.asked), len(world.jobs.waiting)) == (asked, waiting)


def test_a_lost_question_is_deferred_again(world: World) -> None:
    payment_id = world.prompted()
    world.jobs.waiting.clear()
    while world.payments.resume_lost():
        pass
    assert not world.jobs.of("ask", payment_id)
    world.clock.move(minutes=6)
    while world.payments.resume_lost():
        pass
    assert world.jobs.of("ask", payment_id) == [("ask", payment_id, 0, 0)]


def test_a_settled_payment_is_not_asked_about(world: World) -> None:
    payment_id = world.prompted()
    world.callback(payment_id, world.paid(payment_id))
    world.ask_next(payment_id)
    assert not world.rail.asked
