"""Everybody but the process that dies: phones, the rail, the network between, and the processes that live on."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import redis
import requests
from werkzeug.test import Client

from gateway.app import create_app
from gateway.domain.phone import parse_phone
from gateway.services.report_callbacks import SMS_REPORT
from gateway.settings import Settings
from integrations.mpesa.simulator import MpesaSimulator
from integrations.simulators import Simulators
from tests.house import PIN
from tests.phone import OverWsgi, Phone
from tests.resilience.crash.nursery import Fate, Nursery
from tests.resilience.crash.office import Letter, Office
from tests.resilience.crash.scenes import JANE, JOHN, Json, Scene
from tests.resilience.hands import Hands
from tests.resilience.person import Person

#: How time goes on after somebody died: every question is asked by then, every lease has run out.
_STEPS = [timedelta(minutes=minutes) for minutes in (0, 1, 4, 10, 30, 60, 180, 25 * 60)]
#: Whose table tells by its ids what is new.
_COUNTED = ("payments", "payouts", "arrivals", "claims", "messages", "ledger_transfers")
#: Chores that are about no one's money on its way.
_NOT_HERE = frozenset({"checkpoint", "reconcile", "look_for_alarms", "forget_requests", "ask_balances"})
_HELD_BY = """
    SELECT (t.debits - t.credits)::bigint FROM ledger_accounts a CROSS JOIN LATERAL ledger_totals(a.id) t
    WHERE a.code = %s
"""


def soon(true: Callable[[], object], seconds: float = 10) -> None:
    """Wait for something that happens at once; there are thousands of these."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.002)


class Town:
    """One database, one rail, one network. ``person.about`` is what had to be decided by hand in this scene."""

    def __init__(self, settings: Settings, simulators: Simulators, office: Office) -> None:
        settings = settings.model_copy(update={"simulators_url": simulators.url, "public_url": office.url})
        simulators.gateway.url = office.url
        self._simulators = simulators
        self._fate: dict[str, str | None] = {}
        simulators.mpesa.options.fate = lambda event: self._fate.pop(event, None)
        self._office = office
        self._ahead = timedelta()
        self._app = create_app(settings, clock=self._now)
        self._parts = self._app.extensions["mlango"]
        self._hands = Hands(self._parts, self._now)
        self._redis = redis.Redis.from_url(settings.redis_url)
        self._strangers: Iterator[str] = (f"07192{number:05d}" for number in itertools.count())
        self._nursery = Nursery(settings, office.url)
        self.person = Person(self._parts, "mpesa")
        self._open()

    def close(self) -> None:
        self._nursery.close()
        self._hands.close()
        self._parts.close()

    def lives(self, scene: Scene, fatal: int) -> tuple[Json, Fate]:
        """One scene with one death; everybody else goes on until all is calm."""
        self._office.clear()
        self.person.about.clear()
        facts = scene.prepare(self)
        fate = self._nursery.live(scene.name, facts, fatal)
        assert not fate.trouble, fate.trouble
        soon(lambda: not self.rows("SELECT FROM pg_stat_activity WHERE application_name = %s", f"crash {fate.pid}"))
        self._hands.take_over()
        self._office.deliver(self._post)
        return facts, fate

    def calm(self) -> None:
        """Time goes on until nothing is open."""
        for step in _STEPS:
            self._ahead = step
            self._hands.chores(_NOT_HERE)
            self._hands.work()
            soon(lambda: self._simulators.later.quiet)
            self._office.deliver(self._post)
            self._hands.work()
            if not self.open():
                break
        if self.open() or self._held() != self._rail.books.organisation * 100:
            self._ahead = _STEPS[-1]
            self.person.decides()
            self._hands.work()
        self._ahead = timedelta()
        assert self._hands.failed == []
        assert self.open() == []

    def again(self, facts: Json) -> None:
        """The confirmation comes once more, and so does everything the rail has sent."""
        if facts.get("typed"):
            self._confirms_again(facts)
        self.calm()
        self._office.deliver(self._post, again=True)
        self.calm()

    def _confirms_again(self, facts: Json) -> None:
        self._redis.delete(f"ussd:lock:{facts['session']}")
        phone = self.phone(facts["phone"])
        phone.session, phone.text, phone.page = facts["session"], facts["text"], "CON "
        phone.types(facts["typed"])

    def open(self) -> list[str]:
        """What is not over: money on its way, jobs, SMS, bodies."""
        queries = {
            "payment": "SELECT reference FROM payments WHERE state IN ('requested', 'prompted', 'unknown')",
            "payout": "SELECT reference FROM payouts WHERE state IN ('held', 'submitted', 'unknown')",
            "arrival": "SELECT id FROM arrivals WHERE state = 'asking'",
            "sms": "SELECT kind FROM messages WHERE state IN ('queued', 'sending')",
            # A report on an SMS whose number at the provider died with its sender matches nothing, ever.
            "body": f"SELECT source FROM inbox WHERE state IN ('received', 'unmatched') AND source <> '{SMS_REPORT}'",
        }
        found = [f"{what} {row[0]}" for what, sql in queries.items() for row in self.rows(sql)]
        return found + self._hands.waiting()

    def books_are_right(self) -> None:
        with self._parts.db.hot() as cursor:
            assert not any(self._parts.ledger.check(cursor).values()), self._parts.ledger.check(cursor)
        assert self._held() == self._rail.books.organisation * 100, "we have what the rail has"

    def dials(self, number: str) -> Phone:
        phone = self.phone(number).dials()
        return phone.chooses("Start again") if "Start again" in phone.page else phone

    def phone(self, number: str) -> Phone:
        return Phone(OverWsgi(self._app), parse_phone(number).e164)

    def stranger(self) -> str:
        return next(self._strangers)

    def fate(self, event: str, name: str | None) -> None:
        """What becomes of the next request of its kind: the name of a magic number."""
        self._fate[event] = name

    def before(self, phone: Phone, typed: str) -> Json:
        """How far a call has come, and where every table ends."""
        soon(lambda: self._kept(phone))
        call = {"phone": phone.number, "session": phone.session, "text": phone.text, "typed": typed}
        return call | self.now()

    def now(self) -> Json:
        """Where every table ends."""
        newest = {each: self.rows(f"SELECT coalesce(max(id), 0) FROM {each}")[0][0] for each in _COUNTED}
        sent = {"receipts": len(self._receipts), "prompts": len(self._prompts), "sms": len(self._texts)}
        return sent | newest | {"transfers": newest["ledger_transfers"]}

    def _kept(self, phone: Phone) -> bool:
        """The hop before is remembered: nobody waits for that, and the next one comes from another process at once."""
        raw: Any = self._redis.get(f"ussd:session:{phone.session}")
        return raw is not None and orjson.loads(raw)[1] == len(phone.text)

    def wallet(self, number: str) -> int:
        """Shillings; none for who has no account."""
        member = self._parts.accounts.by_phone(parse_phone(number))
        return self._parts.statements.balance(member.number).whole_units if member else 0

    def receipts(self, number: str, facts: Json) -> list[int]:
        """The shillings a phone has paid since (negative: was paid), by the rail's own books."""
        phone = parse_phone(number).e164
        return [each.amount for each in self._receipts[facts["receipts"] :] if each.phone == phone]

    def pays_paybill(self, number: str, account: str, shillings: int) -> None:
        """Somebody pays without being asked; the rail tells it to the office."""
        told = {"phone": number, "amount": shillings, "account": account}
        answer = requests.post(f"{self._simulators.url}/control/mpesa/paybill", json=told, timeout=5).json()
        assert answer["code"] == "0", answer

    def account(self, number: str) -> str:
        member = self._parts.accounts.by_phone(parse_phone(number))
        assert member is not None
        return str(member.number)

    def suspense(self) -> int:
        """Shillings that nobody's wallet has."""
        rows = self.rows(_HELD_BY, "suspense:mpesa")
        return -rows[0][0] // 100 if rows else 0

    def prompted(self, number: str, facts: Json) -> int:
        phone = parse_phone(number).e164
        return sum(each.phone == phone for each in self._prompts[facts["prompts"] :])

    def told(self, facts: Json) -> list[tuple[str, str]]:
        """Kind and reference of every SMS since; each has reached its phone."""
        rows = self.rows(
            "SELECT kind, reference, state, body FROM messages WHERE id > %s ORDER BY id", facts["messages"]
        )
        texts = self._texts[facts["sms"] :]
        for kind, _, state, body in rows:
            assert state in ("sent", "delivered"), (kind, state)
            assert body is None or texts.count(body) >= 1, (kind, "never arrived")
        return [(kind, reference) for kind, reference, _, _ in rows]

    def repeated(self, facts: Json) -> list[str]:
        """Texts that arrived more than once."""
        texts = self._texts[facts["sms"] :]
        return [text for text in set(texts) if texts.count(text) > 1]

    def rows(self, sql: str, *values: object) -> list[Any]:
        with self._parts.db.reading() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql, tuple(values)).all()]

    def _post(self, letter: Letter) -> None:
        said = Client(self._app).post(letter.path, data=letter.body, content_type=letter.kind)
        assert said.status_code == 200, letter.path

    def _held(self) -> int:
        return int(self.rows(_HELD_BY, "float:mpesa")[0][0])

    @property
    def _rail(self) -> MpesaSimulator:
        return self._simulators.mpesa

    @property
    def _receipts(self) -> list[Any]:
        return self._rail.books.receipts

    @property
    def _prompts(self) -> list[Any]:
        return list(self._rail.prompts._all.values())

    @property
    def _texts(self) -> list[str]:
        return [message.text for message in self._simulators.sms.messages]

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def _open(self) -> None:
        """Jane has money, John has an account."""
        for number, name in ((JANE, "Jane Mwangi"), (JOHN, "John Otieno")):
            self.phone(number).dials().types("1", "1", name, PIN, PIN).hears_goodbye()
        self.dials(JANE).chooses("Deposit").types("250000").hears_goodbye()
        self._hands.work()
        soon(lambda: any(each.path.startswith("/hooks/") for each in self._office.letters))
        self.calm()
        soon(lambda: self.wallet(JANE) == 250_000)


Once = Callable[[], None]
