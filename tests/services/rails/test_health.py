"""A rail that is silent three times in a row is down; one answer brings it back, and an operator's stop stays."""

from __future__ import annotations

import pytest

from gateway.db import Database
from gateway.domain.errors import PayoutsPaused, RailDown
from gateway.services.rail_health import RailHealth
from gateway.services.stops import PAYOUTS, Stops
from integrations.protocols import Rail
from tests.conftest import Clock


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
