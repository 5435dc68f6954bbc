"""The nine rules of a hop, each missing somewhere in every public system, each with a test that fails without it."""

from __future__ import annotations

import time
from collections.abc import Callable

import orjson
import pytest
import redis

from gateway.domain.money import Money
from gateway.sessions import SessionStore
from tests.conversations.conftest import Counted
from tests.fake_world import Town
from tests.phone import OverWsgi, Phone
from ussd_menus.page import septets
from ussd_menus.ports import Notice
from ussd_menus.session import Session

JANE, JOHN, STRANGER = "+254712000001", "+254712000002", "+254712000003"
Handset = Callable[[str], Phone]


@pytest.fixture(autouse=True)
def _two_people(town: Town) -> None:
    town.moves_in(JANE, "Jane Mwangi", shillings=10_000)
    town.moves_in(JOHN, "John Otieno")


def _at_the_pin(phone: Phone, amount: str = "500") -> Phone:
    return phone.dials().chooses("Send money").types("0712000002", amount).sees("Enter PIN")


# 1. The same hop twice is harmless.


def test_a_repeated_hop_gets_the_same_bytes_and_nothing_happens_twice(phone: Handset, town: Town) -> None:
    jane = _at_the_pin(phone(JANE)).types("2580").hears_goodbye()
    first, mark = jane.page, jane.headers["at-ussd-hop-metadata"]
    for _ in range(3):
        assert jane.again().page == first
        assert jane.headers["at-ussd-hop-metadata"] == mark
    assert [effect[0] for effect in town.effects] == ["send"]


def test_twenty_at_once_are_one_effect_and_twenty_equal_answers(
    phone: Handset, town: Town, at_once: Callable[..., list[object]]
) -> None:
    jane = _at_the_pin(phone(JANE))
    jane.text += "*2580"
    town.slow_seconds = 0.1

    def same_hop() -> str:
        other = phone(JANE)
        other.session, other.text = jane.session, jane.text
        return other.again().page

    pages = at_once(20, same_hop)
    assert len(pages) == 20
    assert len(set(pages)) == 1
    assert [effect[0] for effect in town.effects] == ["send"]


def test_a_repeated_wrong_pin_counts_once(phone: Handset, town: Town) -> None:
    jane = _at_the_pin(phone(JANE)).types("1111").sees("2 tries left")
    jane.again().sees("2 tries left").again().sees("2 tries left")


# 2. Input is the new tail.


def test_a_star_inside_an_answer_is_part_of_the_answer(phone: Handset) -> None:
    jane = phone(JANE).dials().chooses("Send money").types("0712000002")
    jane.types("5*0").sees("Not an amount").types("50").sees("Send KES 50 to J*** O")


def test_an_empty_answer_asks_again(phone: Handset) -> None:
    jane = phone(JANE).dials().chooses("Send money")
    jane.types("").sees("Not a mobile number").types("0712000002").sees("Enter amount")


def test_a_shorter_or_different_transcript_starts_again_and_moves_nothing(phone: Handset, town: Town) -> None:
    jane = _at_the_pin(phone(JANE))
    jane.text = "1*0712000002"
    jane.again().sees("Mlango: Jane")
    jane.text = "7*7*7*7*7*7*2580"
    jane.again().sees("Mlango: Jane")
    assert town.effects == []


def test_a_gateway_that_sends_only_the_newest_answer(make_door: Callable[..., OverWsgi], town: Town) -> None:
    jane = Phone(make_door(latest_input_only=True), JANE).dials().sees("Mlango: Jane")
    for answer in ("1", "0712000002", "500", "2580"):
        jane.text = answer
        jane.again()
    jane.sees("Sent KES 500").again().sees("Sent KES 500")
    assert [effect[0] for effect in town.effects] == ["send"]


def test_the_service_code_inside_the_input_is_not_an_answer(phone: Handset) -> None:
    jane = phone(JANE).dials("*384*123#").sees("Mlango: Jane")
    jane.dials("*384*123*1#").sees("Send money to which")


# 3. Money moves once per confirmation.


def test_two_sends_are_two_and_a_lost_answer_is_none(phone: Handset, town: Town, forget: Callable[[], None]) -> None:
    jane = _at_the_pin(phone(JANE)).types("2580").sees("Sent KES 500")
    forget()
    jane.again().sees("Sent KES 500")
    _at_the_pin(phone(JANE)).types("2580").sees("Sent KES 500")
    assert [effect[0] for effect in town.effects] == ["send", "send"]


def test_going_back_and_confirming_another_amount_is_another_payment(phone: Handset, town: Town) -> None:
    jane = _at_the_pin(phone(JANE)).types("0").sees("Enter amount").types("300", "2580").sees("Sent KES 300")
    assert town.effects == [("send", JOHN, "30000")]
    assert len(town.done) == 1
    assert jane.page.startswith("END")


# 4. Resume.


def test_a_redial_offers_to_go_on_and_asks_the_pin_again(
    phone: Handset, town: Town, store: SessionStore, make_switchboard: Callable[..., object]
) -> None:
    _at_the_pin(phone(JANE))
    _restore_drafts(town, store)
    jane = phone(JANE).dials().sees("You were sending KES 500 to J*** O", "1 Continue", "2 Start again")
    jane.types("1").sees("Send KES 500 to J*** O", "Enter PIN").types("2580").sees("Sent KES 500")
    assert [effect[0] for effect in town.effects] == ["send"]


def test_a_redial_may_start_again(phone: Handset, town: Town, store: SessionStore) -> None:
    phone(JANE).dials().chooses("Send money").types("0712000002")
    _restore_drafts(town, store)
    phone(JANE).dials().sees("You were sending money to J*** O").types("2").sees("Mlango: Jane")


def test_the_key_of_a_resumed_confirmation_is_the_one_it_was_dropped_with(
    phone: Handset, town: Town, store: SessionStore
) -> None:
    first = _at_the_pin(phone(JANE))
    _restore_drafts(town, store)
    first.types("2580").sees("Sent KES 500")
    phone(JANE).dials().types("1", "2580").sees("Sent KES 500")
    assert [effect[0] for effect in town.effects] == ["send"]


def _restore_drafts(town: Town, store: SessionStore) -> None:
    """What the real desk does when somebody arrives: look for the draft of this phone."""

    class Drafts(dict[str, Session]):
        def get(self, tag: str, default: object = None) -> Session | None:  # type: ignore[override]
            draft = store.draft(tag)
            return Session.from_json(draft) if draft else None

    town.drafts = Drafts()


def test_the_first_line_of_home_says_what_became_of_the_last_payment(phone: Handset, town: Town) -> None:
    town.notice = Notice("home.checking", Money.major(1_000), "7F3K9QAB")
    phone(JANE).dials().sees("CHECKING: KES 1,000 from M-Pesa. Do not pay again. Ref 7F3K9QAB", "1 Send money")


# 5. A lost session is rebuilt.


def test_when_redis_forgot_the_call_goes_on(phone: Handset, town: Town, forget: Callable[[], None]) -> None:
    jane = phone(JANE).dials().chooses("Send money")
    forget()
    jane.types("0712000002").sees("Enter amount")
    forget()
    jane.types("500").sees("Send KES 500 to J*** O")
    forget()
    jane.types("2580").sees("Sent KES 500")
    assert [effect[0] for effect in town.effects] == ["send"]


def test_a_long_code_goes_straight_in_but_never_pays(
    phone: Handset, town: Town, redis_server: redis.Redis, store: SessionStore
) -> None:
    redis_server.set("ussd:epoch", int(time.time()) - 10_000)
    phone(JANE).dials("1").sees("Send money to which phone")
    phone(JANE).dials("1*0712000002*500*2580").sees("Send KES 500 to J*** O", "Enter PIN")
    assert town.effects == []


def test_wrong_pins_in_a_lost_transcript_are_not_counted_again(
    phone: Handset, town: Town, forget: Callable[[], None]
) -> None:
    jane = _at_the_pin(phone(JANE)).types("1111").sees("2 tries left").types("1112").sees("1 try left")
    forget()
    jane.again().sees("Enter PIN").does_not_see("locked")
    jane.types("2580").sees("Sent KES 500")


# 6. A session belongs to its phone.


def test_another_number_on_the_same_session_is_refused(phone: Handset, town: Town) -> None:
    jane = _at_the_pin(phone(JANE))
    thief = phone(STRANGER)
    thief.session, thief.text = jane.session, jane.text + "*2580"
    thief.again().sees("belongs to another phone").hears_goodbye()
    assert town.effects == []
    jane.types("2580").sees("Sent KES 500")


# 7. PINs and codes are nowhere (the canary over everything is in tests/test_canary.py).


def test_a_session_holds_no_pin_and_no_phone_number(phone: Handset, redis_server: redis.Redis) -> None:
    jane = _at_the_pin(phone(JANE)).types("9173").sees("Wrong PIN")
    stored = b"".join(filter(None, (redis_server.get(key) for key in redis_server.keys("ussd:*"))))  # type: ignore[union-attr]
    assert b"9173" not in stored
    assert b"712000001" not in stored
    assert jane.session not in stored.decode()


# 8. Every screen fits (all of them, at their longest, in tests/conversations/test_map.py).


def test_a_list_is_paged_with_more_back_and_home(phone: Handset) -> None:
    jane = phone(JANE).dials().chooses("Balance and statement").types("2580").sees("Balance KES 10,000", "9 More")
    jane.types("9").sees("0 Back 99 Home").types("0").sees("Balance KES 10,000").types("99").sees("Mlango: Jane")


def test_other_networks_have_other_limits(make_door: Callable[..., OverWsgi]) -> None:
    network = make_door(page_septets={"63903": 184})
    roomy = Phone(network, JANE, network_code="63903", limit=184).dials().types("4", "2580")
    tight = Phone(network, JANE).dials().types("4", "2580")
    assert septets(tight.page) <= 160 < septets(roomy.page) <= 184


def test_a_wrong_answer_asks_again_with_a_reason(phone: Handset) -> None:
    jane = phone(JANE).dials().types("7").sees("Pick a number from the list", "1 Send money")
    jane.types("1abc").sees("Pick a number").types("1", "abc").sees("Not a mobile number")
    jane.types("0712000002")
    for amount in ("inf", "1e3", "1abc", "-5", "0.00", "nan", "1.234"):
        jane.types(amount).sees("Not an amount", "Enter amount")
    jane.types("99999").sees("The most at once is KES 70,000")


# 9. A hop answers fast or says so.


def test_money_that_takes_too_long_is_promised_by_sms(make_door: Callable[..., OverWsgi], town: Town) -> None:
    jane = _at_the_pin(Phone(make_door(budget_seconds=0.2), JANE))
    town.slow_seconds = 0.6
    began = time.monotonic()
    jane.types("2580").sees("We are working on it. You will get an SMS").hears_goodbye()
    assert time.monotonic() - began < 0.5
    assert len(town.promised) == 1
    time.sleep(0.7)
    town.slow_seconds = 0
    jane.again().sees("Sent KES 500")
    assert [effect[0] for effect in town.effects] == ["send"]
    assert town.told == []


def test_a_late_refusal_is_told_by_sms(make_door: Callable[..., OverWsgi], town: Town) -> None:
    jane = _at_the_pin(Phone(make_door(budget_seconds=0.2), JANE), "20,000")
    town.slow_seconds = 0.5
    jane.types("2580").sees("You will get an SMS")
    time.sleep(0.6)
    assert len(town.told) == 1
    assert "Not enough money" in town.told[0]


def test_a_slow_dial_says_that_no_money_moved(make_door: Callable[..., OverWsgi], town: Town) -> None:
    town.slow_seconds = 0.5
    Phone(make_door(budget_seconds=0.1), JANE).dials().sees("No money moved").hears_goodbye()
    assert town.promised == []


def test_a_database_that_is_away_is_told_politely(phone: Handset, town: Town, counted: Counted) -> None:
    town.away = True
    phone(JANE).dials().sees("No money moved").hears_goodbye()
    town.away = False
    phone(JANE).dials().sees("Mlango: Jane")
    jane = _at_the_pin(phone(JANE))
    town.away = True
    jane.types("2580").sees("You will get an SMS", "Do not pay again").hears_goodbye()
    assert len(town.promised) == 1
    assert counted.outcomes[-1] == "late"


def test_what_nobody_expected_is_told_politely_and_recorded(phone: Handset, town: Town, counted: Counted) -> None:
    town.breaks = True
    phone(JANE).dials().sees("No money moved").hears_goodbye()
    town.breaks = False
    jane = _at_the_pin(phone(JANE))
    town.breaks = True
    jane.types("2580").sees("You will get an SMS").hears_goodbye()
    assert (counted.outcomes[-1], len(town.promised)) == ("late", 1)
    town.breaks = False
    assert jane.again().page == jane.page
    assert [effect[0] for effect in town.effects] == []


def test_a_session_of_other_menus_starts_again(phone: Handset, redis_server: redis.Redis) -> None:
    jane = phone(JANE).dials().chooses("Send money")
    key = f"ussd:session:{jane.session}"
    record = orjson.loads(redis_server.get(key))  # type: ignore[arg-type]
    record[6] = {"another": "version"}
    redis_server.set(key, orjson.dumps(record))
    jane.types("0712000002").sees("Mlango: Jane")
