"""A rail that is silent three times in a row is down; one answer brings it back, and an operator's stop stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.db import Database
from gateway.domain.errors import PayoutsPaused, RailDown
from gateway.services.rail_health import RailHealth
from gateway.services.stops import PAYOUTS, Stops
from gateway.vault import Vault
from integrations.protocols import Outcome, PaymentVerdict, PromptAnswer, Rail
from tests.conftest import Clock
from tests.services.payments.world import World


@pytest.fixture
def answers() -> list[bool]:
    return [False]


@pytest.fixture
def health(db: Database, clock: Clock, answers: list[bool]) -> RailHealth:
    health = RailHealth(db, {"mpesa": Rail("mpesa", is_up=lambda: answers[0], channels=())}, clock)
    health.note("mpesa", answered=True)
    return health


def test_two_lost_answers_are_an_accident_and_three_an_outage(health: RailHealth) -> None:
    for _ in range(2):
        health.note("mpesa", answered=False)
    health.refuse_if_down("mpesa")
    health.note("mpesa", answered=False)
    with pytest.raises(RailDown):
        health.refuse_if_down("mpesa")
    health.note("mpesa", answered=True)
    health.refuse_if_down("mpesa")


def test_an_answer_in_between_starts_the_count_again(health: RailHealth) -> None:
    for answered in (False, False, True, False, False):
        health.note("mpesa", answered=answered)
    assert health.down() == frozenset()


def test_a_rail_that_is_down_is_asked_until_it_is_back(health: RailHealth, answers: list[bool]) -> None:
    for _ in range(4):
        health.note("mpesa", answered=False)
    assert health.probe() == 0
    assert health.down() == {"mpesa"}
    answers[0] = True
    assert health.probe() == 1
    assert health.down() == frozenset()


def test_a_stop_stays_until_it_is_lifted_and_keeps_its_first_reason(db: Database, clock: Clock) -> None:
    stops = Stops(db, clock)
    assert stops.stop(PAYOUTS, "the books are wrong")
    assert not stops.stop(PAYOUTS, "something else")
    assert stops.why(PAYOUTS) == "the books are wrong"
    with pytest.raises(PayoutsPaused):
        stops.refuse_payouts()
    assert stops.lift(PAYOUTS)
    assert not stops.lift(PAYOUTS)
    stops.refuse_payouts()


class Noted:
    """Remembers whether each call was answered."""

    def __init__(self) -> None:
        self.answered: list[bool] = []

    def note(self, rail: str, *, answered: bool) -> None:
        assert rail == "mpesa"
        self.answered.append(answered)


@pytest.mark.parametrize(
    ("answer", "answered"),
    [
        (PromptAnswer(Outcome.ACCEPTED, "ws_CO_1"), True),
        (PromptAnswer(Outcome.REJECTED, code="400.002.02", reason="config"), True),
        (PromptAnswer(Outcome.REJECTED, code="500.003.02", reason="busy", retry_safe=True), True),
        (PromptAnswer(Outcome.REJECTED, code="not_sent", reason="busy", retry_safe=True), False),
        (PromptAnswer(Outcome.REJECTED, code="breaker_open", reason="busy", retry_safe=True), False),
        (PromptAnswer(Outcome.UNKNOWN, code="no_answer"), False),
    ],
)
def test_every_push_says_whether_the_rail_answered(
    db: Database, vault: Vault, clock: Clock, answer: PromptAnswer, answered: bool
) -> None:
    world, noted = World(db, vault, clock), Noted()
    object.__setattr__(world.desk, "health", noted)
    world.rail.answers = [replace(answer, provider_id=answer.provider_id and f"ws_{world.number}")]
    world.payments.push(world.request())
    assert noted.answered == [answered]


@pytest.mark.parametrize(("verdict", "answered"), [("pending", True), ("failed", True), ("no_answer", False)])
def test_every_question_about_a_payment_says_whether_the_rail_answered(
    db: Database, vault: Vault, clock: Clock, verdict: str, answered: bool
) -> None:
    world, noted = World(db, vault, clock), Noted()
    payment_id = world.prompted()
    object.__setattr__(world.desk, "health", noted)
    code = "" if verdict == "no_answer" else "1032"
    world.rail_says(payment_id, PaymentVerdict(verdict), code=code, reason="cancelled")
    world.ask_next(payment_id)
    assert noted.answered == [answered]


def test_who_was_not_asked_did_not_fall_silent(db: Database, vault: Vault, clock: Clock) -> None:
    world, noted = World(db, vault, clock), Noted()
    world.rail.answers = [PromptAnswer(Outcome.UNKNOWN)]
    payment_id = world.prompted()
    object.__setattr__(world.desk, "health", noted)
    world.ask_next(payment_id)
    assert noted.answered == []
