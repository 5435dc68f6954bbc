"""Bad days at random: three callers do anything in any order, and the books are right after every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.schema_command import prepare_database
from gateway.services.claims import Claims
from gateway.settings import Settings
from integrations.africastalking.simulator import Options as SmsOptions
from integrations.mpesa.magic import Magic
from integrations.mpesa.prompts import Options as MpesaOptions
from integrations.simulators import Options, serve
from tests.conftest import ENCRYPTION_KEY
from tests.house import PIN, House, eventually
from tests.phone import Phone

#: A person who answers by hand, and those whose M-Pesa has its own ideas.
CALLERS = ["0719000001", "0719000002", "0719000003"]
MAGIC = [
    "0" + magic.e164[4:]
    for magic in (Magic.PAYS_LESS, Magic.PAYS_MORE, Magic.CALLBACK_LOST, Magic.CALLBACK_TWICE, Magic.CALLBACK_EARLY)
]
STRANGERS = ["0719000011", "0719000012", "0719000013"]
FINAL = "^deposit_(confirmed|confirmed_no_receipt|cancelled|no_money|failed|timeout|short)$"


class Day:
    """The callers of one house, and what may happen to them."""

    def __init__(self, house: House, client: redis.Redis) -> None:
        self._house = house
        self._redis = client
        self._last: dict[str, Phone] = {}

    def _home(self, number: str) -> Phone:
        phone = self._house.phone(number).dials()
        if "You were sending" in phone.page:
            phone.chooses("Start again")
        if "Welcome to Mlango" in phone.page:
            phone.types("1", "1", "Jane Mwangi", PIN, PIN).hears_goodbye()
            phone.dials()
        self._last[number] = phone
        return phone

    def _walk(self, phone: Phone, *answers: str) -> None:
        for answer in answers:
            if phone.goes_on:
                phone.types(answer)

    def send(self, who: str, to: str, amount: int) -> None:
        phone = self._home(who)
        if "Send money" in phone.page:
            self._walk(phone.chooses("Send money"), to, str(amount), PIN)

    def drop(self, who: str, to: str, amount: int) -> None:
        phone = self._home(who)
        if "Send money" in phone.page:
            self._walk(phone.chooses("Send money"), to, str(amount))

    def redial(self, who: str, _to: str, _amount: int) -> None:
        phone = self._house.phone(who).dials()
        if "You were sending" in phone.page:
            self._walk(phone, "1")
            if "Enter PIN" in phone.page:
                self._walk(phone, PIN)
        self._last[who] = phone

    def repeat(self, who: str, _to: str, _amount: int) -> None:
        if who in self._last:
            self._last[who].again()

    def wrong_pin(self, who: str, to: str, amount: int) -> None:
        phone = self._home(who)
        if "Send money" in phone.page:
            self._walk(phone.chooses("Send money"), to, str(amount), "1111", PIN)

    def freeze(self, who: str, _to: str, _amount: int) -> None:
        phone = self._home(who)
        if "Open my account again" in phone.page:
            self._walk(phone.chooses("Open my account again"), PIN)
        else:
            self._walk(phone.chooses("My account").chooses("Freeze my account"), "1")

    def deposit(self, who: str, _to: str, amount: int) -> None:
        self._walk(self._home(who).chooses("Deposit"), str(amount))
        self._house.work()

    def answers(self, _who: str, _to: str, amount: int) -> None:
        code = ("0", "0", "1032", "2001", "1037")[amount % 5]
        for prompt in self._house.simulators.mpesa.prompts.open():
            self._house.simulators.mpesa.prompts.answer(prompt.checkout_id, code)
        self._house.work()

    def add_what_came_short(self, who: str, _to: str, _amount: int) -> None:
        phone = self._home(who)
        if "Add it to my wallet" in phone.page:
            phone.chooses("Add it to my wallet")

    def ask_the_rail(self, *_: object) -> None:
        for payment_id, checks in self._open():
            self._house.parts.payments.ask(payment_id, checks)

    def forget(self, *_: object) -> None:
        self._redis.flushdb()

    def a_week_later(self, *_: object) -> None:
        parts = self._house.parts
        Claims(
            parts.db,
            parts.ledger,
            parts.vault,
            parts.texts,
            lambda: parts.clock() + timedelta(days=8),
            shortcode="*384*123#",
            days=7,
        ).settle_due()

    def settle(self) -> None:
        """Every prompt is answered, every payment asked about, until nothing is open."""

        def nothing_open() -> bool:
            self.answers("", "", 0)
            self.ask_the_rail()
            return not self._open()

        eventually(nothing_open, 20)
        self._house.work()

    def _open(self) -> list[tuple[int, int]]:
        with self._house.parts.db.reading() as connection:
            rows = connection.exec_driver_sql(
                "SELECT id, checks FROM payments WHERE state IN ('requested', 'prompted', 'unknown')"
            )
            return [(row[0], row[1]) for row in rows]


@pytest.fixture(scope="module")
def day(make_database: Callable[[], str], redis_url: str) -> Iterator[tuple[Day, House]]:
    url = make_database()
    prepare_database(url, ENCRYPTION_KEY)
    environment = Settings(
        app_env="test",
        database_url=url,
        redis_url=redis_url,
        encryption_key=ENCRYPTION_KEY,
        push_delay_seconds=0,
        ussd_budget_seconds=8,
        limit_per_day={"basic": 100_000_000, "verified": 100_000_000, "cooling": 100_000_000},
    )
    options = Options(
        sms=SmsOptions(report_seconds=0),
        rails={"mpesa": MpesaOptions(answer_seconds=0, opening_balance=1_000_000)},
    )
    with serve(options=options) as simulators:
        house = House(environment, simulators)
        yield Day(house, redis.Redis.from_url(redis_url)), house
        house.close()


STEPS = st.tuples(
    st.sampled_from(
        [
            *(["send"] * 4),
            *(["deposit"] * 3),
            *(["answers"] * 2),
            "drop",
            "redial",
            "repeat",
            "wrong_pin",
            "freeze",
            "add_what_came_short",
            "ask_the_rail",
            "forget",
            "a_week_later",
        ]
    ),
    st.sampled_from(CALLERS + MAGIC),
    st.sampled_from(CALLERS + STRANGERS + MAGIC[:1]),
    st.integers(1, 3_000),
)


@pytest.mark.slow
@pytest.mark.timeout(180)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    report_multiple_bugs=False,
)
@given(steps=st.lists(STEPS, min_size=12, max_size=30))
def test_whatever_callers_do_the_books_are_right_and_agree_with_m_pesa(
    day: tuple[Day, House], steps: list[tuple[str, str, str, int]]
) -> None:
    life, house = day
    for what, who, to, amount in steps:
        getattr(life, what)(who, to, amount)
        assert house.books_are_right(), (what, who, to, amount)
    life.settle()
    assert house.books_are_right()
    _agrees_with_m_pesa(house)
    _is_told_once(house)


def _agrees_with_m_pesa(house: House) -> None:
    with house.parts.db.reading() as connection:
        rows = connection.exec_driver_sql(
            "SELECT split_part(a.code, ':', 1), sum(CASE WHEN a.class = 'asset' THEN t.debits - t.credits"
            " ELSE t.credits - t.debits END)::bigint, min(t.credits - t.debits)::bigint"
            " FROM ledger_accounts a CROSS JOIN LATERAL ledger_totals(a.id) t GROUP BY 1"
        ).all()
        waiting = connection.exec_driver_sql("SELECT coalesce(sum(waiting_minor), 0) FROM payments").scalar_one()
        held = connection.exec_driver_sql(
            "SELECT coalesce(sum(amount_minor + fee_minor), 0) FROM claims WHERE state = 'waiting'"
        ).scalar_one()
    total = {kind: amount for kind, amount, _ in rows}
    assert total["float"] == house.simulators.mpesa.prompts.books.organisation * 100
    assert total["float"] == sum(amount for kind, amount in total.items() if kind != "float")
    assert total["suspense"] == waiting
    assert total.get("claim", 0) == held
    assert all(least >= 0 for kind, _, least in rows if kind in ("wallet", "claim", "suspense"))


def _is_told_once(house: House) -> None:
    """A deposit ends with one SMS; ``not confirmed yet`` may come before it."""
    with house.parts.db.reading() as connection:
        told = connection.exec_driver_sql(
            "SELECT p.reference, p.state, count(m.id) FROM payments p LEFT JOIN messages m"
            " ON m.reference = p.reference AND m.kind ~ %s GROUP BY 1, 2 HAVING count(m.id) <> 1",
            (FINAL,),
        ).all()
        lost = connection.exec_driver_sql(
            "SELECT count(*) FROM messages WHERE state = 'queued' AND attempts = 0 AND next_attempt_at < now()"
        ).scalar_one()
    assert told == []
    assert lost == 0
