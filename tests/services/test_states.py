"""The tables of states: every state is placed, final means final, and the database knows the same words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.domain.states import (
    CLAIM,
    MACHINES,
    OPEN_PAYMENTS,
    PAYMENT,
    ArrivalState,
    ClaimState,
    IllegalMove,
    Machine,
    PaymentState,
    PayoutState,
)

SCHEMA = (Path(__file__).parents[2] / "schema.sql").read_text()
WORDS = {"payment": PaymentState, "payout": PayoutState, "arrival": ArrivalState, "claim": ClaimState}
EVERY = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)


@EVERY
def test_every_state_is_placed_and_every_target_exists(machine: Machine) -> None:
    assert machine.states == set(WORDS[machine.name])
    targets = {to for group in machine.moves.values() for to in group} | {b for _, b in machine.by_money}
    assert targets <= machine.states


@EVERY
def test_every_state_can_be_reached_from_the_start(machine: Machine) -> None:
    reached, ahead = set(), [machine.start]
    while ahead:
        state = ahead.pop()
        reached.add(state)
        ahead += [to for to in machine.moves[state] if to not in reached]
    assert reached == machine.states


@EVERY
def test_the_database_allows_exactly_these_states(machine: Machine) -> None:
    table = re.search(rf"CREATE TABLE {machine.name}s \((.*?)\n\);", SCHEMA, re.DOTALL)
    assert table
    listed = re.search(r"state IN \(([^)]*)\)", table[1])
    assert listed
    assert set(re.findall(r"'(\w+)'", listed[1])) == machine.states


@pytest.mark.parametrize("state", ["failed", "expired"])
def test_only_money_moves_a_payment_on_that_has_ended(state: str) -> None:
    assert PAYMENT.is_final(state)
    assert not any(PAYMENT.allows(state, to) for to in PAYMENT.states)
    assert [to for to in PAYMENT.states if PAYMENT.allows(state, to, money=True)] == ["confirmed"]


@pytest.mark.parametrize("state", ["claimed", "returned"])
def test_a_claim_that_has_ended_never_moves(state: str) -> None:
    assert not any(CLAIM.allows(state, to, money=True) for to in CLAIM.states)


def test_a_confirmed_payment_can_only_be_refunded_and_a_refunded_one_nothing() -> None:
    assert PAYMENT.moves["confirmed"] == {"refunded"}
    assert not any(PAYMENT.allows("refunded", to, money=True) for to in PAYMENT.states)


def test_what_is_open_is_what_is_not_decided() -> None:
    assert {state for state in PAYMENT.states if "failed" in PAYMENT.moves[state]} == OPEN_PAYMENTS


def test_a_move_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(IllegalMove):
        PAYMENT.check("confirmed", "failed")
    with pytest.raises(IllegalMove):
        PAYMENT.check("failed", "confirmed")
    PAYMENT.check("failed", "confirmed", money=True)


def test_the_drawing_has_every_move_once() -> None:
    drawn = PAYMENT.mermaid().splitlines()
    assert drawn[:2] == ["stateDiagram-v2", "    [*] --> requested"]
    assert "    failed --> confirmed : money came" in drawn
    assert "    refunded --> [*]" in drawn
    moves = sum(map(len, PAYMENT.moves.values())) + len(PAYMENT.by_money)
    assert len(drawn) == moves + 3
    assert len(set(drawn)) == len(drawn)
