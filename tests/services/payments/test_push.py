"""The push: once, after the call has ended, and safe to lose at any line."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.domain.errors import PaymentInProgress
from gateway.domain.money import Money
from gateway.services.payment_results import Effect
from integrations.protocols import Outcome, PaymentVerdict, PromptAnswer
from tests.services.payments.world import Killed, World

UNKNOWN = PromptAnswer(Outcome.UNKNOWN)
BUSY = PromptAnswer(Outcome.REJECTED, code="500.003.02", reason="busy", retry_safe=True)
REFUSED = PromptAnswer(Outcome.REJECTED, code="400.002.02", reason="config")


def test_an_accepted_push_prompts_the_payer_at_the_payments_own_address(world: World) -> None:
    payment_id = world.prompted()
    row, (prompt,) = world.row(payment_id), world.rail.prompts
    assert prompt["phone"] == world.phone
    assert prompt["amount"] == Money.major(500)
    assert prompt["url"] == f"https://mlango.example/hooks/{row.token}/stk"
    assert (row.state, row.provider_id, row.request_id) == ("prompted", prompt["provider_id"], "m-1")
    assert world.events(payment_id) == [("requested", "requested"), ("requested", "unknown"), ("unknown", "prompted")]


def test_what_the_rail_is_told_is_short_enough_and_neutral(world: World) -> None:
    world.prompted()
    (prompt,) = world.rail.prompts
    assert len(prompt["reference"]) <= 12
    assert prompt["reference"].isalnum()
    assert 0 < len(prompt["description"]) <= 13


def test_a_push_job_that_runs_again_prompts_nobody_again(world: World) -> None:
    payment_id = world.prompted()
    world.payments.push(payment_id)
    assert len(world.rail.prompts) == 1


def test_two_push_jobs_at_once_prompt_once(world: World) -> None:
    payment_id = world.request()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(world.payments.push, [payment_id] * 4))
    assert len(world.rail.prompts) == 1


def test_dying_before_the_call_is_committed_leaves_the_push_to_be_done(world: World) -> None:
    payment_id = world.request()
    world.jobs.dies_on = "ask"
    with pytest.raises(Killed):
        world.payments.push(payment_id)
    assert (world.row(payment_id).state, world.rail.prompts) == ("requested", [])
    world.jobs.dies_on = ""
    world.payments.push(payment_id)
    assert (world.row(payment_id).state, len(world.rail.prompts)) == ("prompted", 1)


def test_dying_in_the_call_is_unknown_never_prompted_again_and_still_confirmed_by_its_callback(world: World) -> None:
    payment_id = world.request()
    world.rail.answers = [Killed()]
    with pytest.raises(Killed):
        world.payments.push(payment_id)
    world.payments.push(payment_id)
    assert (world.row(payment_id).state, len(world.rail.prompts)) == ("unknown", 1)
    assert world.jobs.of("ask", payment_id)
    with pytest.raises(PaymentInProgress):
        world.request()
    result = world.paid(payment_id, provider_id=world.rail.prompts[0]["provider_id"])
    assert world.callback(payment_id, result) is Effect.CONFIRMED
    assert world.wallet == Money.major(500)


def test_dying_after_the_call_and_before_writing_it_down_is_unknown_too(world: World) -> None:
    payment_id = world.request()

    def die(provider_id: str) -> None:
        raise Killed

    world.rail.during_prompt = die
    with pytest.raises(Killed):
        world.payments.push(payment_id)
    world.payments.push(payment_id)
    assert (world.row(payment_id).state, len(world.rail.prompts)) == ("unknown", 1)


def test_no_answer_is_unknown_and_says_nothing_to_the_payer(world: World) -> None:
    payment_id = world.request()
    world.rail.answers = [UNKNOWN]
    world.payments.push(payment_id)
    assert (world.row(payment_id).state, world.sms(payment_id)) == ("unknown", [])


def test_a_refused_push_has_failed_and_the_payer_hears_that_no_money_moved(world: World) -> None:
    payment_id = world.request()
    world.rail.answers = [REFUSED]
    world.payments.push(payment_id)
    row = world.row(payment_id)
    assert (row.state, row.reason, row.result_code) == ("failed", "config", "400.002.02")
    assert world.sms(payment_id) == ["deposit_failed"]


def test_an_answer_that_proves_nothing_started_is_tried_again_a_few_times(world: World) -> None:
    payment_id = world.request()
    world.rail.answers = [BUSY, BUSY, BUSY]
    for tries in (1, 2):
        world.payments.push(payment_id)
        assert (world.row(payment_id).state, len(world.jobs.of("push", payment_id))) == ("requested", tries + 1)
    assert [job[2] for job in world.jobs.of("push", payment_id)[1:]] == [5, 20]
    world.payments.push(payment_id)
    assert world.row(payment_id).state == "failed"
    assert world.sms(payment_id) == ["deposit_failed"]


def test_a_question_left_from_a_refused_try_does_nothing_while_the_next_is_waiting(world: World) -> None:
    payment_id = world.request()
    world.rail.answers = [BUSY]
    world.payments.push(payment_id)
    world.payments.ask(payment_id, 0)
    assert world.row(payment_id).checks == 0


def test_a_callback_faster_than_the_answer_is_kept_and_only_the_ids_are_added(world: World) -> None:
    payment_id = world.request()

    def callback_first(provider_id: str) -> None:
        assert world.callback(payment_id, world.paid(payment_id, provider_id=provider_id)) is Effect.CONFIRMED

    world.rail.during_prompt = callback_first
    world.payments.push(payment_id)
    row = world.row(payment_id)
    assert (row.state, row.request_id) == ("confirmed", None)
    assert row.provider_id == world.rail.prompts[0]["provider_id"]
    assert world.sms(payment_id) == ["deposit_confirmed"]


@pytest.mark.parametrize("answer", [UNKNOWN, REFUSED, BUSY])
def test_a_late_bad_answer_never_undoes_what_a_callback_confirmed(world: World, answer: PromptAnswer) -> None:
    payment_id = world.request()
    world.rail.answers = [answer]
    world.rail.during_prompt = lambda _: world.callback(payment_id, world.paid(payment_id, provider_id="x" + str(_)))
    world.payments.push(payment_id)
    assert (world.row(payment_id).state, world.wallet) == ("confirmed", Money.major(500))


def test_a_push_that_comes_ten_minutes_late_is_not_sent(world: World) -> None:
    payment_id = world.request()
    world.clock.move(minutes=11)
    world.payments.push(payment_id)
    assert (world.row(payment_id).state, world.rail.prompts) == ("expired", [])
    assert world.sms(payment_id) == ["deposit_failed"]


def test_a_lost_push_job_is_deferred_again(world: World) -> None:
    payment_id = world.request()
    world.jobs.waiting.clear()
    world.clock.move(minutes=6)
    while world.payments.resume_lost():
        pass
    assert world.jobs.of("push", payment_id) == [("push", payment_id, 0)]
    world.payments.push(payment_id)
    world.rail_says(payment_id, PaymentVerdict.PENDING)
    assert world.row(payment_id).state == "prompted"
