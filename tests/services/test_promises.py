"""*You will get an SMS* is kept: what was done told itself, what was not is told, and never happens afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator

import orjson
import pytest
import redis

from gateway.callers import CallerWorld
from gateway.domain.errors import KeyReused
from gateway.domain.money import Money
from gateway.domain.phone import parse_phone
from gateway.domain.references import new_reference
from gateway.promises import Promises
from gateway.services.ledger import Entry, Leg
from tests.house import PIN, House
from ussd_menus.session import Caller, Session

KEY = "the key of a confirmation"


class Waiting:
    """Somebody who was told to wait for an SMS after confirming KES 500 to a friend."""

    def __init__(self, house: House, numbers: Iterator[str], client: redis.Redis) -> None:
        self.house = house
        self.number, self.friend = next(numbers), next(numbers)
        house.member(self.number, shillings=1_000)
        parts = house.parts
        self.late = 0.0
        self.promises = Promises(
            client,
            parts.db,
            parts.vault,
            parts.messages,
            parts.transfers,
            parts.payments,
            parts.payouts,
            parts.credits,
            parts.texts,
            shortcode="*384*123#",
            now=lambda: time.time() + self.late,
        )
        phone = parse_phone(self.number)
        self.world: CallerWorld = parts.switchboard._worlds(phone, self.number)  # type: ignore[assignment]
        caller = self.world.arrive().caller
        assert caller is not None
        self.caller: Caller = caller
        payee = self.world.payee(caller, parse_phone(self.friend))
        self.ticket = self.world.quote(caller, payee.sealed, Money.major(500)).ticket
        self.session = Session("send.confirm", "en", caller, {"key": KEY + self.number})
        self.promises.promise(phone, self.session)

    def confirms(self) -> None:
        self.world.send(self.caller, PIN, self.ticket, KEY + self.number)

    def time_passes(self) -> int:
        self.late = 60
        return self.promises.keep()

    def told(self) -> list[str]:
        return [text for text in self.house.texts(self.number) if text.startswith("Mlango: ")]


@pytest.fixture
def waiting(house: House, numbers: Iterator[str], redis_server: redis.Redis) -> Waiting:
    redis_server.delete("ussd:promises")
    return Waiting(house, numbers, redis_server)


def test_a_promise_waits_until_any_statement_has_ended(waiting: Waiting) -> None:
    assert waiting.promises.keep() == 0


def test_what_was_done_after_all_has_told_itself(waiting: Waiting) -> None:
    waiting.confirms()
    assert waiting.time_passes() == 1
    assert waiting.told() == []
    waiting.house.hears(waiting.number, "You sent KES 500")


def test_what_never_happened_is_told_once_and_cannot_happen_any_more(waiting: Waiting) -> None:
    assert (waiting.time_passes(), waiting.time_passes()) == (1, 0)
    (text,) = waiting.told()
    assert "not done in time. No money moved." in text
    with pytest.raises(KeyReused):
        waiting.confirms()
    assert waiting.house.balance(waiting.number) == 1_000
    assert waiting.house.books_are_right()


def test_a_promise_nobody_can_read_does_not_stand_in_the_way(waiting: Waiting, redis_server: redis.Redis) -> None:
    redis_server.zadd("ussd:promises", {"broken": 1, "lost": 2})
    line = {
        "phone": "sealed under a lost key",
        "language": "en",
        "screen": "send.confirm",
        "number": "",
        "key": "broken",
    }
    redis_server.set("ussd:promise:broken", orjson.dumps(line))
    assert (waiting.time_passes(), waiting.time_passes()) == (3, 0)
    assert len(waiting.told()) == 1


def _promises(waiting: Waiting, screen: str, key: str) -> None:
    session = Session(screen, "en", waiting.caller, {"key": key})
    waiting.promises.promise(parse_phone(waiting.number), session)


def test_a_check_that_nobody_saw_costs_nothing_and_is_told(waiting: Waiting, redis_server: redis.Redis) -> None:
    parts, account, key = waiting.house.parts, waiting.caller.number, f"check {waiting.number}"
    redis_server.delete("ussd:promises")
    handed = Leg("issued:credits", f"credits:{account}", Money(3, "credits"))
    sale = Entry("credits", account, "credits_bought", new_reference(), (handed,), opens=(f"credits:{account}",))
    parts.ledger.post_alone(parts.db, sale).or_refuse()
    parts.credits.check(account, parse_phone(waiting.friend), key)
    _promises(waiting, "credits.confirm", key)
    assert waiting.time_passes() == 1
    assert "not done in time" in waiting.told()[0]
    assert parts.credits.balance(account) == Money(3, "credits")
    assert waiting.house.books_are_right()


def test_a_package_that_was_asked_for_tells_itself_and_another_is_told(
    waiting: Waiting, redis_server: redis.Redis
) -> None:
    redis_server.delete("ussd:promises")
    asked, lost = f"asked {waiting.number}", f"lost {waiting.number}"
    waiting.world.buy_credits(waiting.caller, "pkg_10_credits", asked)
    for key in (asked, lost):
        _promises(waiting, "credits.buy", key)
    assert waiting.time_passes() == 2
    assert len(waiting.told()) == 1


def test_what_was_told_late_is_not_told_again(waiting: Waiting) -> None:
    waiting.promises.tell(parse_phone(waiting.number), waiting.session, "Not enough money.")
    assert waiting.time_passes() == 0
    assert waiting.told() == ["Mlango: Not enough money. Dial *384*123#."]
