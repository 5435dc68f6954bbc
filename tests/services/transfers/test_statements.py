"""What a person sees of the books."""

from __future__ import annotations

import pytest

from gateway.domain.errors import AccountNotFound
from gateway.domain.money import Money
from tests.services.transfers.conftest import World


def seen(world: World, number: str, **more: object) -> list[tuple[str, str, int]]:
    return [
        (line.what, line.counterpart, line.amount.whole_units)
        for line in world.statements.lines(number, **more)  # type: ignore[arg-type]
    ]


def test_lines_are_newest_first_signed_and_masked(world: World) -> None:
    jane, otieno = world.person("Jane Mwangi", 1_000), world.person("Otieno")
    sent = world.send(jane, otieno.phone, 500)
    world.send(otieno, jane.phone, 50)
    assert seen(world, jane.number) == [
        ("send", "O***", 50), ("fee", "", -5), ("send", "O***", -500), ("deposit", "mpesa", 1_000),
    ]  # fmt: skip
    assert seen(world, otieno.number) == [("send", "J*** M", -50), ("send", "J*** M", 500)]
    assert world.statements.lines(jane.number)[2].reference == sent.reference


def test_money_that_waited_shows_whom_it_was_for_and_who_sent_it(world: World) -> None:
    jane, phone = world.person("Jane Mwangi", 1_000), world.new_phone()
    world.send(jane, phone, 500)
    friend = world.person("Otieno", phone=phone)
    world.activate(friend)
    hidden = f"****{phone.last4}"
    assert seen(world, jane.number) == [("fee", "", -5), ("send", hidden, -500), ("deposit", "mpesa", 1_000)]
    assert seen(world, friend.number) == [("claim", "J*** M", 500)]
    world.send(jane, world.new_phone(), 100)
    world.clock.move(days=8)
    world.claims.return_expired()
    assert world.statements.lines(jane.number, limit=1)[0].what == "claim_return"


def test_pages_follow_each_other_without_gap_or_repetition(world: World) -> None:
    jane, otieno = world.person("Jane", 10_000), world.person("Otieno")
    for amount in range(101, 106):
        world.send(jane, otieno.phone, amount)
    everything = world.statements.lines(jane.number, limit=50)
    paged, before = [], None
    while page := world.statements.lines(jane.number, before, limit=3):
        paged += page
        before = page[-1].cursor
    assert paged == everything
    assert len(everything) == 11
    assert sum(line.amount.minor for line in everything) == world.statements.balance(jane.number).minor


def test_a_new_wallet_has_an_empty_statement_and_nobody_has_none(world: World) -> None:
    jane = world.person("Jane")
    assert world.statements.lines(jane.number) == []
    assert world.statements.balance(jane.number) == Money(0)
    with pytest.raises(AccountNotFound):
        world.statements.balance("ML-NOBODY")
