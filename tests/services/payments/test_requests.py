"""Asking for money: one confirmation is one payment, and one account has one open payment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from gateway.db import Database
from gateway.domain.errors import (
    AccountNotFound,
    AmountTooLarge,
    AmountTooSmall,
    KeyReused,
    PaymentInProgress,
    Refusal,
    WholeShillingsOnly,
)
from gateway.domain.money import Money
from gateway.services.payments import Requested
from gateway.vault import Vault
from tests.conftest import Clock
from tests.services.payments.world import World, fresh_phone


def ask(world: World, shillings: int, key: str) -> Requested:
    return world.payments.request(world.number, world.phone, Money.major(shillings), key)


def test_a_request_defers_its_push_for_after_the_call(world: World) -> None:
    payment_id = world.request()
    assert world.jobs.of("push", payment_id) == [("push", payment_id, world.settings.push_delay_seconds)]
    assert world.row(payment_id).state == "requested"
    assert not world.rail.prompts


def test_the_same_confirmation_twice_is_one_payment_and_one_push(world: World) -> None:
    first, again = ask(world, 500, f"{world.number}-a"), ask(world, 500, f"{world.number}-a")
    assert (again.reference, again.replayed) == (first.reference, True)
    assert len(world.jobs.waiting) == 1


def test_a_confirmation_that_is_resolved_is_still_the_same_payment(world: World) -> None:
    first = ask(world, 500, f"{world.number}-a")
    payment_id = world.row(first.reference).id
    world.payments.push(payment_id)
    world.callback(payment_id, world.failed(payment_id))
    assert ask(world, 500, f"{world.number}-a") == Requested(first.reference, replayed=True)


def test_a_key_with_another_amount_or_phone_is_refused(world: World) -> None:
    ask(world, 500, f"{world.number}-a")
    with pytest.raises(KeyReused):
        ask(world, 501, f"{world.number}-a")
    with pytest.raises(KeyReused):
        world.payments.request(world.number, fresh_phone(), Money.major(500), f"{world.number}-a")


def test_a_rail_that_cannot_be_asked_takes_no_more_than_its_callback_is_believed_for(
    db: Database, vault: Vault, clock: Clock
) -> None:
    blind = World(db, vault, clock, collect_rail="payhero", payhero_api_key="key")
    with pytest.raises(AmountTooLarge) as refused:
        ask(blind, 20_001, f"{blind.number}-a")
    assert refused.value.most == Money.major(20_000)
    ask(blind, 20_000, f"{blind.number}-a")
    told = {"payhero_username": "u", "payhero_password": "p", "payhero_channel_id": 1}
    sighted = World(db, vault, clock, collect_rail="payhero", payhero_api_key="key", **told)
    ask(sighted, 20_001, f"{sighted.number}-a")


def test_a_second_payment_is_refused_while_one_is_open(world: World) -> None:
    ask(world, 500, f"{world.number}-a")
    with pytest.raises(PaymentInProgress) as refused:
        ask(world, 700, f"{world.number}-b")
    assert refused.value.amount == Money.major(500)


def test_the_database_refuses_a_second_open_payment_too(world: World) -> None:
    payment_id = world.request()
    with pytest.raises(IntegrityError), world.db.transaction() as session:
        session.execute(
            text("""INSERT INTO payments (reference, account_id, idempotency_key, rail, amount_minor, currency,
                                          payer_index, payer_sealed, token)
                    SELECT 'X' || reference, account_id, 'X' || idempotency_key, rail, 1, currency,
                           payer_index, payer_sealed, 'X' || token FROM payments WHERE id = :p"""),
            {"p": payment_id},
        )


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [
        (Money(50), WholeShillingsOnly),
        (Money(150_050), WholeShillingsOnly),
        (Money(0), AmountTooSmall),
        (Money.major(-5), AmountTooSmall),
        (Money.major(250_001), AmountTooLarge),
    ],
)
def test_amounts_the_rail_cannot_move_are_refused(world: World, amount: Money, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        world.payments.request(world.number, world.phone, amount, world.number)
    assert not world.jobs.waiting


def test_an_unknown_account_is_refused(world: World) -> None:
    with pytest.raises(AccountNotFound):
        world.payments.request("ML-000000", world.phone, Money.major(500), world.number)


def test_eight_equal_requests_at_once_are_one_payment(world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(world, 500, f"{world.number}-a"), range(8)))
    assert len({answer.reference for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert len(world.jobs.waiting) == 1


def test_of_eight_different_requests_at_once_one_is_taken(world: World) -> None:
    def attempt(n: int) -> bool:
        try:
            ask(world, 500, f"{world.number}-{n}")
        except PaymentInProgress:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1
    assert len(world.jobs.waiting) == 1


def test_the_payer_is_stored_sealed_and_the_token_cannot_be_guessed(world: World) -> None:
    row = world.row(world.request())
    assert world.phone.e164 not in repr(vars(row))
    assert world.vault.open(row.payer_sealed) == world.phone.e164
    assert len(row.token) == 32
