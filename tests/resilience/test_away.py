"""The database, Redis or both go away in the middle of a call: callers hear the truth, and money moves once or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.domain.phone import parse_phone
from tests.house import PIN, House
from tests.phone import Phone
from tests.resilience.conftest import Frail, transfers_of

Numbers = Iterator[str]
WORKING = {"en": "You will get an SMS. Do not pay again", "sw": "Utapata SMS. Usilipe tena"}
AWAY = ("No money moved", "Hakuna pesa iliyotoka")


def _member(house: House, number: str) -> str:
    found = house.parts.accounts.by_phone(parse_phone(number))
    assert found is not None
    return found.number


def _at_the_pin(whole: Frail, numbers: Numbers, language: str = "en") -> tuple[Phone, str, str]:
    sender, friend = next(numbers), next(numbers)
    whole.house.member(friend, "John Otieno")
    caller = whole.house.member(sender, shillings=1_000, language=language).dials()
    return caller.types("1", friend, "500"), sender, friend


def _cut(whole: Frail, what: str) -> None:
    for wire in (whole.database, whole.redis) if what == "both" else (getattr(whole, what),):
        wire.cut()


def _mend(whole: Frail, what: str) -> None:
    for wire in (whole.database, whole.redis) if what == "both" else (getattr(whole, what),):
        wire.mend()


@pytest.mark.parametrize("what", ["database", "redis", "both"])
def test_a_dial_while_something_is_away_ends_politely_and_the_next_one_works(
    whole: Frail, numbers: Numbers, what: str
) -> None:
    number = next(numbers)
    whole.house.member(number)
    caller = whole.house.phone(number)
    _cut(whole, what)
    caller.dials().hears_goodbye().sees(*AWAY)
    caller.dials().hears_goodbye().sees(*AWAY)
    _mend(whole, what)
    caller.dials().sees("Mlango: Jane")


@pytest.mark.parametrize("what", ["database", "redis", "both"])
@pytest.mark.parametrize("language", ["en", "sw"])
def test_something_goes_away_at_the_amount_and_no_money_moves(
    whole: Frail, numbers: Numbers, what: str, language: str
) -> None:
    sender, friend = next(numbers), next(numbers)
    caller = whole.house.member(sender, shillings=1_000, language=language).dials().types("1", friend)
    _cut(whole, what)
    caller.types("500").hears_goodbye()
    caller.does_not_see("Traceback")
    _mend(whole, what)
    caller.dials()
    assert "500" not in caller.page
    assert whole.house.balance(sender) == 1_000
    assert whole.house.books_are_right()


@pytest.mark.parametrize("language", ["en", "sw"])
@pytest.mark.parametrize(
    ("statement", "answered", "moves"),
    [
        (b"pin_failures =", False, False),
        (b"pin_failures =", True, False),
        (b"ledger_post_and_tell", False, False),
        (b"ledger_post_and_tell", True, True),
    ],
)
def test_the_database_dies_while_the_pin_is_taken_and_the_caller_is_told_what_is_in_the_books(
    whole: Frail, numbers: Numbers, statement: bytes, answered: bool, moves: bool, language: str
) -> None:
    caller, sender, friend = _at_the_pin(whole, numbers, language)
    whole.database.cut_at(statement, answered=answered)
    caller.types(PIN)
    assert whole.database.sprung.wait(5)
    caller.hears_goodbye().sees(WORKING[language])
    whole.database.mend()
    assert transfers_of(whole.house.parts.db, _member(whole.house, sender)) == int(moves)
    whole.keeps_promises()
    before = len(whole.house.texts(sender))
    if moves:
        whole.house.hears(sender, "500", "You sent" if language == "en" else "Umetuma")
        whole.house.hears(friend, "You received KES 500")
    else:
        whole.house.hears(sender, "No money moved" if language == "en" else "Hakuna pesa iliyotoka")
    whole.keeps_promises(120)
    assert len(whole.house.texts(sender)) == before
    caller.dials()
    if not moves:
        caller.does_not_see("you sent", "umetuma")
    assert (whole.house.balance(sender), whole.house.balance(friend)) == ((495, 500) if moves else (1_000, 0))
    assert whole.house.books_are_right()


@pytest.mark.parametrize(
    ("statement", "answered", "moves"),
    [(b"ledger_post_and_tell", False, False), (b"COMMIT", False, False), (b"COMMIT", True, True)],
)
def test_the_database_dies_while_money_is_put_aside_for_a_stranger(
    whole: Frail, numbers: Numbers, statement: bytes, answered: bool, moves: bool
) -> None:
    sender, stranger = next(numbers), next(numbers)
    caller = whole.house.member(sender, shillings=1_000).dials().types("1", stranger, "500")
    whole.database.cut_at(statement, answered=answered, after=b"INSERT INTO claims" if statement == b"COMMIT" else b"")
    caller.types(PIN).hears_goodbye().sees(WORKING["en"])
    whole.database.mend()
    assert transfers_of(whole.house.parts.db, _member(whole.house, sender)) == int(moves)
    whole.keeps_promises()
    whole.house.hears(sender, "You sent KES 500" if moves else "No money moved")
    assert whole.house.balance(sender) == (495 if moves else 1_000)
    whole.house.phone(stranger).dials().types("1", "1", "John Otieno", PIN, PIN)
    assert whole.house.balance(stranger) == (500 if moves else 0)
    assert whole.house.books_are_right()


def test_an_answer_that_is_lost_for_a_moment_is_asked_for_again_and_the_caller_sees_the_receipt(
    whole: Frail, numbers: Numbers
) -> None:
    caller, sender, _ = _at_the_pin(whole, numbers)
    whole.database.cut_at(b"ledger_post_and_tell", answered=True, for_good=False)
    caller.types(PIN).sees("Sent KES 500", "Balance KES 495")
    assert whole.database.sprung.wait(5)
    assert transfers_of(whole.house.parts.db, _member(whole.house, sender)) == 1


def test_redis_dies_while_money_moves_and_the_caller_still_sees_the_receipt(whole: Frail, numbers: Numbers) -> None:
    caller, sender, _ = _at_the_pin(whole, numbers)
    whole.database.cut_at(b"ledger_post_and_tell", answered=True, for_good=False)
    whole.database.also = whole.redis.cut
    caller.types(PIN).sees("Sent KES 500", "Balance KES 495").hears_goodbye()
    whole.redis.mend()
    caller.dials().sees("PAID: you sent KES 500")
    assert whole.house.balance(sender) == 495


def test_a_repeated_confirmation_while_redis_is_away_does_not_say_that_no_money_moved(
    whole: Frail, numbers: Numbers
) -> None:
    """The network brings the hop again because its answer was lost; the money of the first one has moved."""
    caller, sender, _ = _at_the_pin(whole, numbers)
    caller.types(PIN).sees("Sent KES 500")
    whole.redis.cut()
    caller.again().hears_goodbye().does_not_see(*AWAY)
    whole.redis.mend()
    caller.dials()
    assert whole.house.balance(sender) == 495


@pytest.mark.parametrize("answered", [False, True])
def test_both_die_at_the_confirmation_and_money_moves_once_or_not_at_all(
    whole: Frail, numbers: Numbers, answered: bool
) -> None:
    caller, sender, friend = _at_the_pin(whole, numbers)
    whole.database.cut_at(b"ledger_post_and_tell", answered=answered)
    whole.database.also = whole.redis.cut
    caller.types(PIN).hears_goodbye().does_not_see(*AWAY)
    whole.database.mend()
    whole.redis.mend()
    caller.dials()
    moved = transfers_of(whole.house.parts.db, _member(whole.house, sender))
    assert moved == int(answered)
    caller.sees("PAID: you sent KES 500" if moved else "You were sending KES 500")
    assert (whole.house.balance(sender), whole.house.balance(friend)) == ((495, 500) if moved else (1_000, 0))
    assert whole.house.books_are_right()


def test_a_deposit_asked_for_while_the_database_dies_is_asked_once_or_never(whole: Frail, numbers: Numbers) -> None:
    for answered in (False, True):
        number = next(numbers)
        caller = whole.house.member(number).dials().chooses("Deposit")
        whole.database.cut_at(b"COMMIT", answered=answered, after=b"INSERT INTO payments")
        caller.types("700").hears_goodbye().sees(WORKING["en"])
        whole.database.mend()
        whole.keeps_promises()
        if answered:
            whole.house.pays(number)
            whole.house.hears(number, "KES 700 from M-Pesa is in your wallet")
        else:
            whole.house.hears(number, "No money moved")
        assert whole.house.balance(number) == (700 if answered else 0)


@pytest.mark.parametrize("statement", [b"ledger_totals", b"FROM ledger_transfers", b"FROM accounts", b"FROM payments"])
def test_the_database_dies_while_something_is_read_and_the_caller_gets_a_page(
    whole: Frail, numbers: Numbers, statement: bytes
) -> None:
    caller, sender, _ = _at_the_pin(whole, numbers)
    whole.database.cut_at(statement, answered=False)
    caller.dials()
    if caller.goes_on:
        caller.types("2").chooses("Balance and statement")
        caller.types(PIN)
    whole.database.cut()
    caller.dials().hears_goodbye()
    whole.database.mend()
    assert caller.dials().goes_on
    assert whole.house.balance(sender) == 1_000
