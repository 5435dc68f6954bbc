"""What an operator types about payouts, and reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.domain.money import Money
from gateway.domain.phone import parse_phone
from gateway.services.limits import Standing
from tests.house import House
from tests.services.payouts.world import Bank


@pytest.fixture
def bank(house: House) -> Iterator[Bank]:
    rails, made = house.parts.providers.rails, Bank()
    real = rails["mpesa"]
    rails["mpesa"] = replace(real, pays_out=made)  # type: ignore[index]
    yield made
    flask(house, "resume")
    house.work()
    rails["mpesa"] = real  # type: ignore[index]


@pytest.fixture
def payout(house: House, numbers: Iterator[str], bank: Bank) -> tuple[str, str]:
    """The phone and the reference of a withdrawal that is held."""
    number = next(numbers)
    house.member(number, shillings=1_000)
    member = house.parts.accounts.by_phone(parse_phone(number))
    assert member is not None
    held = house.parts.payouts.request(member.number, Standing("basic"), Money.major(500), f"k{number}")
    return number, held.reference


def flask(house: House, *words: str, fails: bool = False) -> str:
    done = house.app.test_cli_runner().invoke(args=["payouts", *words])
    assert (done.exit_code != 0) is fails, done.output
    return done.output


def test_stopped_payouts_wait_until_they_are_resumed(house: House, bank: Bank, payout: tuple[str, str]) -> None:
    assert "Payouts are stopped." in flask(house, "pause", "--because", "the float looks wrong")
    assert "They were stopped: the float looks wrong" in flask(house, "pause", "--because", "again")
    house.work()
    assert bank.orders == []
    assert "the float looks wrong" in flask(house, "review")
    assert "Payouts go on." in flask(house, "resume")
    assert "They were not stopped." in flask(house, "resume")
    flask(house, "retry", payout[1].lower())
    house.work()
    assert [order.own_id for order in bank.orders] == [f"{payout[1]}-1"]


def test_a_payout_is_shown_with_its_calls_and_history_and_no_number_in_full(
    house: House, bank: Bank, payout: tuple[str, str]
) -> None:
    number, reference = payout
    house.work()
    shown = flask(house, "show", reference)
    for said in (reference, "submitted", "KES 500", f"{reference}-1", bank.orders[-1].provider_id, "the rail took it"):
        assert said in shown
    assert parse_phone(number).masked in shown
    assert number[1:] not in shown
    assert "No payout has this reference" in flask(house, "show", "NOBODY", fails=True)


@pytest.mark.parametrize(
    ("how", "balance", "told"),
    [(("--paid", "--receipt"), 485, "is in your M-Pesa"), (("--returned",), 1_000, "is back in your wallet")],
)
def test_what_nobody_answered_is_settled_by_the_rails_own_books(
    house: House, bank: Bank, payout: tuple[str, str], how: tuple[str, ...], balance: int, told: str
) -> None:
    number, reference = payout
    house.work()
    words = [*how, f"R{number}"] if "--receipt" in how else list(how)
    flask(house, "settle", reference, *words, "--because", "line 12 of the statement")
    assert house.balance(number) == balance
    house.hears(number, told)
    assert "line 12 of the statement" in flask(house, "show", reference)
    refused = flask(house, "settle", reference, *words, "--because", "again", fails=True)
    assert "There is nothing waiting any more." in refused
    assert house.books_are_right()


def test_an_end_must_be_named_with_its_reason(house: House, payout: tuple[str, str]) -> None:
    flask(house, "settle", payout[1], "--because", "somehow", fails=True)
    flask(house, "settle", payout[1], "--paid", "--returned", "--because", "both", fails=True)
    flask(house, "settle", payout[1], "--paid", fails=True)
    assert "held" in flask(house, "show", payout[1])


def test_what_a_person_must_look_at_is_listed(house: House, bank: Bank, payout: tuple[str, str]) -> None:
    house.work()
    with house.parts.db.hot() as cursor:
        cursor.execute("UPDATE payouts SET needs_review = true WHERE reference = %s", (payout[1],))
    (line,) = [line for line in flask(house, "review").splitlines() if payout[1] in line]
    assert parse_phone(payout[0]).masked in line
