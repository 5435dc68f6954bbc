"""PINs: no weak ones, three guesses however many sessions, and the owner hears of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.errors import AccountNotFound, PinLocked, PinNotSet, WeakPin, WrongPin
from gateway.domain.phone import Phone
from gateway.domain.pin import is_weak
from gateway.services.pins import LOCK
from tests.services.people_kit import CountingVault, Kit, new_phone, together

RIGHT, WRONG = "8305", "7416"
OWNER = Phone("+254798306415")


@pytest.fixture
def kit(db, vault, clock):
    return Kit(db, CountingVault(vault), clock)


@pytest.fixture
def number(kit):
    return kit.accounts.create_account(new_phone(), "Jane", pin=RIGHT, send_sms=False).number


@pytest.mark.parametrize(
    "pin",
    [
        "", "123", "1234567", "12a4", "١٢٣٤", " 8305", "8305\n",
        "0000", "99999", "777777",
        "1234", "4321", "3456", "7890", "0987", "9012", "2109", "56789", "123456", "890123",
        "1212", "2727", "123123", "4545", "272727",
        "1940", "1987", "2029",
        "0798", "3064", "254798", "06415",
        "2580", "1357", "12321",
    ],
)  # fmt: skip
def test_weak_pins_are_refused(pin):
    assert is_weak(pin, OWNER)


@pytest.mark.parametrize("pin", ["8305", "7416", "1939", "2030", "27272", "83051", "905162", "1243"])
def test_other_pins_are_fine(pin):
    assert not is_weak(pin, OWNER)


def test_the_right_pin_passes_and_forgets_earlier_mistakes(kit, number):
    for _ in range(3):
        assert _tries_left(kit, number) == 2
        assert _tries_left(kit, number) == 1
        kit.pins.check(number, RIGHT)


def test_the_third_wrong_pin_locks_for_a_quarter_of_an_hour(kit, number, clock):
    _lock(kit, number)
    with pytest.raises(PinLocked) as locked:
        kit.pins.check(number, RIGHT)
    assert (locked.value.until, locked.value.minutes) == (clock() + LOCK, 15)
    clock.move(minutes=14, seconds=1)
    with pytest.raises(PinLocked) as locked:
        kit.pins.check(number, RIGHT)
    assert locked.value.minutes == 1


def test_the_right_pin_as_third_try_does_not_lock(kit, number):
    _tries_left(kit, number), _tries_left(kit, number)
    kit.pins.check(number, RIGHT)
    assert _tries_left(kit, number) == 2
    assert kit.told(number) == []


def test_when_the_lock_is_over_all_tries_are_back(kit, number, clock):
    _lock(kit, number)
    clock.move(minutes=15)
    assert _tries_left(kit, number) == 2
    kit.pins.check(number, RIGHT)


def test_the_owner_is_told_once_per_lock(kit, number, clock):
    _lock(kit, number)
    for _ in range(3):
        with pytest.raises(PinLocked):
            kit.pins.check(number, WRONG)
    assert kit.told(number) == ["pin_locked"]
    clock.move(minutes=15)
    _lock(kit, number)
    assert kit.told(number) == ["pin_locked", "pin_locked"]


def test_twenty_guesses_at_once_are_three_guesses(kit, number):
    answers = together(20, lambda: kit.pins.check(number, WRONG))
    assert kit.vault.compared == 3
    assert sum(isinstance(answer, WrongPin) for answer in answers) == 2
    assert sum(isinstance(answer, PinLocked) for answer in answers) == 18
    assert kit.told(number) == ["pin_locked"]


def test_a_guess_is_spent_even_when_the_process_dies_while_it_compares(kit, number):
    class Killed(BaseException):
        pass

    def dies(*_: object) -> bool:
        raise Killed

    compares, kit.vault.pin_matches = kit.vault.pin_matches, dies
    with pytest.raises(Killed):
        kit.pins.check(number, WRONG)
    kit.vault.pin_matches = compares
    assert _tries_left(kit, number) == 1


def test_no_pin_and_no_account_are_told_apart(kit):
    unclaimed = kit.accounts.create_account(new_phone(), "Jane").number
    with pytest.raises(PinNotSet):
        kit.pins.check(unclaimed, RIGHT)
    with pytest.raises(AccountNotFound):
        kit.pins.check("ML-ZZZZZZ", RIGHT)
    with pytest.raises(AccountNotFound):
        kit.pins.change("ML-ZZZZZZ", RIGHT, "905162")


def test_a_changed_pin_is_noted_and_told(kit, number, clock):
    clock.move(minutes=1)
    kit.pins.change(number, RIGHT, "905162")
    kit.pins.check(number, "905162")
    assert kit.accounts.by_number(number).pin_changed_at == clock()
    assert kit.told(number) == ["pin_changed"]
    with pytest.raises(WrongPin):
        kit.pins.check(number, RIGHT)


def test_a_wrong_old_pin_changes_nothing_and_costs_a_try(kit, number):
    with pytest.raises(WrongPin):
        kit.pins.change(number, WRONG, "905162")
    assert _tries_left(kit, number) == 1
    kit.pins.check(number, RIGHT)
    assert kit.told(number) == []


def test_a_weak_new_pin_costs_no_try(kit, number):
    with pytest.raises(WeakPin):
        kit.pins.change(number, RIGHT, "1234")
    assert kit.vault.compared == 0
    assert _tries_left(kit, number) == 2


def test_of_two_changes_at_once_one_wins(kit, number):
    news = iter(["905162", "716304"])
    answers = together(2, lambda: kit.pins.change(number, RIGHT, next(news)))
    assert answers.count(None) == 1
    assert kit.told(number) == ["pin_changed"]


def test_no_refusal_shows_the_pin(kit, number):
    with pytest.raises(WrongPin) as wrong:
        kit.pins.check(number, WRONG)
    assert WRONG not in repr(wrong.value) + str(wrong.value.blanks())


def test_the_lock_is_as_long_as_the_sms_says(kit, number):
    _lock(kit, number)
    assert timedelta(minutes=15) == LOCK
    assert "15" in kit.one("SELECT body FROM messages").body


def _tries_left(kit, number):
    with pytest.raises(WrongPin) as wrong:
        kit.pins.check(number, WRONG)
    return wrong.value.tries_left


def _lock(kit, number):
    _tries_left(kit, number), _tries_left(kit, number)
    with pytest.raises(PinLocked):
        kit.pins.check(number, WRONG)
