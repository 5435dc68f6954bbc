"""Money to a number that has no account yet: claimed or returned, exactly one of the two."""

from __future__ import annotations

import pytest

from gateway.domain.errors import ClaimsLimitReached, NotEnoughMoney
from gateway.domain.money import Money
from gateway.services.transfers import Sent
from tests.ledger.crowd import together
from tests.services.transfers.conftest import World


def fees(world: World) -> int:
    with world.db.hot() as cursor:
        return world.ledger.balance(cursor, "fees").minor


def waiting(world: World, reference: str) -> int:
    with world.db.hot() as cursor:
        return world.ledger.balance(cursor, f"claim:{reference}").whole_units


def state(world: World, reference: str) -> object:
    return world.rows("SELECT state FROM claims WHERE reference = %s", reference)[0][0]


def test_money_to_a_stranger_waits_with_its_fee_and_both_are_told(world: World) -> None:
    jane, phone = world.person("Jane Mwangi", 1_000), world.new_phone()
    earned = fees(world)
    sent = world.send(jane, phone, 500)
    assert (world.holds(jane), waiting(world, sent.reference), fees(world)) == (495, 505, earned)
    assert (sent.amount, sent.fee, sent.balance_after) == (Money.major(500), Money.major(5), Money.major(495))
    [told], [heard] = world.texts_to(jane.phone), world.texts_to(phone)
    assert told.startswith(f"{sent.reference} Confirmed. You sent KES 500 to {phone.masked}")
    assert heard.startswith("J*** M sent you KES 500 on Mlango.")
    assert sent.reference in heard


def test_whoever_registers_finds_everything_that_waited(world: World) -> None:
    jane, amina, phone = world.person("Jane", 1_000), world.person("Amina", 1_000), world.new_phone()
    first, second = world.send(jane, phone, 500), world.send(amina, phone, 100)
    earned = fees(world)
    friend = world.person("Otieno Odhiambo", phone=phone)
    assert world.activate(friend) == 2
    assert world.holds(friend) == 600
    assert (fees(world) - earned, waiting(world, first.reference)) == (500, 0)
    assert (state(world, first.reference), state(world, second.reference)) == ("claimed", "claimed")
    assert world.texts_to(jane.phone)[-1] == f"{first.reference} O*** O has received the KES 500 you sent."
    assert len(world.texts_to(phone)) == 4
    assert world.activate(friend) == 0


def test_what_nobody_claims_goes_back_with_the_fee(world: World) -> None:
    jane, phone = world.person("Jane", 1_000), world.new_phone()
    sent = world.send(jane, phone, 500)
    world.clock.move(days=6, hours=23)
    world.claims.return_expired()
    assert state(world, sent.reference) == "waiting"
    world.clock.move(hours=2)
    assert world.claims.return_expired() >= 1
    assert (world.holds(jane), waiting(world, sent.reference), state(world, sent.reference)) == (1_000, 0, "returned")
    assert world.texts_to(jane.phone)[-1] == (
        f"{sent.reference} ****{phone.last4} did not claim KES 500. It is back in your wallet, with the fee."
    )
    assert world.activate(world.person("Late", phone=phone)) == 0


def test_a_small_amount_without_fee_waits_too(world: World) -> None:
    jane, phone = world.person("Jane", 100), world.new_phone()
    sent = world.send(jane, phone, 100)
    world.clock.move(days=8)
    world.claims.return_expired()
    assert (world.holds(jane), state(world, sent.reference)) == (100, "returned")


def test_returns_come_in_batches(world: World) -> None:
    jane = world.person("Jane", 1_000)
    world.clock.move(days=-30)
    for _ in range(3):
        world.send(jane, world.new_phone(), 100)
    world.clock.move(days=8)
    assert [world.claims.return_expired(limit=2) for _ in range(3)] == [2, 1, 0]
    assert world.holds(jane) == 1_000


def test_the_same_confirmation_is_one_claim_also_at_once(world: World) -> None:
    jane, phone = world.person("Jane", 10_000), world.new_phone()
    sent = together([lambda: world.send(jane, phone, 500, key="k")] * 8)
    assert len({one.reference for one in sent}) == 1
    assert world.holds(jane) == 9_495
    assert len(world.texts_to(phone)) == 1
    assert len(world.rows("SELECT 1 FROM claims WHERE reference = %s", sent[0].reference)) == 1


def test_a_refused_claim_leaves_no_account_and_no_claim(world: World) -> None:
    jane, phone = world.person("Jane", 10), world.new_phone()
    before = world.rows("SELECT count(*) FROM ledger_accounts")
    with pytest.raises(NotEnoughMoney):
        world.send(jane, phone, 500, key="k")
    assert world.rows("SELECT count(*) FROM ledger_accounts") == before
    assert world.texts_to(phone) == []
    with pytest.raises(NotEnoughMoney):
        world.send(jane, phone, 500, key="k")


def test_a_confirmation_repeated_after_the_friend_registered_is_still_the_same(world: World) -> None:
    jane, phone = world.person("Jane", 1_000), world.new_phone()
    sent = world.send(jane, phone, 500, key="k")
    world.activate(world.person("Otieno", phone=phone))
    again = world.send(jane, phone, 500, key="k")
    assert (again.reference, again.replayed, again.fee) == (sent.reference, True, sent.fee)
    assert world.holds(jane) == 495
    assert isinstance(world.transfers.outcome(jane.number, "k"), Sent)


def test_claiming_and_returning_at_once_is_one_of_the_two(world: World) -> None:
    jane = world.person("Jane", 10_000)
    outcomes = set()
    for _ in range(10):
        phone = world.new_phone()
        sent = world.send(jane, phone, 500)
        friend = world.person("Otieno", phone=phone)
        world.clock.move(days=8)
        held = world.holds(jane)
        together([lambda friend=friend: world.activate(friend), lambda: world.claims.return_expired()])
        claimed, returned = world.holds(friend), world.holds(jane) - held
        assert (claimed, returned) in {(500, 0), (0, 505)}
        assert state(world, sent.reference) == ("claimed" if claimed else "returned")
        outcomes.add(claimed > 0)
        world.clock.move(days=-8)
    assert outcomes


def test_a_claim_is_undone_with_the_activation_it_belongs_to(world: World) -> None:
    jane, phone = world.person("Jane", 1_000), world.new_phone()
    sent = world.send(jane, phone, 500)
    friend = world.person("Otieno", phone=phone)
    with world.db.transaction() as session:
        assert len(world.claims.claim_all(session, friend)) == 1
        session.rollback()
    assert (world.holds(friend), state(world, sent.reference)) == (0, "waiting")
    assert world.activate(friend) == 1


def test_a_day_has_room_for_ten_strangers_and_for_any_number_of_members(world: World) -> None:
    jane, friend = world.person("Jane", 10_000), world.person("Otieno")
    for _ in range(10):
        world.send(jane, world.new_phone(), 10)
    with pytest.raises(ClaimsLimitReached):
        world.send(jane, world.new_phone(), 10)
    world.send(jane, friend.phone, 10)
    world.clock.move(days=1)
    world.send(jane, world.new_phone(), 10)


def test_a_claim_that_breaks_the_code_does_not_keep_the_others_waiting(world: World) -> None:
    jane = world.person("Jane", 1_000)
    sent = [world.send(jane, world.new_phone(), 100) for _ in range(2)]
    world.clock.move(days=8)
    settle = world.claims._return
    ((broken,),) = world.rows("SELECT id FROM claims WHERE reference = %s", sent[0].reference)

    def breaks(claim_id: int) -> int:
        if claim_id == broken:
            raise RuntimeError("nobody expected this")
        return settle(claim_id)

    world.claims._return = breaks  # type: ignore[method-assign]
    world.claims.return_expired()
    assert [state(world, one.reference) for one in sent] == ["waiting", "returned"]
