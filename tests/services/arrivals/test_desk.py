"""What people do with money that waits: whose it is, or back to who paid; and the gate before it comes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from gateway.db import Database
from gateway.domain.errors import AccountNotFound, CannotGiveBack, NothingWaiting, Refusal
from gateway.domain.money import Money
from tests.services.arrivals.world import TOKEN, World
from tests.services.payments.world import fresh_phone


def test_a_person_assigns_what_waits_and_its_owner_is_told(world: World) -> None:
    receipt = world.comes("Juma's rent")
    world.arrivals.assign(receipt, world.number, "he called")
    assert (world.state(receipt), world.wallet, world.held("suspense")) == ("credited", Money.major(500), 0)
    assert [kind for kind, _, _ in world.sms_about(receipt)] == ["arrival_credited"]
    assert str(world.arrival(receipt).because).startswith("he called")


def test_what_is_assigned_is_not_assigned_or_returned_again(world: World) -> None:
    receipt = world.comes("nobody")
    world.arrivals.assign(receipt, world.number, "x")
    with pytest.raises(NothingWaiting):
        world.arrivals.assign(receipt, world.open_account(fresh_phone()), "x")
    with pytest.raises(NothingWaiting):
        world.arrivals.give_back(receipt, "x")
    assert world.wallet == Money.major(500)


def test_four_people_at_once_settle_it_once(world: World) -> None:
    receipt = world.comes("nobody")

    def decide(number: int) -> str:
        try:
            if number % 2:
                return world.arrivals.give_back(receipt, "x")
            world.arrivals.assign(receipt, world.number, "x")
        except Refusal as refused:
            return refused.code
        return "assigned"

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(decide, range(4)))
    assert said.count("nothing_waiting") == 3
    assert world.held("suspense") == 0
    assert world.wallet.whole_units + world.held("clearing") == 500


@pytest.mark.parametrize("number", ["ML-000000", "", "0712345678"])
def test_nobody_is_assigned_money_without_an_account(world: World, number: str) -> None:
    receipt = world.comes("nobody")
    with pytest.raises(AccountNotFound):
        world.arrivals.assign(receipt, number, "x")
    assert world.state(receipt) == "suspended"


@pytest.mark.parametrize("receipt", ["NOSUCH", ""])
def test_a_receipt_nobody_knows_is_refused(world: World, receipt: str) -> None:
    with pytest.raises(NothingWaiting):
        world.arrivals.assign(receipt, world.number, "x")


def test_one_receipt_on_two_rails_needs_the_rails_name(world: World) -> None:
    other = World(world.db, world.vault, world.clock)
    receipt = world.comes("nobody")
    other.comes("nobody", receipt=receipt)
    with pytest.raises(NothingWaiting):
        world.arrivals.assign(receipt, world.number, "x")
    world.arrivals.assign(receipt, world.number, "x", rail=world.rail.name)
    assert (world.state(receipt), other.state(receipt)) == ("credited", "suspended")


def test_a_person_sends_it_back_to_who_paid(world: World) -> None:
    payer = fresh_phone()
    receipt = world.comes("nobody", payer=payer.e164)
    assert world.arrivals.give_back(receipt, "the payer asked")
    (refund,) = world.refunds.made
    assert (refund.receipt, refund.arrival_id, refund.payee) == (receipt, world.arrival(receipt).id, payer)
    assert (world.state(receipt), world.held("suspense"), world.held("clearing")) == ("returned", 0, 500)


def test_where_there_is_no_way_back_it_stays(world: World) -> None:
    world.refunds.able = False
    receipt = world.comes("nobody")
    with pytest.raises(CannotGiveBack):
        world.arrivals.give_back(receipt, "x")
    assert (world.state(receipt), world.held("suspense")) == ("suspended", 500)


def test_what_could_not_go_back_waits_for_a_person_again(world: World) -> None:
    receipt = world.comes("nobody")
    world.arrivals.give_back(receipt, "x")
    assert world.arrivals.resume_lost() == 0
    add_way_back(world, receipt, "unknown")
    assert world.arrivals.resume_lost() == 0
    with world.db.transaction() as session:
        session.execute(text("UPDATE payouts SET state = 'returned' WHERE undone_receipt = :r"), {"r": receipt})
    assert world.arrivals.resume_lost() == 1
    assert world.state(receipt) == "suspended"
    assert receipt in [one.receipt for one in world.arrivals.waiting()]


def add_way_back(world: World, receipt: str, state: str) -> None:
    with world.db.transaction() as session:
        session.execute(
            text("""INSERT INTO payouts (reference, idempotency_key, purpose, way, rail, held_from, amount_minor,
                                         currency, arrival_id, undone_receipt, state)
                    VALUES (:r, :r, 'refund', 'reverse', :rail, 'suspense:x', 50000, 'KES', :a, :r, :s)"""),
            {"r": receipt, "rail": world.rail.name, "a": world.arrival(receipt).id, "s": state},
        )


def test_a_person_may_vouch_for_what_the_rail_never_answered_about(world: World) -> None:
    receipt = world.comes("nobody", 50_000)
    world.asks()
    world.arrivals.assign(receipt, world.number, "seen in the portal")
    assert (world.wallet, world.held("float"), world.held("suspense")) == (Money.major(50_000), 50_000, 0)
    world.answers(receipt, 50_000)
    assert world.wallet == Money.major(50_000)


# The gate: the rail asks before it takes money.


def knocks(world: World, typed: str, amount: object = 500, token: str = TOKEN) -> object:
    told = {"receipt": "AB1", "amount": amount, "typed": typed}
    answer = world.client.post(f"/hooks/{token}/paybill-check", json=told)
    assert answer.status_code == 200
    return answer.get_json()["said"]


def test_the_gate_lets_in_whom_we_know(world: World) -> None:
    reference = world.row(world.prompted()).reference
    assert {knocks(world, typed) for typed in (world.number, world.phone.national, reference)} == {"welcome"}


@pytest.mark.parametrize(
    ("typed", "amount", "token", "said"),
    [
        ("nobody", 500, TOKEN, "unknown_account"),
        ("", 500, TOKEN, "unknown_account"),
        ("mine", 0, TOKEN, "bad_amount"),
        ("mine", 250_001, TOKEN, "bad_amount"),
        ("mine", 250_000, TOKEN, "welcome"),
        ("mine", 500, "0" * 32, "other"),
        ("mine", 500, "nonsense", "other"),
    ],
)
def test_the_gate_says_why_not(world: World, typed: str, amount: int, token: str, said: str) -> None:
    assert knocks(world, world.number if typed == "mine" else typed, amount, token) == said


def test_the_gate_keeps_nothing_and_answers_in_milliseconds(world: World) -> None:
    knocks(world, world.number)
    began = time.perf_counter()
    for _ in range(20):
        knocks(world, world.number)
    assert time.perf_counter() - began < 2
    with world.db.reading() as connection:
        query = text("SELECT count(*) FROM inbox WHERE source LIKE :s")
        assert connection.execute(query, {"s": f"{world.rail.name}%"}).scalar_one() == 0


@pytest.mark.parametrize("body", [b"", b"garbage", b"\xff\x00", b'{"typed":1,"receipt":1,"amount":"x"}'])
def test_the_gate_accepts_what_it_cannot_read(world: World, body: bytes) -> None:
    answer = world.client.post(f"/hooks/{TOKEN}/paybill-check", data=body)
    assert (answer.status_code, answer.get_json()) == (200, {"said": "welcome"})


def test_the_gate_accepts_when_the_database_is_away(world: World) -> None:
    object.__setattr__(world.desk, "db", Database("postgresql://postgres@127.0.0.1:1/nowhere"))
    assert knocks(world, "ML-000000") == "welcome"
