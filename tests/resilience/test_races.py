"""Many at once: one effect, equal answers, no guess too many, and no shilling between two chairs."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import fakeredis
import pytest
from sqlalchemy import text

from gateway.domain.money import Money
from gateway.domain.phone import parse_phone
from gateway.services.claims import Claims
from gateway.sessions import SessionStore
from tests.house import PIN, House, eventually
from tests.phone import Phone
from tests.resilience.conftest import transfers_of

T = TypeVar("T")
Numbers = Iterator[str]


class OverHttp:
    """A real socket to a served house."""

    def __init__(self, url: str) -> None:
        self._url = url

    def post(self, path: str, body: str, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        asked = urllib.request.Request(self._url + path, body.encode(), headers)
        with urllib.request.urlopen(asked, timeout=15) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)


def at_once(whats: list[Callable[[], T]]) -> list[T]:
    """All start together; their results in order."""
    gate = threading.Barrier(len(whats))

    def run(what: Callable[[], T]) -> T:
        gate.wait()
        return what()

    with ThreadPoolExecutor(len(whats)) as pool:
        return list(pool.map(run, whats))


def _account(house: House, number: str) -> str:
    found = house.parts.accounts.by_phone(parse_phone(number))
    assert found is not None
    return found.number


@contextmanager
def _house_on_fakeredis(house: House) -> Iterator[House]:
    server = fakeredis.TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"redis://127.0.0.1:{server.server_address[1]}/0"
    other = House(house.parts.settings.model_copy(update={"redis_url": url}), house.simulators)
    try:
        yield other
    finally:
        other.close()
        house.simulators.gateway.url = house.url
        server.shutdown()


@pytest.mark.parametrize("kind", ["redis", "fakeredis"])
def test_twenty_times_one_hop_over_http_is_one_effect_and_twenty_equal_answers(
    house: House, numbers: Numbers, kind: str
) -> None:
    if kind == "redis":
        _hammer(house, numbers)
        return
    with _house_on_fakeredis(house) as other:
        _hammer(other, numbers)


def _hammer(house: House, numbers: Numbers) -> None:
    sender, friend = next(numbers), next(numbers)
    house.member(friend, "John Otieno")
    caller = house.member(sender, shillings=1_000).dials().types("1", friend, "500").sees("Enter PIN")

    def same_hop() -> str:
        other = Phone(OverHttp(house.url), caller.number)
        other.session, other.text = caller.session, f"{caller.text}*{PIN}"
        return other.again().page

    pages = at_once([same_hop] * 20)
    assert len(set(pages)) == 1, set(pages)
    assert "Sent KES 500" in pages[0]
    assert transfers_of(house.parts.db, _account(house, sender)) == 1
    assert len([t for t in house.texts(sender) if "You sent KES 500" in t]) == 1
    assert (house.balance(sender), house.balance(friend)) == (495, 500)


def test_two_calls_of_one_sender_confirm_at_once_and_the_wallet_never_goes_below_zero(
    house: House, numbers: Numbers
) -> None:
    sender, friend = next(numbers), next(numbers)
    house.member(friend, "John Otieno")
    house.member(sender, shillings=800)
    calls = [house.phone(sender).dials() for _ in range(2)]
    for call in calls:
        if "You were sending" in call.page:
            call.types("2")
        call.types("1", friend, "500")
    pages = at_once([lambda call=call: call.types(PIN).page for call in calls])  # type: ignore[misc]
    assert sorted("Sent KES 500" in page for page in pages) == [False, True]
    assert any("Not enough money. Nothing was sent." in page for page in pages)
    assert (house.balance(sender), house.balance(friend)) == (295, 500)


def test_two_calls_of_one_sender_with_money_for_both_are_two_payments(house: House, numbers: Numbers) -> None:
    sender, friend = next(numbers), next(numbers)
    house.member(friend, "John Otieno")
    house.member(sender, shillings=2_000)
    calls = []
    for _ in range(2):
        call = house.phone(sender).dials()
        if "You were sending" in call.page:
            call.types("2")
        calls.append(call.types("1", friend, "500"))
    at_once([lambda call=call: call.types(PIN).sees("Sent KES 500") for call in calls])  # type: ignore[misc]
    assert (house.balance(sender), house.balance(friend)) == (990, 1_000)


def test_one_number_registering_in_ten_calls_at_once_is_one_account(house: House, numbers: Numbers) -> None:
    number = next(numbers)
    calls = [house.phone(number).dials().types("1", "1", "Jane Mwangi", PIN) for _ in range(10)]
    pages = at_once([lambda call=call: call.types(PIN).page for call in calls])  # type: ignore[misc]
    account = _account(house, number)
    assert all(account in page for page in pages), pages
    assert len([t for t in house.texts(number) if "Welcome" in t]) == 1


def test_ten_deposits_confirmed_at_once_prompt_the_phone_once(house: House, numbers: Numbers) -> None:
    number = next(numbers)
    house.member(number)
    calls = [house.phone(number).dials().types("2") for _ in range(10)]
    pages = at_once([lambda call=call: call.types("300").page for call in calls])  # type: ignore[misc]
    assert sum(page.startswith("END Enter your M-Pesa PIN") for page in pages) == 1
    assert sum("not finished" in page for page in pages) == 9
    before = house.simulators.mpesa.prompts.books.organisation
    house.pays(number)
    house.work()
    assert house.simulators.mpesa.prompts.books.organisation - before == 300
    assert house.balance(number) == 300


def test_a_pin_guessed_in_twenty_calls_at_once_has_three_guesses(house: House, numbers: Numbers) -> None:
    number = next(numbers)
    house.member(number, shillings=500)
    calls = [house.phone(number).dials().types("4") for _ in range(20)]
    guesses = [f"{2600 + n * 7}" for n in range(20)]
    pages = at_once([lambda c=c, g=g: c.types(g).page for c, g in zip(calls, guesses, strict=True)])  # type: ignore[misc]
    assert sum("Wrong PIN." in page for page in pages) <= 2, pages
    assert sum("Too many wrong PINs" in page for page in pages) >= 18
    house.phone(number).dials().types("4", PIN).sees("Too many wrong PINs")
    assert len([t for t in house.texts(number) if "locked for 15 minutes" in t]) == 1


def _sends_to_a_stranger(house: House, numbers: Numbers) -> tuple[str, str]:
    sender, stranger = next(numbers), next(numbers)
    house.member(sender, shillings=1_000).dials().types("1", stranger, "500", PIN).sees("Sent KES 500")
    return sender, stranger


def _later_claims(house: House, days: int = 8) -> Claims:
    parts = house.parts
    words, settings = parts.texts, parts.settings
    return Claims(
        parts.db,
        parts.ledger,
        parts.vault,
        words,
        lambda: parts.clock() + timedelta(days=days),
        shortcode=settings.shortcode,
        days=settings.claim_days,
    )


def test_a_claim_that_expires_while_its_owner_registers_goes_one_way(house: House, numbers: Numbers) -> None:
    for _ in range(6):
        sender, stranger = _sends_to_a_stranger(house, numbers)
        caller = house.phone(stranger).dials().types("1", "1", "John Otieno", PIN)
        claims = _later_claims(house)
        page, _ = at_once([lambda c=caller: c.types(PIN).page, lambda c=claims: str(c.return_expired(1_000))])  # type: ignore[misc]
        claims.return_expired(1_000)
        ends = (house.balance(sender), house.balance(stranger))
        assert ends in ((495, 500), (1_000, 0)), ends
        assert ("Balance KES 500" in page) == (ends[1] == 500)
    assert house.books_are_right()


def test_who_registers_between_the_quote_and_the_pin_gets_the_money(house: House, numbers: Numbers) -> None:
    sender, stranger = next(numbers), next(numbers)
    caller = house.member(sender, shillings=1_000).dials().types("1", stranger, "500").sees("Enter PIN")
    house.member(stranger, "John Otieno")
    caller.types(PIN).sees("Sent KES 500")
    assert (house.balance(sender), house.balance(stranger)) == (495, 500)
    house.hears(stranger, "You received KES 500 from J*** M")
    assert house.books_are_right()


def test_who_registers_at_the_very_moment_gets_the_money_soon(house: House, numbers: Numbers) -> None:
    """Neither transaction sees the other: the worker's next round does."""
    for _ in range(8):
        sender, stranger = next(numbers), next(numbers)
        caller = house.member(sender, shillings=1_000).dials().types("1", stranger, "500")
        other = house.phone(stranger).dials().types("1", "1", "John Otieno", PIN)
        at_once([lambda c=caller: c.types(PIN).page, lambda c=other: c.types(PIN).page])  # type: ignore[misc]
        house.parts.work.return_claims()
        assert (house.balance(sender), house.balance(stranger)) == (495, 500)


def test_money_set_aside_for_somebody_who_is_a_member_is_found_and_given(house: House, numbers: Numbers) -> None:
    """The race above, made certain: a claim for a member's number, as two transactions that missed each other leave."""
    sender, stranger = _sends_to_a_stranger(house, numbers)
    parts = house.parts
    index = parts.vault.phone_index(parse_phone(stranger))
    with parts.db.transaction() as session:
        session.execute(text("UPDATE claims SET recipient_index = 'hidden' WHERE recipient_index = :i"), {"i": index})
    house.member(stranger, "John Otieno")
    with parts.db.transaction() as session:
        session.execute(text("UPDATE claims SET recipient_index = :i WHERE recipient_index = 'hidden'"), {"i": index})
    assert house.balance(stranger) == 0
    parts.work.return_claims()
    assert house.balance(stranger) == 500
    house.hears(stranger, "You received KES 500")
    house.hears(sender, "has received the KES 500 you sent")
    assert parts.statements.balance(_account(house, sender)) == Money.major(495)


def test_a_sender_who_freezes_between_the_quote_and_the_pin_keeps_the_money(house: House, numbers: Numbers) -> None:
    sender, friend = next(numbers), next(numbers)
    house.member(friend, "John Otieno")
    caller = house.member(sender, shillings=1_000).dials().types("1", friend, "500")
    house.parts.accounts.freeze(_account(house, sender))
    caller.types(PIN).sees("Your account is frozen. No money moved")
    house.parts.accounts.unfreeze(_account(house, sender))
    assert (house.balance(sender), house.balance(friend)) == (1_000, 0)
    assert eventually(house.books_are_right)


def test_a_server_that_makes_a_thread_for_every_call_never_runs_out_of_redis(redis_url: str) -> None:
    store, answers = SessionStore(redis_url, 180, 600), []
    for _ in range(150):
        thread = threading.Thread(target=lambda: answers.append(store.is_up()))
        thread.start()
        thread.join()
    assert answers == [True] * 150
