"""The canary: every flow with marked PINs, codes, numbers and keys, and then a search of everything that remembers.

Logs are taken unmasked at DEBUG: the masking is the last defence, and must have nothing to do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
import structlog
from sqlalchemy.exc import IntegrityError

from gateway.promises import Promises
from gateway.schema_command import prepare_database
from gateway.services import otps
from gateway.settings import Settings
from integrations.africastalking.simulator import Options as SmsOptions
from integrations.flutterwave.simulator import Options as FlutterwaveOptions
from integrations.mpesa.options import Options as MpesaOptions
from integrations.simulators import Options, serve
from tests.api.client import Program
from tests.canary import (
    CODE,
    INVITED,
    KEYS,
    MEMBER,
    MOTHER,
    NEW_PIN,
    PIN,
    SENDER,
    STRANGER,
    WEAK_PIN,
    WRONG_PIN,
    Ears,
    Marks,
    Recorder,
    all_of_redis,
)
from tests.canary_money import MoneyWalk
from tests.conftest import ENCRYPTION_KEY
from tests.conversations.test_flows import _cut_off
from tests.house import House
from tests.phone import Phone

TOKEN = "0123456789abcdef"


@pytest.fixture
def ears() -> Iterator[Ears]:
    ears, root = Ears(), logging.getLogger()
    level, before = root.level, structlog.get_config()
    named = {name: logging.getLogger(name) for name in ("sqlalchemy.engine", "procrastinate", "urllib3", "psycopg")}
    levels = {name: logger.level for name, logger in named.items()}
    root.addHandler(ears)
    root.setLevel(logging.DEBUG)
    for logger in named.values():
        logger.setLevel(logging.DEBUG)
    structlog.configure(processors=[ears.structured], cache_logger_on_first_use=False)
    yield ears
    structlog.configure(**before)
    root.removeHandler(ears)
    root.setLevel(level)
    for name, logger in named.items():
        logger.setLevel(levels[name])


@pytest.fixture
def house(
    make_database: Callable[[], str], redis_url: str, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> Iterator[House]:
    url = make_database()
    prepare_database(url, ENCRYPTION_KEY)
    monkeypatch.setattr(otps.secrets, "randbelow", lambda _: int(CODE))
    rails = {"mpesa": MpesaOptions(answer_seconds=0), "flutterwave": FlutterwaveOptions(webhook_seconds=0)}
    options = Options(sms=SmsOptions(report_seconds=0), rails=rails)
    shared = {name.upper(): value for name, value in KEYS.items()} | {"CALLBACK_TOKEN": TOKEN}
    with serve(options=options, environ=shared) as simulators:
        settings = Settings(
            app_env="test",
            database_url=url,
            redis_url=redis_url,
            encryption_key=ENCRYPTION_KEY,
            callback_token=TOKEN,
            push_delay_seconds=0,
            ussd_budget_seconds=8,
            card_rail="flutterwave",
            at_username="mlango",
            at_base_url=f"{simulators.url}/at",
            **{f"{rail}_base_url": f"{simulators.url}/{rail}" for rail in ("mpesa", "flutterwave", "stripe")},
            **KEYS,
        )
        gateway = House(settings, simulators)
        yield gateway
        gateway.close()


def test_pins_codes_and_full_numbers_are_nowhere(
    house: House, ears: Ears, redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[str] = []
    held: dict[str, str] = {}
    _every_flow(house, answers, held, redis_server, monkeypatch)
    assert Marks(*KEYS.values()).everywhere(house, ears, answers, redis_server) == []
    assert len(ears.heard) > 200, "the ears were open"
    assert held["sealed"].startswith("gAAAA"), "an unsent code is sealed"
    assert _wiped(house), "a sent code is wiped"


def test_no_way_of_money_leaves_a_number_or_a_key_behind(
    house: House, ears: Ears, redis_server: redis.Redis, tmp_path: Path
) -> None:
    answers: list[str] = []
    walk = MoneyWalk(house, answers)
    walk.walk(tmp_path)
    marks = Marks(*KEYS.values(), walk.key, walk.credential)
    assert marks.everywhere(house, ears, answers, redis_server) == []
    assert len(ears.heard) > 200, "the ears were open"
    assert house.books_are_right()


def test_the_canary_would_sing(house: House, ears: Ears, redis_server: redis.Redis) -> None:
    """Each place it looks into is really looked into."""
    structlog.get_logger().info("forgotten", typed=PIN)
    logging.getLogger("somebody").debug("called %s", "+254719283746")
    logging.getLogger("somebody").warning("%s", {"SecurityCredential": KEYS["mpesa_initiator_password"]})
    redis_server.set("canary", CODE, ex=5)
    with house.parts.db.transaction() as session:
        session.connection().exec_driver_sql(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('x', 'y', %s)",
            (f'{{"pin": "{PIN}"}}',),
        )
    marks = Marks(*KEYS.values())
    assert len(marks.found("log", ears.heard)) >= 3
    assert marks.found("redis", all_of_redis(redis_server))
    assert any("procrastinate_jobs" in line for line in marks.in_tables(house))
    redis_server.delete("canary")


def _every_flow(
    house: House,
    answers: list[str],
    held: dict[str, str],
    redis_server: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def phone(number: str) -> Phone:
        return Phone(Recorder(house.app, answers), "+254" + number[1:])

    phone(SENDER).dials().types("1", "1", "Jane Mwangi", WEAK_PIN, PIN, WRONG_PIN, PIN).sees("Welcome")
    phone(MEMBER).dials().types("3", "2", "1", "1", "Juma Ali", PIN, PIN).sees("Karibu")
    for number, code in ((SENDER, "0"), (SENDER, "1032"), (SENDER, "2001")):
        phone(number).dials().types("2", "2,000").hears_goodbye()
        house.pays(number, code)
    caller = phone(SENDER).dials().types("1", MEMBER, "500").types(WRONG_PIN).sees("Wrong PIN")
    caller.types(PIN).sees("Sent KES 500")
    caller.again()
    phone(SENDER).dials().types("1", "+254 727 364 518", "300", PIN).sees("Sent KES 300")
    phone(SENDER).dials().types("4", PIN, "1").hears_goodbye()
    phone(SENDER).dials().types("5", "2", PIN, NEW_PIN, NEW_PIN).sees("changed")
    phone(SENDER).dials().types("5", "3", "1").sees("frozen")
    phone(SENDER).dials().types("3", NEW_PIN).sees("Send money")
    phone(SENDER).dials().types("5", "4", INVITED).hears_goodbye()

    phone(SENDER).dials().chooses("My account").chooses("Credits").types("2", MEMBER, NEW_PIN).sees("no credits left")
    program = Program(house.app, house.parts.api_keys.create("shop").secret)
    asked = program.posts("/payments", {"to": SENDER, "phone": MOTHER, "amount_minor": 500, "currency": "KES"})
    assert asked.status_code == 202
    answers += [asked.text, program.gets(f"/payments/{asked.get_json()['reference']}").text]
    answers.append(program.posts("/payments", {"to": f"{MEMBER}x", "amount_minor": 500, "currency": "KES"}).text)
    house.pays(MOTHER, "1032")

    # A code to another phone: wrong, right; seen while it waits to be sent.
    caller = phone(SENDER).dials().types("5", "5", MEMBER).sees("6-digit code")
    held["sealed"] = _newest_sealed(house)
    house.work()
    caller.types("640983").sees("Wrong code").types(CODE).sees("PIN").types(PIN).sees("Juma")
    phone(STRANGER).dials().types("1", "2", MOTHER).types(CODE, "Mama Jane", PIN, PIN).sees("Welcome")
    house.work()

    # Dropped at the PIN, gone on with, and told of by the network, with everything that was typed.
    caller = phone(SENDER).dials().types("1", MEMBER, "50").sees("Enter PIN")
    _cut_off(house, caller, input=f"1*{MEMBER}*50*{NEW_PIN}", errorMessage="dropped")
    phone(SENDER).dials().types("1", NEW_PIN).sees("Sent KES 50")

    # Redis loses everything in the middle: the transcript is walked again.
    caller = phone(SENDER).dials().types("1", MEMBER, "60").sees("Enter PIN")
    redis_server.flushdb()
    caller.types(NEW_PIN).sees("Sent KES 60")

    # Three wrong PINs; a long code with the PIN in it; another phone on the session; a body that is no form.
    caller = phone(MEMBER).dials().types("4")
    caller.types(WRONG_PIN, WRONG_PIN, WRONG_PIN).hears_goodbye()
    phone(SENDER).dials(f"1*{MEMBER}*70*{NEW_PIN}")
    caller = phone(SENDER).dials()
    thief = phone(STRANGER)
    thief.session, thief.text = caller.session, f"1*{MEMBER}*5*{NEW_PIN}"
    thief.again()
    for body in (f"text={PIN}&phoneNumber=%2B254719283746", f"sessionId=x&text={PIN}&phoneNumber=0", "%ff" + PIN):
        Recorder(house.app, answers).post("/ussd", body, {})

    # The code breaks, and the database refuses, while a PIN is in the caller's hand.
    _breaks_at_the_pin(house, phone, monkeypatch)
    _refused_by_the_database(house)
    for path in ("/ussd/events", "/sms/delivery", "/hooks/0123456789abcdef/stk", "/sms/delivery/0123456789abcdef"):
        Recorder(house.app, answers).post(path, f"phoneNumber=%2B254719283746&id=x&input={PIN}&text={PIN}", {})
    house.work()


def _breaks_at_the_pin(house: House, phone: Callable[[str], Phone], monkeypatch: pytest.MonkeyPatch) -> None:
    caller = phone(SENDER).dials().types("1", MEMBER, "80").sees("Enter PIN")

    def breaks(*asked: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(type(house.parts.transfers), "send", breaks)
        caller.types(NEW_PIN).hears_goodbye()
    parts = house.parts
    later = Promises(
        redis.Redis.from_url(parts.settings.redis_url),
        parts.db,
        parts.vault,
        parts.messages,
        parts.transfers,
        parts.payments,
        parts.payouts,
        parts.credits,
        parts.texts,
        shortcode="*384*123#",
        now=lambda: 4_000_000_000.0,
    )
    assert later.keep() == 1


def _refused_by_the_database(house: House) -> None:
    with pytest.raises(IntegrityError), house.parts.db.transaction() as session:
        session.connection().exec_driver_sql("INSERT INTO vault VALUES (%s, %s), (%s, 'x')", (PIN, "x", PIN))


def _newest_sealed(house: House) -> str:
    with house.parts.db.reading() as connection:
        row = connection.exec_driver_sql(
            "SELECT body, body_sealed FROM messages WHERE kind = 'otp' ORDER BY id DESC LIMIT 1"
        ).one()
    assert row[0] is None
    return str(row[1])


def _wiped(house: House) -> bool:
    with house.parts.db.reading() as connection:
        left = connection.exec_driver_sql("SELECT count(*) FROM messages WHERE body_sealed IS NOT NULL").scalar_one()
    return left == 0
