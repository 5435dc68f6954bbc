"""What a caller hears when a hop breaks: a page, in the right language, that does not contradict the books."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import redis

from gateway.sessions import SessionStore
from tests.fake_world import Town, World
from tests.phone import OverWsgi, Phone
from ussd_menus.screens import Confirm

JANE, JOHN = "+254712000001", "+254712000002"
Handset = Callable[[str], Phone]


@pytest.fixture(autouse=True)
def _two_people(town: Town) -> None:
    town.moves_in(JANE, "Jane Mwangi", shillings=10_000)
    town.moves_in(JOHN, "John Otieno")


def _at_the_pin(phone: Phone, amount: str = "500") -> Phone:
    return phone.dials().chooses("Send money").types("0712000002", amount).sees("Enter PIN")


def _breaks(*_: object) -> None:
    raise ZeroDivisionError


def test_what_nobody_expected_ends_the_call_with_a_page(phone: Handset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "arrive", _breaks)
    phone(JANE).dials().hears_goodbye().sees("No money moved")


def test_what_nobody_expected_while_money_may_move_is_told_by_sms(
    phone: Handset, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    jane = _at_the_pin(phone(JANE))
    monkeypatch.setattr(World, "send", _breaks)
    jane.types("2580").hears_goodbye().sees("You will get an SMS").does_not_see("No money moved")
    assert len(town.promised) == 1
    monkeypatch.undo()
    phone(JANE).dials().sees("Mlango: Jane")


def test_a_confirmation_whose_process_died_is_promised_in_the_callers_language(
    make_door: Callable[..., OverWsgi], town: Town, redis_server: redis.Redis
) -> None:
    jane = Phone(make_door(budget_seconds=0.3), JANE).dials().chooses("My account").chooses("Lugha/Language")
    jane.chooses("Kiswahili").chooses("Tuma pesa").types("0712000002", "500").sees("Weka PIN")
    redis_server.set(f"ussd:lock:{jane.session}", "a process that was killed", px=5_000)
    jane.types("2580").hears_goodbye().sees("Utapata SMS. Usilipe tena")
    assert len(town.promised) == 1


def test_a_question_whose_process_died_promises_no_sms(
    make_door: Callable[..., OverWsgi], town: Town, redis_server: redis.Redis
) -> None:
    jane = Phone(make_door(budget_seconds=0.3), JANE).dials().chooses("Send money")
    redis_server.set(f"ussd:lock:{jane.session}", "a process that was killed", px=5_000)
    jane.types("0712000002").hears_goodbye().sees("No money moved").does_not_see("SMS")
    assert town.promised == []


def test_a_rebuilt_confirmation_that_takes_too_long_is_promised_and_not_called_nothing(
    make_door: Callable[..., OverWsgi], town: Town, forget: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    jane = _at_the_pin(Phone(make_door(budget_seconds=0.3), JANE))
    forget()
    monkeypatch.setattr(World, "send", lambda *_: time.sleep(0.6))
    jane.types("2580").hears_goodbye().sees("You will get an SMS").does_not_see("No money moved")
    assert len(town.promised) == 1


def test_a_rebuilt_confirmation_does_not_pay_after_its_caller_heard_that_no_money_moved(
    make_door: Callable[..., OverWsgi], town: Town, forget: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    jane = _at_the_pin(Phone(make_door(budget_seconds=0.2), JANE))
    forget()
    real = World.quote

    def slowly(*asked: object) -> object:
        time.sleep(0.5)
        return real(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(World, "quote", slowly)
    jane.types("2580").hears_goodbye().sees("Do not pay again")
    assert town.promised == []
    time.sleep(0.8)
    assert town.effects == []


def test_a_rebuilt_walk_asks_for_no_deposit_by_itself(
    phone: Handset, town: Town, forget: Callable[[], None], store: SessionStore
) -> None:
    """On the resume page 2 was *Start again* and 1 *Send money*; from home the same keys are a deposit of KES 1."""
    jane = phone(JANE).dials("2*1")
    forget()
    jane.dials("2*1").sees("Deposit from M-Pesa. Enter amount")
    assert town.effects == []


def test_a_late_refusal_by_sms_is_the_reason_and_never_asks_for_a_pin(
    make_door: Callable[..., OverWsgi], town: Town
) -> None:
    jane = _at_the_pin(Phone(make_door(budget_seconds=0.2), JANE))
    town.slow_seconds = 0.5
    jane.types("1111").sees("You will get an SMS")
    time.sleep(0.8)
    assert town.told == ["Wrong PIN. 2 tries left."]


def test_registering_promises_no_sms_about_money(
    make_door: Callable[..., OverWsgi], town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = Phone(make_door(budget_seconds=0.2), "+254712000009").dials().types("1", "1", "Amina", "2580")
    monkeypatch.setattr(World, "create_account", lambda *_: time.sleep(0.5))
    new.types("2580").sees("No money moved", "Dial again").does_not_see("SMS")
    assert town.promised == []


def test_every_screen_that_acts_is_one_whose_promise_can_be_kept(phone: Handset) -> None:
    from ussd_menus.flows import all_screens

    assert {screen.id for screen in all_screens() if screen.acts} == {
        "send.confirm",
        "deposit.amount",
        "withdraw.confirm",
        "credits.buy",
        "credits.confirm",
    }
    assert all(screen.secret for screen in all_screens() if isinstance(screen, Confirm))


def test_twenty_hops_of_a_session_wait_for_the_one_that_runs_also_when_it_is_slow(
    phone: Handset, town: Town, at_once: Callable[..., list[object]]
) -> None:
    jane = _at_the_pin(phone(JANE))
    jane.text += "*2580"
    town.slow_seconds = 0.3
    began = threading.active_count()

    def same_hop() -> str:
        other = phone(JANE)
        other.session, other.text = jane.session, jane.text
        return other.again().page

    assert len(set(at_once(20, same_hop))) == 1
    assert [effect[0] for effect in town.effects] == ["send"]
    assert threading.active_count() <= began + 32
