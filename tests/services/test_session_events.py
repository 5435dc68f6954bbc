"""Ended sessions: kept once, never with what was typed, and one SMS that says how to finish."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import text

from gateway.db import Database
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.models.ussd_sessions import UssdSession
from gateway.services.messages import Messages
from gateway.services.session_events import PendingPayment, SessionEvents
from gateway.vault import Vault
from gateway.web.events import events_blueprint
from integrations.africastalking.callbacks import read_session_ended
from tests.conftest import Clock
from tests.services.payments.world import NoSms, World
from ussd_menus.texts import load_texts

PIN = "73519"


@dataclass
class Line:
    """One caller whose session ends, over the provider's own address."""

    world: World
    pending: PendingPayment | None = None
    opted_out: bool = False
    asked: list[Phone] = field(default_factory=list)

    def __post_init__(self) -> None:
        world = self.world
        messages = Messages(world.db, world.vault, NoSms(), world.clock)
        self.events = SessionEvents(
            world.db, world.vault, messages, load_texts(), "*384*123#", world.clock, self.look, self.may_remind
        )
        app = Flask(__name__)
        app.register_blueprint(events_blueprint(self.events, read_session_ended))
        self.client = app.test_client()

    def look(self, phone: Phone) -> PendingPayment | None:
        self.asked.append(phone)
        return self.pending

    def may_remind(self, phone: Phone) -> bool:
        return not self.opted_out

    def ends(self, session_id: str = "", **changes: str) -> str:
        """The provider tells that a session ended; returns its id."""
        session_id = session_id or f"ATUid_{secrets.token_hex(8)}"
        form = {
            "date": "2026-11-20 08:15:30",
            "sessionId": session_id,
            "serviceCode": "*384*123#",
            "networkCode": "63902",
            "phoneNumber": self.world.phone.e164,
            "status": "Success",
            "cost": "KES 0.80",
            "durationInMillis": "41500",
            "hopsCount": "5",
            "hopsMetadata": "home;en|send.phone;en|send.amount;en|send.confirm;en|send.done;en",
            "input": f"1*0712345678*500*{PIN}",
            "lastAppResponse": "END Sent",
        }
        assert self.client.post("/ussd/events", data=form | changes).status_code == 200
        return session_id

    def row(self, session_id: str) -> UssdSession:
        with self.world.db.transaction() as session:
            return session.get_one(UssdSession, session_id)

    def sms(self) -> list[tuple[str, str]]:
        query = text("""SELECT m.kind, m.body FROM messages m JOIN accounts a ON a.id = m.account_id
                        WHERE a.number = :n ORDER BY m.id""")
        with self.world.db.reading() as connection:
            return [tuple(row) for row in connection.execute(query, {"n": self.world.number})]


@pytest.fixture
def line(db: Database, vault: Vault, clock: Clock) -> Line:
    return Line(World(db, vault, clock))


SENDING = PendingPayment(Money.major(500), "en")


def test_an_ended_session_is_kept_with_cost_hops_seconds_and_screens(line: Line) -> None:
    row = line.row(line.ends())
    assert (row.status, row.network_code, row.hops, row.duration_ms) == ("Success", "63902", 5, 41_500)
    assert (row.cost_micros, row.last_screen, row.language) == (800_000, "send.done", "en")
    assert row.screens == ["home", "send.phone", "send.amount", "send.confirm", "send.done"]
    assert row.ended_at == datetime(2026, 11, 20, 8, 15, 30, tzinfo=UTC)
    assert row.account_id is not None


def test_what_was_typed_is_nowhere(line: Line) -> None:
    assert PIN not in repr(vars(line.row(line.ends(status="Incomplete"))))


def test_the_same_event_twice_is_one_row(line: Line) -> None:
    session_id = line.ends()
    line.ends(session_id, status="Failed")
    assert line.row(session_id).status == "Success"


def test_a_caller_without_an_account_is_kept_too(line: Line) -> None:
    assert line.row(line.ends(phoneNumber="+254711000001")).account_id is None
    assert line.row(line.ends(phoneNumber="hidden")).account_id is None


@pytest.mark.parametrize(
    "odd",
    [
        {"cost": ""},
        {"cost": "free"},
        {"cost": "KES NaN"},
        {"cost": "1e99"},
        {"hopsCount": "9" * 40},
        {"hopsCount": "-1"},
        {"durationInMillis": "soon"},
        {"date": "yesterday"},
        {"hopsMetadata": ""},
        {"hopsMetadata": "|;|x"},
        {"hopsMetadata": "a;en|" * 5000},
        {"networkCode": "00000"},
        {"errorMessage": "x" * 10_000},
        {"errorMessage": "nul\x00"},
        {"sessionId": "\x00"},
        {"sessionId": ""},
        {"status": "Surprise"},
    ],
)
def test_odd_values_are_answered_200(line: Line, odd: dict[str, str]) -> None:
    line.ends(**odd)


def test_garbage_is_answered_200(line: Line) -> None:
    assert line.client.post("/ussd/events", data=b"\x00\xff=%zz&&&=").status_code == 200
    assert line.client.post("/ussd/events").status_code == 200


def test_an_event_that_cannot_be_stored_is_answered_503(line: Line, vault: Vault, clock: Clock) -> None:
    line.events._db = Database("postgresql://postgres@127.0.0.1:1/nowhere")
    form = {"sessionId": "s", "status": "Success"}
    assert line.client.post("/ussd/events", data=form).status_code == 503


def test_dropped_in_the_middle_of_sending_says_how_to_finish(line: Line) -> None:
    line.pending = SENDING
    session_id = line.ends(status="Incomplete")
    ((kind, body),) = line.sms()
    assert kind == "finish_payment"
    assert "KES 500" in body
    assert "*384*123#" in body
    assert line.row(session_id).reminded_at == line.world.clock()


def test_the_reminder_speaks_the_callers_language(line: Line) -> None:
    line.pending = PendingPayment(Money.major(700), "sw")
    line.ends(status="Incomplete")
    ((_, body),) = line.sms()
    assert body.startswith("Ulikuwa unatuma KES 700")


@pytest.mark.parametrize("status", ["Success", "Failed"])
def test_only_a_dropped_session_is_reminded_of(line: Line, status: str) -> None:
    line.pending = SENDING
    line.ends(status=status)
    assert (line.sms(), line.asked) == ([], [])


def test_nothing_left_over_or_opted_out_is_no_sms(line: Line) -> None:
    line.ends(status="Incomplete")
    line.pending, line.opted_out = SENDING, True
    line.ends(status="Incomplete")
    assert line.sms() == []


def test_one_session_reminds_once_and_many_in_ten_minutes_too(line: Line) -> None:
    line.pending = SENDING
    session_id = line.ends(status="Incomplete")
    line.ends(session_id, status="Incomplete")
    line.ends(status="Incomplete")
    assert len(line.sms()) == 1
    line.world.clock.move(minutes=11)
    line.ends(status="Incomplete")
    assert len(line.sms()) == 2


def test_eight_events_at_once_remind_once(line: Line) -> None:
    line.pending = SENDING
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: line.ends(status="Incomplete"), range(8)))
    assert len(line.sms()) == 1


def test_the_funnel_counts_who_saw_a_screen_and_who_stopped_there(line: Line) -> None:
    network, since = f"n{secrets.token_hex(4)}", datetime(2031, 5, 1, tzinfo=UTC)
    told = {"date": "2031-05-01 10:00:00", "networkCode": network}
    line.ends(**told, hopsMetadata="home;en|send.amount;en|home;en|send.amount;en", status="Incomplete", hopsCount="4")
    line.ends(**told, hopsMetadata="home;en", status="Incomplete", cost="0.40", durationInMillis="1000", hopsCount="1")
    line.ends(**told, hopsMetadata="home;en|send.amount;en|send.done;en", cost="1.20", hopsCount="3")
    rows = {row.screen: row for row in line.events.funnel(since, since + timedelta(days=1))}
    home, amount, done = rows["home"], rows["send.amount"], rows["send.done"]
    assert (home.network_code, home.seen, home.ended, home.dropped) == (network, 3, 1, 1)
    assert (home.median_cost, home.median_hops, home.median_seconds) == (Decimal("0.8"), 3, 41.5)
    assert (amount.seen, amount.ended, amount.dropped) == (2, 1, 1)
    assert (done.seen, done.ended, done.dropped) == (1, 1, 0)
    assert not line.events.funnel(since + timedelta(days=1), since + timedelta(days=2))


def test_the_reader_never_looks_at_the_input() -> None:
    class Watched(dict[str, str]):
        def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
            assert key not in ("input", "lastAppResponse")
            return super().get(key, default)

    assert read_session_ended(Watched(sessionId="s", status="Success"))
