"""Questions to a rail by command: committed before they are asked, answered at an address of their own."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from gateway.domain.errors import RailDown
from gateway.domain.money import Money
from integrations.protocols import BalanceResult, Outcome
from tests.services.arrivals.world import TOKEN, World, new_receipt


def test_a_receipt_is_asked_about_and_its_answer_is_kept(world: World) -> None:
    receipt = new_receipt()
    asked = world.lookups.ask_receipt(world.rail.name, receipt)
    assert (asked.outcome, asked.answer) == ("accepted", None)
    world.answers(receipt, 500)
    answer = world.lookups.answer_of(asked.id).answer
    assert answer is not None
    assert (answer["verdict"], answer["amount"], answer["status"]) == ("paid", [50_000, "KES"], "Completed")
    assert world.wallet == Money(0)


def test_an_answer_without_a_question_is_kept_unmatched(world: World) -> None:
    for channel, told in (("receipt-state", {"verdict": "paid"}), ("balance", {"accounts": {}})):
        for token in ("0" * 32, TOKEN):
            world.post(f"/hooks/{token}/{channel}", told)
            assert world.last_item().state == "unmatched"
    world.post(f"/hooks/{TOKEN}/balance", b"garbage")
    assert world.last_item().state == "unreadable"


def test_an_answer_of_another_kind_answers_nothing(world: World) -> None:
    world.lookups.ask_balance(world.rail.name)
    url = world.enquiries.asked[-1][1].replace("/balance", "/receipt-state")
    world.post(url, {"verdict": "paid", "receipt": "A1", "amount": 5})
    assert (world.last_item().state, world.lookups.latest_balance(world.rail.name)) == ("unmatched", None)


def test_the_last_balance_is_what_the_rail_said_last(world: World) -> None:
    assert world.lookups.latest_balance(world.rail.name) is None
    for shillings in (700, 900):
        world.clock.move(minutes=60)
        world.lookups.ask_balance(world.rail.name)
        world.post(world.enquiries.asked[-1][1], {"accounts": {"Utility Account": shillings}})
    world.lookups.ask_balance(world.rail.name)
    assert world.lookups.latest_balance(world.rail.name) == ({"Utility Account": Money.major(900)}, world.clock())


def test_no_answer_replaces_no_answer(world: World) -> None:
    asked = world.lookups.ask_balance(world.rail.name)
    url = world.enquiries.asked[-1][1]
    world.post(url, {"accounts": {"Utility Account": 700}})
    world.post(url, {"accounts": {}})
    assert world.lookups.answer_of(asked.id).answer == {"accounts": {"Utility Account": [70_000, "KES"]}}


def test_a_rail_that_answers_at_once_has_answered(world: World) -> None:
    world.enquiries.balance = BalanceResult({"Wallet": Money.major(50)})
    asked = world.lookups.ask_balance(world.rail.name)
    assert (asked.outcome, asked.answer) == ("accepted", {"accounts": {"Wallet": [5_000, "KES"]}})


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.UNKNOWN])
def test_how_the_rail_took_the_question_is_kept(world: World, outcome: Outcome) -> None:
    world.enquiries.outcome = outcome
    assert world.lookups.ask_balance(world.rail.name).outcome == str(outcome)


def test_dying_while_asking_leaves_the_question_for_its_answer(world: World) -> None:
    def die(**_: object) -> Outcome:
        raise KeyboardInterrupt

    world.enquiries.look_up = die  # type: ignore[method-assign,assignment]
    with pytest.raises(KeyboardInterrupt):
        world.lookups.ask_receipt(world.rail.name, "A1")
    with world.db.reading() as connection:
        query = text("SELECT token FROM rail_questions WHERE rail = :r AND outcome IS NULL")
        token = connection.execute(query, {"r": world.rail.name}).scalar_one()
    world.post(f"/hooks/{token}/receipt-state", {"verdict": "failed"})
    assert world.last_item().state == "handled"


def test_the_hourly_chore_asks_every_rail_that_can_tell(world: World) -> None:
    assert world.lookups.ask_balances() == 1
    assert [receipt for receipt, _ in world.enquiries.asked] == [""]


def test_a_rail_that_is_not_there_or_cannot_tell_is_refused(world: World) -> None:
    world.rails["mute"] = world.rail.as_rail
    for rail in ("nowhere", "mute"):
        for ask in (
            lambda name: world.lookups.ask_receipt(name, "A1"),
            world.lookups.ask_balance,
            lambda name: world.lookups.register(name, TOKEN),
        ):
            with pytest.raises(RailDown):
                ask(rail)


def test_registering_tells_the_rail_the_address_that_nobody_else_knows(world: World) -> None:
    assert world.lookups.register(world.rail.name, TOKEN) == (Outcome.ACCEPTED, "Registered.")
    base = f"https://mlango.example/hooks/{TOKEN}"
    assert world.enquiries.registered == [f"{base}/paybill", f"{base}/paybill-check"]
