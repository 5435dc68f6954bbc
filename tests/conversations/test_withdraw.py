"""Taking money out to one's own M-Pesa: a call on the whole gateway, with a rail that keeps its own books."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from gateway.domain.errors import KeyReused, RailDown
from gateway.domain.money import Money
from gateway.domain.phone import parse_phone
from gateway.models.payouts import PayoutAttempt
from gateway.services.payment_results import Source
from gateway.services.stops import PAYOUTS
from integrations.protocols import PayoutResult
from tests.conversations.test_flows import _cut_off
from tests.fake_world import Town
from tests.house import PIN, House
from tests.phone import Phone
from tests.services.payouts.world import Bank
from tests.services.test_promises import Waiting
from ussd_menus.session import Session

Numbers = Iterator[str]


@pytest.fixture
def bank(house: House) -> Iterator[Bank]:
    """The rail of payouts, for one test."""
    rails, made = house.parts.providers.rails, Bank()
    real = rails["mpesa"]
    rails["mpesa"] = replace(real, pays_out=made)  # type: ignore[index]
    yield made
    house.parts.stops.lift(PAYOUTS)
    house.parts.health.note("mpesa", answered=True)
    house.work()
    rails["mpesa"] = real  # type: ignore[index]


def hears(house: House, bank: Bank, result: PayoutResult) -> None:
    """The rail's word on its last order arrives."""
    with house.parts.db.transaction() as session:
        attempt = session.query(PayoutAttempt).filter_by(own_id=bank.orders[-1].own_id).one()
    house.parts.payouts.result(attempt.id, result, Source.CALLBACK)


def at_the_pin(house: House, number: str, shillings: str = "500") -> Phone:
    return house.member(number, shillings=1_000).dials().chooses("Withdraw").types(shillings).sees("PIN:")


@pytest.mark.parametrize(
    ("language", "asks", "way", "paid", "row"),
    [
        (
            "en",
            (
                "Withdraw",
                "Withdraw to your M-Pesa. Enter amount",
                "Withdraw KES 500 to your M-Pesa",
                "fee KES 15. PIN:",
            ),
            ("KES 500 is on its way to your M-Pesa", "You will get an SMS", "CHECKING: KES 500 to your M-Pesa"),
            ("Confirmed. KES 500 is in your M-Pesa", "Balance KES 485", "PAID: KES 500 to your M-Pesa"),
            ("Balance and statement", "-500 To M-Pesa", "-15 Fee"),
        ),
        (
            "sw",
            ("Toa pesa", "Toa pesa kwenda M-Pesa yako", "Toa KES 500 kwenda M-Pesa yako", "ada KES 15. PIN:"),
            ("KES 500 zinakuja kwenye M-Pesa yako", "Utapata SMS", "TUNAANGALIA: KES 500 kwenda M-Pesa"),
            ("Imethibitishwa. KES 500 ziko kwenye M-Pesa", "Salio KES 485", "IMELIPWA: KES 500 kwenda M-Pesa"),
            ("Salio na taarifa", "-500 Kwenda M-Pesa", "-15 Ada"),
        ),
    ],
)
def test_a_withdrawal_from_the_menu_to_the_sms(
    house: House,
    numbers: Numbers,
    bank: Bank,
    language: str,
    asks: tuple[str, ...],
    way: tuple[str, ...],
    paid: tuple[str, ...],
    row: tuple[str, ...],
) -> None:
    number = next(numbers)
    caller = house.member(number, shillings=1_000, language=language).dials().chooses(asks[0]).sees(asks[1])
    caller.types("500").sees(*asks[2:], parse_phone(number).masked).types("1111").sees("PIN").types(PIN)
    caller.sees(*way[:2]).hears_goodbye()
    caller.dials().sees(way[2])
    house.work()
    (order,) = bank.orders
    assert (order.phone, order.amount) == (parse_phone(number), Money.major(500))
    hears(house, bank, bank.settles())
    house.hears(number, *paid[:2], str(order.receipt))
    caller.dials().sees(paid[2]).chooses(row[0]).types(PIN).sees(*row[1:])
    assert (house.balance(number), house.books_are_right()) == (485, True)


def test_money_that_was_not_paid_is_back_and_told_so(house: House, numbers: Numbers, bank: Bank) -> None:
    number = next(numbers)
    caller = at_the_pin(house, number).types(PIN).hears_goodbye()
    house.work()
    hears(house, bank, bank.refuses("not_registered"))
    house.hears(number, "has no M-Pesa, so KES 500 is back in your wallet, with the fee. Balance KES 1,000")
    caller.dials().sees("NOT PAID: KES 500 to M-Pesa is back in your wallet")
    caller.chooses("Balance and statement").types(PIN).sees("+15 Fee", "+500 M-Pesa returned")
    assert house.balance(number) == 1_000


def test_what_may_not_be_taken_out(house: House, numbers: Numbers, bank: Bank) -> None:
    number = next(numbers)
    caller = house.member(number, shillings=100).dials().chooses("Withdraw")
    caller.types("9").sees("The least is KES 10").types("10.50").sees("whole shillings")
    caller.types("70001").sees("The most at once is KES 70,000").types("100", PIN)
    caller.sees("Not enough money. Nothing was sent.", "Enter amount").types("50", PIN).sees("KES 50 is on its way")
    assert house.balance(number) == 35


@pytest.mark.parametrize(
    ("language", "label", "said"),
    [("en", "Withdraw", "M-Pesa does not answer now"), ("sw", "Toa pesa", "M-Pesa haijibu sasa")],
)
def test_while_the_rail_is_down_it_is_said_before_an_amount_is_typed(
    house: House, numbers: Numbers, bank: Bank, language: str, label: str, said: str
) -> None:
    caller = house.member(next(numbers), language=language).dials()
    for _ in range(3):
        house.parts.health.note("mpesa", answered=False)
    caller.chooses(label).sees(said, f"3 {label}")
    caller.dials().chooses({"en": "Deposit", "sw": "Weka pesa"}[language]).sees(said)
    house.parts.health.note("mpesa", answered=True)
    caller.types("2").sees("M-Pesa").types("700").hears_goodbye()


def test_while_payouts_are_stopped_it_is_said_at_once_and_deposits_go_on(
    house: House, numbers: Numbers, bank: Bank
) -> None:
    number = next(numbers)
    caller = at_the_pin(house, number)
    house.parts.stops.stop(PAYOUTS, "somebody looks")
    caller.types(PIN).sees("Withdrawals are stopped for now. Your money is safe.", "1 Send money")
    caller.dials()
    if "You were withdrawing" in caller.page:
        caller.types("2")
    caller.chooses("Withdraw").sees("Withdrawals are stopped for now").chooses("Deposit").sees("Enter amount")
    assert (house.balance(number), bank.orders) == (1_000, [])


def test_without_a_rail_that_pays_out_it_is_said_at_once(house: House, numbers: Numbers, bank: Bank) -> None:
    rails = house.parts.providers.rails
    rails["mpesa"] = replace(rails["mpesa"], pays_out=None)  # type: ignore[index]
    house.member(next(numbers)).dials().chooses("Withdraw").sees("Withdrawals are stopped for now. Your money is safe")


def test_a_frozen_account_is_not_offered_it_and_cannot_do_it(house: House, numbers: Numbers, bank: Bank) -> None:
    number = next(numbers)
    caller = at_the_pin(house, number)
    member = house.parts.accounts.by_phone(parse_phone(number))
    assert member is not None
    house.parts.accounts.freeze(member.number)
    caller.types(PIN).sees("Your account is frozen. No money moved")
    caller.dials()
    if "You were withdrawing" in caller.page:
        caller.types("2")
    caller.does_not_see("Withdraw")
    assert house.balance(number) == 1_000


def test_the_last_hop_again_and_a_redial_take_nothing_more(house: House, numbers: Numbers, bank: Bank) -> None:
    number = next(numbers)
    caller = at_the_pin(house, number).types(PIN)
    assert caller.again().page == caller.page
    house.work()
    assert (house.balance(number), len(bank.orders)) == (485, 1)


def test_a_call_dropped_at_the_pin_is_gone_on_with(house: House, numbers: Numbers, bank: Bank) -> None:
    number = next(numbers)
    caller = at_the_pin(house, number)
    _cut_off(house, caller)
    house.hears(number, "You were withdrawing KES 500. Nothing was sent yet", "choose 1 to go on")
    caller.dials().sees("You were withdrawing KES 500 to your M-Pesa. Nothing is sent yet.", "2 Start again")
    caller.types("1").sees("Withdraw KES 500 to your M-Pesa").types(PIN).sees("on its way")
    caller.dials().sees("CHECKING: KES 500 to your M-Pesa").does_not_see("You were withdrawing")
    assert house.balance(number) == 485


def test_a_withdrawal_whose_last_page_was_lost_is_never_offered_again(
    house: House, numbers: Numbers, bank: Bank
) -> None:
    number = next(numbers)
    caller = at_the_pin(house, number).types(PIN)
    _cut_off(house, caller)
    assert not any("You were withdrawing" in text for text in house.texts(number))
    caller.dials().sees("CHECKING: KES 500 to your M-Pesa")


def test_what_is_not_certain_comes_before_what_is(house: House, numbers: Numbers, bank: Bank) -> None:
    number = next(numbers)
    caller = at_the_pin(house, number).types(PIN).hears_goodbye()
    caller.dials().chooses("Deposit").types("700").hears_goodbye()
    house.pays(number)
    caller.dials().sees("CHECKING: KES 500 to your M-Pesa")
    hears(house, bank, bank.settles())
    caller.dials().sees("PAID: KES 500 to your M-Pesa")


# An outcome that came too late for its call.


@pytest.fixture
def waiting(house: House, numbers: Numbers, redis_server: redis.Redis, bank: Bank) -> Waiting:
    redis_server.delete("ussd:promises")
    made = Waiting(house, numbers, redis_server)
    redis_server.delete("ussd:promises")
    made.session = Session("withdraw.confirm", "en", made.caller, {"key": f"out{made.number}"})
    made.promises.promise(parse_phone(made.number), made.session)
    return made


def test_a_late_withdrawal_that_never_happened_is_told_and_cannot_happen_any_more(waiting: Waiting) -> None:
    assert waiting.time_passes() == 1
    assert ["not done in time. No money moved." in text for text in waiting.told()] == [True]
    with pytest.raises(KeyReused):
        waiting.world.withdraw(waiting.caller, PIN, Money.major(500), f"out{waiting.number}")
    assert waiting.house.balance(waiting.number) == 1_000


def test_a_late_withdrawal_that_happened_is_told_by_its_own_sms(waiting: Waiting) -> None:
    waiting.world.withdraw(waiting.caller, PIN, Money.major(500), f"out{waiting.number}")
    assert (waiting.time_passes(), waiting.told()) == (1, [])


# In the menus alone.


def test_a_door_that_shuts_leaves_the_caller_at_home(town: Town, phone: object) -> None:
    town.moves_in("+254712000001", "Jane", shillings=1_000)
    town.closed = RailDown()
    caller = phone("+254712000001").dials()  # type: ignore[operator]
    for label in ("Withdraw", "Deposit"):
        caller.chooses(label).sees("M-Pesa does not answer now", "Mlango: Jane", f" {label}")
    town.closed = None
    caller.chooses("Withdraw").types("500").types("2580").sees("KES 500 is on its way")
    assert town.effects == [("withdraw", "50000")]
