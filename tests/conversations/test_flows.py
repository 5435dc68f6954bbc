"""Every flow as a conversation on the whole gateway, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.house import PIN, House
from tests.phone import OverWsgi, Phone

Numbers = Iterator[str]


# Create account.


@pytest.mark.parametrize(
    ("language", "asks"),
    [
        (None, ["Create account for", "Enter your name", "Choose a PIN", "Repeat your PIN", "Welcome, Wanjiku."]),
        ("Kiswahili", ["Fungua akaunti kwa", "Weka jina lako", "Chagua PIN", "Rudia PIN", "Karibu, Wanjiku."]),
    ],
)
def test_creating_an_account(house: House, numbers: Numbers, language: str | None, asks: list[str]) -> None:
    number = next(numbers)
    caller = house.phone(number).dials()
    if language:
        caller.chooses("Lugha/Language").chooses(language).sees("Karibu Mlango", "Fungua akaunti", "Ingia", "Toka")
    for answer, asked in zip(["1", "1", "Wanjiku", PIN, PIN], asks, strict=True):
        caller.types(answer).sees(asked)
    account = re.search(r"ML-[0-9A-Z]{6}", caller.hears_goodbye().page)
    assert account
    house.hears(number, account[0], "Karibu" if language else "Welcome")


def test_a_weak_pin_and_a_wrong_repetition_are_asked_again(house: House, numbers: Numbers) -> None:
    number = next(numbers)
    caller = house.phone(number).dials().types("1", "1", "123").sees("Type a name with letters").types("Jane")
    for weak in ("1234", "0000", "2727", "1987", number[4:8], "12"):
        caller.types(weak).sees("Too easy to guess", "Choose a PIN")
    caller.types(PIN, "8306").sees("The two PINs differ", "Repeat your PIN").types(PIN).sees("Welcome, Jane.")


def test_an_account_for_another_number_needs_its_code(house: House, numbers: Numbers) -> None:
    mine, mothers = next(numbers), next(numbers)
    caller = house.phone(mine).dials().types("1", "2").sees("phone number of the new account").types(mothers)
    caller.sees("6-digit code", mothers[:4])
    code = _code(house, mothers)
    caller.types(_another(code)).sees("Wrong code. 2 tries left").types(f"{code[:3]} {code[3:]}")
    caller.sees("Enter your name").types("Mama Jane", PIN, PIN).sees("Welcome, Mama.")
    house.phone(mothers).dials().sees("Mlango: Mama")
    house.phone(mine).dials().sees("Welcome to Mlango")


def test_another_number_that_has_an_account_is_signed_in_instead(house: House, numbers: Numbers) -> None:
    mine, hers = next(numbers), next(numbers)
    house.member(hers, "Amina")
    caller = house.phone(mine).dials().types("1", "2", hers).types(_code(house, hers)).sees("Enter your PIN")
    caller.types(PIN).sees("Mlango: Amina")


def test_the_same_registration_twice_is_one_account(house: House, numbers: Numbers) -> None:
    number = next(numbers)
    caller = house.phone(number).dials().types("1", "1", "Jane", PIN, PIN)
    assert caller.again().page == caller.page
    assert len(re.findall("Welcome to Mlango", " ".join(house.texts(number)))) == 1


# Sign in.


def test_signing_in_from_any_phone_takes_a_code_and_the_pin(house: House, numbers: Numbers) -> None:
    hers, shop = next(numbers), next(numbers)
    house.member(hers, "Amina", shillings=300)
    caller = house.phone(shop).dials().chooses("Sign in").types(hers).sees("6-digit code")
    caller.types(_code(house, hers)).sees("Enter your PIN").types("9999").sees("Wrong PIN. 2 tries left")
    caller.types(PIN).sees("Mlango: Amina").chooses("Balance and statement").types(PIN).sees("Balance KES 300")


def test_signing_in_with_the_own_number_needs_an_account(house: House, numbers: Numbers) -> None:
    number = next(numbers)
    house.phone(number).dials().chooses("Sign in").types(number).sees("No account has this number")


def test_a_code_is_good_once_and_wrong_ones_lock(house: House, numbers: Numbers) -> None:
    hers, shop = next(numbers), next(numbers)
    house.member(hers, "Amina")
    caller = house.phone(shop).dials().types("2", hers)
    wrong = _another(_code(house, hers))
    caller.types(wrong, wrong).sees("1 try left").types(wrong).sees("Too many wrong codes").hears_goodbye()


# Send.


def test_sending_to_a_member_in_swahili(house: House, numbers: Numbers) -> None:
    sender, friend = next(numbers), next(numbers)
    house.member(friend, "Achieng Odhiambo")
    caller = house.member(sender, "Juma Ali", shillings=2_000, language="sw")
    caller.dials().chooses("Tuma pesa").sees("Tuma pesa kwa nambari gani").types(friend)
    caller.sees("Tuma kwa A*** O", "Weka kiasi").types("1,000").sees("Tuma KES 1,000 kwa A*** O (ada KES 10)")
    caller.types(PIN).sees("Umetuma KES 1,000 kwa A*** O", "Salio KES 990").hears_goodbye()
    reference = caller.page.split("Kumb. ")[1].split(".")[0]
    house.hears(sender, reference, "Umetuma KES 1,000")
    house.hears(friend, reference, "You received KES 1,000 from J*** A")


def test_what_may_not_be_sent(house: House, numbers: Numbers) -> None:
    number = next(numbers)
    caller = house.member(number, shillings=100).dials().chooses("Send money")
    caller.types("12345").sees("Not a mobile number").types(number).sees("That is your own number")
    caller.types(next(numbers)).types("70001").sees("The most at once is KES 70,000").types("500")
    caller.types(PIN).sees("Not enough money. Nothing was sent.", "Enter amount").types("50", PIN).sees("Sent KES 50")
    assert house.balance(number) == 50


def test_three_wrong_pins_lock_and_the_owner_is_told(house: House, numbers: Numbers) -> None:
    number = next(numbers)
    caller = house.member(number, shillings=100).dials().types("1", next(numbers), "50")
    caller.types("1111").sees("Wrong PIN. 2 tries left").types("1112").sees("1 try left")
    caller.types("1113").sees("Locked for 15 minutes", "No money moved").hears_goodbye()
    house.hears(number, "locked for 15 minutes", "freeze")
    caller.dials()
    if "You were sending" in caller.page:
        caller.types("2")
    caller.chooses("Balance and statement").types(PIN).sees("Too many wrong PINs").hears_goodbye()
    assert house.balance(number) == 100


def test_a_dropped_call_is_gone_on_with_and_finished_by_sms(house: House, numbers: Numbers) -> None:
    number, friend = next(numbers), next(numbers)
    caller = house.member(number, shillings=1_000).dials().types("1", friend, "500").sees("Enter PIN")
    _cut_off(house, caller)
    house.hears(number, "You were sending KES 500", "choose 1 to go on")
    caller.dials().sees("You were sending KES 500 to", "1 Continue", "2 Start again").types("1").sees("Enter PIN")
    caller.types(PIN).sees("Sent KES 500")
    caller.dials().sees("PAID: you sent KES 500").dials().does_not_see("you sent")
    assert house.balance(number) == 495


def test_a_payment_whose_last_page_was_lost_is_never_called_unsent(house: House, numbers: Numbers) -> None:
    number = next(numbers)
    caller = house.member(number, shillings=1_000).dials().types("1", next(numbers), "500", PIN).sees("Sent KES 500")
    _cut_off(house, caller)
    assert not any("You were sending" in text for text in house.texts(number))
    caller.dials().sees("PAID: you sent KES 500")


@pytest.mark.parametrize("leave", [("0", "0"), ("0", "0", "0")])
def test_what_the_caller_left_is_not_offered_again(house: House, numbers: Numbers, leave: tuple[str, ...]) -> None:
    caller = house.member(next(numbers), shillings=100).dials().types("1", next(numbers), "50").sees("Enter PIN")
    caller.types(*leave).dials().does_not_see("You were sending")


def test_starting_again_forgets_what_was_left(house: House, numbers: Numbers) -> None:
    caller = house.member(next(numbers), shillings=100).dials().types("1", next(numbers), "50")
    caller.dials().sees("You were sending KES 50").types("2").sees("1 Send money")
    caller.dials().does_not_see("You were sending")


# Deposit.


@pytest.mark.parametrize(
    ("code", "told", "shown"),
    [
        ("1032", "You cancelled the M-Pesa payment of KES 700. No money moved.", "NOT PAID: KES 700"),
        ("1", "Your M-Pesa has less than KES 700. No money moved.", "NOT PAID: KES 700"),
        ("1037", "You did not answer M-Pesa in time", "NOT PAID: KES 700"),
        ("2001", "M-Pesa did not take KES 700. No money moved.", "NOT PAID: KES 700"),
        ("0", "KES 700 from M-Pesa is in your wallet", "PAID: KES 700"),
    ],
)
def test_what_becomes_of_a_deposit_is_told(house: House, numbers: Numbers, code: str, told: str, shown: str) -> None:
    number = next(numbers)
    caller = house.member(number).dials().chooses("Deposit").types("700").hears_goodbye()
    house.pays(number, code)
    house.hears(number, told)
    caller.dials().sees(shown)
    assert house.balance(number) == (700 if code == "0" else 0)


def test_a_second_prompt_is_refused_while_one_is_open(house: House, numbers: Numbers) -> None:
    number = next(numbers)
    caller = house.member(number, language="sw").dials().types("2", "700").sees("Weka PIN ya M-Pesa ukiulizwa")
    caller.dials().sees("TUNAANGALIA: KES 700", "Usilipe tena").types("2", "300").sees("hayajaisha")
    house.pays(number)
    house.hears(number, "Imethibitishwa. KES 700 kutoka M-Pesa zimeingia")
    assert house.balance(number) == 700


def test_deposits_are_whole_shillings_within_the_limits(house: House, numbers: Numbers) -> None:
    caller = house.member(next(numbers)).dials().chooses("Deposit")
    caller.types("10.50").sees("whole shillings").types("250,001").sees("The most at once is KES 250,000")
    caller.types("abc").sees("Not an amount")


# Balance and statement.


def test_the_statement_in_pages_and_by_sms(house: House, numbers: Numbers) -> None:
    number, friend = next(numbers), next(numbers)
    house.member(friend, "Baraka Kiprono")
    caller = house.member(number, shillings=5_000)
    for amount in ("100", "120", "140", "160", "180", "200"):
        caller.dials().types("1", friend, amount, PIN).sees("Sent")
    caller.dials()
    caller.chooses("Balance and statement").types(PIN).sees("Balance KES 4,075", "-200 B*** K", "9 More")
    pages = [caller.page]
    while "9 More" in caller.page:
        pages.append(caller.types("9").page)
    assert "+5,000 M-Pesa" in "".join(pages)
    assert "Fee" in "".join(pages)
    caller.chooses("Send by SMS").sees("on its way by SMS").hears_goodbye()
    house.hears(number, "balance KES 4,075", "B*** K")


# My account.


def test_the_language_stays_changed(house: House, numbers: Numbers) -> None:
    caller = house.member(next(numbers)).dials().chooses("My account").chooses("Lugha/Language").chooses("Kiswahili")
    caller.sees("1 Tuma pesa").dials().sees("1 Tuma pesa", "Akaunti yangu", "0 Toka")


def test_changing_the_pin_lowers_the_limits_for_a_day(house: House, numbers: Numbers) -> None:
    number = next(numbers)
    caller = house.member(number, shillings=9_000).dials().chooses("My account").chooses("Change PIN")
    caller.types("1111").sees("Wrong PIN. 2 tries left").types(PIN).sees("Choose a new PIN").types("1234")
    caller.sees("Too easy to guess").types("9264", "9265").sees("The two PINs differ").types("9264")
    caller.sees("Your PIN is changed").hears_goodbye()
    house.hears(number, "Your Mlango PIN was changed")
    caller.dials().types("1", next(numbers), "5001").sees("The most at once is KES 5,000").types("50")
    caller.types(PIN).sees("Wrong PIN").types("9264").sees("Sent KES 50")


def test_a_frozen_account_sends_nothing_until_its_pin_opens_it(house: House, numbers: Numbers) -> None:
    number, friend = next(numbers), next(numbers)
    caller = house.member(number, shillings=500).dials().types("1", friend, "100").sees("Enter PIN")
    other = house.phone(number).dials()
    if "You were sending" in other.page:
        other.types("2")
    other.chooses("My account").chooses("Freeze my account").types("1").sees("Your account is frozen").hears_goodbye()
    caller.types(PIN).sees("Your account is frozen. No money moved")
    house.hears(number, "Your Mlango account is frozen")
    caller.dials()
    if "You were sending" in caller.page:
        caller.types("2")
    caller.sees("your account is frozen").does_not_see("Send money").chooses("Open my account again").types(PIN)
    caller.sees("1 Send money").types("1", friend, "100", PIN).sees("Sent KES 100")


def test_inviting_a_friend(house: House, numbers: Numbers) -> None:
    number, friend = next(numbers), next(numbers)
    caller = house.member(number, "Jane Mwangi").dials().chooses("My account").chooses("Invite a friend")
    caller.types(friend).sees("We sent your invitation").hears_goodbye()
    house.hears(friend, "Jane Mwangi invites you to Mlango")


# The end of a call.


def test_an_ended_session_is_kept_without_what_was_typed(house: House, numbers: Numbers) -> None:
    caller = house.member(next(numbers))
    _cut_off(house, caller, "Success", input=f"1*1*Jane*{PIN}*{PIN}")
    with house.parts.db.reading() as connection:
        row = connection.exec_driver_sql(
            "SELECT status, hops, last_screen, language, cost_micros, ussd_sessions::text FROM ussd_sessions"
            " WHERE session_id = %s",
            (caller.session,),
        ).one()
    assert row[:5] == ("Success", 5, "send.confirm", "en", 800_000)
    assert PIN not in row[5]


def _cut_off(house: House, caller: Phone, status: str = "Incomplete", **more: str) -> None:
    form = {
        "date": "2026-11-20 10:00:00",
        "sessionId": caller.session,
        "serviceCode": "*384*123#",
        "networkCode": "63902",
        "phoneNumber": caller.number,
        "status": status,
        "cost": "KES 0.80",
        "durationInMillis": "41000",
        "hopsCount": "5",
        "hopsMetadata": "home;en|send.to;en|send.amount;en|send.confirm;en",
        "lastAppResponse": caller.page,
    }
    answer = OverWsgi(house.app).post("/ussd/events", urlencode({**form, **more}), {})
    assert answer[0] == 200


def _code(house: House, number: str) -> str:
    return re.findall(r"\d{6}", house.hears(number, "Mlango code"))[0]


def _another(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"
