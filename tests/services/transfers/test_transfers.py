"""Sending from a wallet to a phone number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg2.extensions
import pytest

from gateway.domain.errors import (
    AccountFrozen,
    AmountTooLarge,
    AmountTooSmall,
    DayLimitReached,
    KeyReused,
    NotEnoughMoney,
    SamePerson,
)
from gateway.domain.money import Money
from gateway.domain.references import new_reference
from gateway.services.limits import Standing
from gateway.services.transfers import Sent
from tests.ledger.crowd import together
from tests.services.transfers.conftest import World


def test_the_quote_says_amount_fee_and_a_masked_name(world: World) -> None:
    jane, otieno = world.person("Jane Mwangi"), world.person("Otieno")
    quote = world.quote(jane, otieno.phone, 500)
    assert (quote.amount, quote.fee, quote.to) == (Money.major(500), Money.major(5), "O***")
    assert world.quote(otieno, jane.phone, 100).to == "J*** M"
    assert world.quote(otieno, jane.phone, 100).fee == Money(0)


def test_a_number_without_an_account_is_shown_as_a_masked_number(world: World) -> None:
    phone = world.new_phone()
    quote = world.quote(world.person("Jane"), phone, 500)
    assert quote.recipient is None
    assert quote.to == phone.masked


def test_nobody_sends_to_himself(world: World) -> None:
    jane = world.person("Jane", 1_000)
    with pytest.raises(SamePerson):
        world.quote(jane, jane.phone, 500)


def test_a_quote_refuses_too_little_and_too_much(world: World) -> None:
    jane = world.person("Jane", 1_000)
    with pytest.raises(AmountTooSmall) as small:
        world.transfers.quote(jane.number, Standing("basic"), world.new_phone(), Money(99))
    assert small.value.least == Money.major(1)
    with pytest.raises(AmountTooLarge) as large:
        world.quote(jane, world.new_phone(), 70_001)
    assert large.value.most == Money.major(70_000)
    assert world.quote(jane, world.new_phone(), 70_001, Standing("verified")).amount == Money.major(70_001)


def test_money_arrives_the_fee_is_taken_and_both_are_told(world: World) -> None:
    jane, otieno = world.person("Jane Mwangi", 1_000), world.person("Otieno", language="sw")
    sent = world.send(jane, otieno.phone, 500)
    assert (world.holds(jane), world.holds(otieno)) == (495, 500)
    assert sent == Sent(sent.reference, Money.major(500), Money.major(5), False, Money.major(495))
    [told], [heard] = world.texts_to(jane.phone), world.texts_to(otieno.phone)
    assert told == f"{sent.reference} Confirmed. You sent KES 500 to O***. Fee KES 5."
    assert heard.startswith(sent.reference)
    assert "J*** M" in heard
    assert "Mwangi" not in heard


def test_the_same_confirmation_again_moves_nothing_and_tells_nobody(world: World) -> None:
    jane, otieno = world.person("Jane", 1_000), world.person("Otieno")
    first = world.send(jane, otieno.phone, 500, key="k")
    second = world.send(jane, otieno.phone, 500, key="k")
    assert (second.reference, second.replayed, second.fee) == (first.reference, True, first.fee)
    assert (world.holds(jane), world.holds(otieno)) == (495, 500)
    assert len(world.texts_to(jane.phone)) == len(world.texts_to(otieno.phone)) == 1


def test_twenty_equal_confirmations_at_once_are_one_transfer(world: World) -> None:
    jane, otieno = world.person("Jane", 10_000), world.person("Otieno")
    sent = together([lambda: world.send(jane, otieno.phone, 500, key="k")] * 20)
    assert len({one.reference for one in sent}) == 1
    assert sum(not one.replayed for one in sent) == 1
    assert world.holds(otieno) == 500
    assert len(world.texts_to(otieno.phone)) == 1


def test_two_confirmations_in_one_call_are_two_transfers(world: World) -> None:
    jane, otieno = world.person("Jane", 1_000), world.person("Otieno")
    world.send(jane, otieno.phone, 100, key="one")
    world.send(jane, otieno.phone, 100, key="two")
    assert world.holds(otieno) == 200


def test_a_key_used_for_another_amount_or_person_is_refused(world: World) -> None:
    jane, otieno, amina = world.person("Jane", 1_000), world.person("Otieno"), world.person("Amina")
    world.send(jane, otieno.phone, 100, key="k")
    with pytest.raises(KeyReused):
        world.send(jane, otieno.phone, 101, key="k")
    with pytest.raises(KeyReused):
        world.send(jane, amina.phone, 100, key="k")
    assert world.holds(jane) == 900


def test_keys_of_two_people_never_meet(world: World) -> None:
    jane, otieno = world.person("Jane", 100), world.person("Otieno", 100)
    world.send(jane, otieno.phone, 50, key="k")
    world.send(otieno, jane.phone, 50, key="k")
    assert (world.holds(jane), world.holds(otieno)) == (100, 100)


def test_amount_and_fee_together_must_be_there(world: World) -> None:
    jane, otieno = world.person("Jane", 504), world.person("Otieno")
    with pytest.raises(NotEnoughMoney):
        world.send(jane, otieno.phone, 500, key="k")
    world.give(jane, 1_000)
    with pytest.raises(NotEnoughMoney):
        world.send(jane, otieno.phone, 500, key="k")
    assert isinstance(world.transfers.outcome(jane.number, "k"), NotEnoughMoney)
    assert world.texts_to(jane.phone) == world.texts_to(otieno.phone) == []
    world.send(jane, otieno.phone, 500, key="another")
    assert world.holds(otieno) == 500


def test_the_outcome_of_a_confirmation_can_be_asked(world: World) -> None:
    jane, otieno = world.person("Jane", 1_000), world.person("Otieno")
    assert world.transfers.outcome(jane.number, "k") is None
    sent = world.send(jane, otieno.phone, 500, key="k")
    assert world.transfers.outcome(jane.number, "k") == Sent(
        sent.reference, Money.major(500), Money.major(5), True, Money.major(495)
    )
    assert world.transfers.outcome(otieno.number, "k") is None


def test_the_day_limit_counts_over_all_transfers_and_is_remembered(world: World) -> None:
    jane, otieno = world.person("Jane", 300_000), world.person("Otieno")
    world.send(jane, otieno.phone, 70_000)
    world.send(jane, otieno.phone, 69_999)
    with pytest.raises(DayLimitReached) as reached:
        world.send(jane, otieno.phone, 2, key="k")
    assert reached.value.most == Money.major(140_000)
    refusal = world.transfers.outcome(jane.number, "k")
    assert isinstance(refusal, DayLimitReached)
    assert refusal.most == Money.major(140_000)
    world.send(jane, otieno.phone, 1)
    assert world.holds(otieno) == 140_000


def test_the_day_begins_at_midnight_in_nairobi(world: World) -> None:
    jane, otieno = world.person("Jane", 200_000), world.person("Otieno")
    cooling = Standing("basic", world.clock() + timedelta(days=2))
    world.clock.now = world.clock.now.replace(hour=20, minute=59)  # 23:59 in Nairobi
    world.send(jane, otieno.phone, 5_000, standing=cooling)
    world.send(jane, otieno.phone, 5_000, standing=cooling)
    with pytest.raises(DayLimitReached):
        world.send(jane, otieno.phone, 1, standing=cooling)
    world.clock.move(minutes=1)
    world.send(jane, otieno.phone, 5_000, standing=cooling)
    assert world.holds(otieno) == 15_000


def test_a_changed_pin_lowers_limits_for_a_day(world: World) -> None:
    jane, otieno = world.person("Jane", 20_000), world.person("Otieno")
    changed = Standing("verified", world.clock())
    with pytest.raises(AmountTooLarge) as large:
        world.quote(jane, otieno.phone, 5_001, changed)
    assert large.value.most == Money.major(5_000)
    world.clock.move(hours=24)
    assert world.quote(jane, otieno.phone, 5_001, changed).amount == Money.major(5_001)


def test_a_pin_changed_between_quote_and_confirmation_still_counts(world: World) -> None:
    jane, otieno = world.person("Jane", 20_000), world.person("Otieno")
    with pytest.raises(AmountTooLarge):
        world.send(jane, otieno.phone, 5_001, key="k", standing=Standing("basic", world.clock()))
    world.clock.move(days=2)
    with pytest.raises(AmountTooLarge):
        world.send(jane, otieno.phone, 5_001, key="k")
    assert world.holds(jane) == 20_000


def test_what_was_sent_stays_sent_when_limits_fall(world: World) -> None:
    jane, otieno = world.person("Jane", 20_000), world.person("Otieno")
    world.send(jane, otieno.phone, 10_000, key="k")
    again = world.send(jane, otieno.phone, 10_000, key="k", standing=Standing("basic", world.clock()))
    assert again.replayed


def test_parallel_sends_cannot_pass_the_day_limit_together(world: World) -> None:
    jane, otieno = world.person("Jane", 100_000), world.person("Otieno")
    cooling = Standing("basic", world.clock())

    def attempt() -> int:
        try:
            return world.send(jane, otieno.phone, 3_000, standing=cooling).amount.whole_units
        except DayLimitReached:
            return 0

    assert sum(together([attempt] * 12)) == 9_000
    assert world.holds(otieno) == 9_000


def test_a_frozen_sender_is_refused_and_a_frozen_recipient_is_paid(world: World) -> None:
    jane, otieno = world.person("Jane", 1_000), world.person("Otieno", 100)
    with world.db.hot() as cursor:
        world.ledger.freeze(cursor, f"wallet:{otieno.number}")
    world.send(jane, otieno.phone, 100)
    with pytest.raises(AccountFrozen):
        world.send(otieno, jane.phone, 100)
    assert world.holds(otieno) == 200


def test_a_transfer_between_wallets_is_one_round_trip(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    jane, otieno = world.person("Jane", 1_000), world.person("Otieno")
    quote = world.quote(jane, otieno.phone, 500)
    executed: list[object] = []

    class Counting(psycopg2.extensions.cursor):
        def execute(self, query, parameters=None):  # type: ignore[no-untyped-def]
            executed.append(query)
            return super().execute(query, parameters)

    @contextmanager
    def counted() -> Iterator[Counting]:
        with hot() as cursor, cursor.connection.cursor(cursor_factory=Counting) as counting:
            assert cursor.connection.autocommit
            yield counting

    hot = world.db.hot
    monkeypatch.setattr(world.db, "hot", counted)
    monkeypatch.setattr(world.db, "transaction", None)
    monkeypatch.setattr(world.db, "reading", None)
    sent = world.transfers.send(new_reference(), jane.party, Standing("basic"), quote)
    assert len(executed) == 1
    assert len(world.texts_to(otieno.phone)) == 1
    assert sent.balance_after == Money.major(495)
