"""The paybill for real: a person pays from the phone's own menu, over the stand-in's HTTP, to the wallet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.house import House, eventually
from tests.services.arrivals.test_commands import number_of


@pytest.fixture
def paybill(house: House) -> House:
    """The house, its addresses told to the rail."""
    if house.parts.providers.rails["mpesa"].registers is None:
        pytest.skip("this rail takes no addresses yet")
    house.app.test_cli_runner().invoke(args=["rails", "register"])
    return house


def control(house: House, name: str, **values: Any) -> dict[str, Any]:
    """One of the stand-in's controls."""
    answer = requests.post(f"{house.simulators.url}/control/mpesa/{name}", json=values, timeout=10)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def pays(house: House, phone: str, amount: int, account: str, form: str = "masked") -> str:
    """Somebody pays; the receipt, once the gateway has heard of it."""
    control(house, "balance", phone=phone, balance=amount)
    answer = control(house, "paybill", phone=phone, amount=amount, account=account, msisdn_form=form)
    receipt = str(answer["receipt"])
    eventually(lambda: _heard(house, receipt))
    return receipt


def _heard(house: House, receipt: str) -> bool:
    house.work()
    with house.parts.db.reading() as connection:
        query = "SELECT count(*) FROM arrivals WHERE receipt = %(r)s"
        return bool(connection.exec_driver_sql(query, {"r": receipt}).scalar_one())


@pytest.mark.parametrize("form", ["clear", "masked", "hash"])
def test_a_person_pays_the_paybill_for_a_member(paybill: House, numbers: Iterator[str], form: str) -> None:
    phone = next(numbers)
    paybill.member(phone)
    receipt = pays(paybill, phone, 500, phone, form)
    paybill.hears(phone, "KES 500 from M-Pesa paybill is in your wallet", receipt)
    assert paybill.balance(phone) == 500
    assert paybill.books_are_right()


def test_a_large_payment_is_credited_once_the_rail_has_confirmed_it(paybill: House, numbers: Iterator[str]) -> None:
    phone = next(numbers)
    paybill.member(phone)
    receipt = pays(paybill, phone, 30_000, number_of(paybill, phone))

    def credited() -> bool:
        paybill.work()
        return paybill.balance(phone) == 30_000

    eventually(credited)
    paybill.hears(phone, "KES 30,000 from M-Pesa paybill", receipt)


def test_a_payment_for_nobody_is_refused_before_money_moves(paybill: House, numbers: Iterator[str]) -> None:
    phone = next(numbers)
    answer = control(paybill, "paybill", phone=phone, amount=100, account="school fees")
    assert answer == {"code": "C2B00012", "receipt": None}
    paybill.member(phone)
    assert control(paybill, "paybill", phone=phone, amount=100, account=phone)["code"] == "0"


def test_a_payment_for_nobody_waits_and_an_operator_asks_and_assigns(paybill: House, numbers: Iterator[str]) -> None:
    phone, cli = next(numbers), paybill.app.test_cli_runner()
    paybill.member(phone)
    control(paybill, "settings", validates=False)
    receipt = pays(paybill, phone, 700, "school fees", "clear")
    paybill.hears(phone, "for account 'school fees', which we do not know", receipt)
    assert receipt in cli.invoke(args=["arrivals", "list"]).output
    cli.invoke(args=["arrivals", "assign", receipt, number_of(paybill, phone), "--because", "the payer called"])
    assert paybill.balance(phone) == 700
    control(paybill, "settings", validates=True)


def test_a_balance_is_asked_for_and_told(paybill: House) -> None:
    paybill.parts.lookups.ask_balance("mpesa")

    def told() -> object:
        paybill.work()
        return paybill.parts.lookups.latest_balance("mpesa")

    assert eventually(told)
