"""Everybody but the process that dies: phones, the rail, the network between, and the processes that live on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import redis
from werkzeug.test import Client

from gateway.app import create_app
from gateway.domain.money import Money
from gateway.domain.phone import parse_phone
from gateway.services.payment_results import Source
from gateway.services.report_callbacks import SMS_REPORT
from gateway.settings import Settings
from integrations.mpesa.magic import Magic
from integrations.protocols import PaymentResult, PaymentVerdict
from integrations.simulators import Simulators
from tests.house import PIN, eventually
from tests.phone import OverWsgi, Phone
from tests.resilience.crash.nursery import Fate, Nursery
from tests.resilience.crash.office import Letter, Office
from tests.resilience.crash.scenes import JANE, JOHN, Json, Scene
from tests.resilience.hands import Hands

#: How time goes on after somebody died: every question is asked by then, every lease has run out.
_STEPS = [timedelta(minutes=minutes) for minutes in (0, 1, 4, 10, 30, 60, 180, 25 * 60)]
#: Whose table tells by its ids what is new.
_COUNTED = ("payments", "claims", "messages", "ledger_transfers")


class Town:
    """One database, one rail, one network. ``looked_at`` are the payments a person had to decide in this scene."""

    def __init__(self, settings: Settings, simulators: Simulators, office: Office) -> None:
        settings = settings.model_copy(update={"simulators_url": simulators.url, "public_url": office.url})
        simulators.gateway.url = office.url
        self._simulators = simulators
        self._office = office
        self._ahead = timedelta()
        self._app = create_app(settings, clock=self._now)
        self._parts = self._app.extensions["mlango"]
        self._hands = Hands(self._parts, self._now)
        self._redis = redis.Redis.from_url(settings.redis_url)
        self._strangers: Iterator[str] = (f"07192{number:05d}" for number in itertools.count())
        self._nursery = Nursery(settings, office.url)
        self.looked_at: list[str] = []
        self._open()

    def close(self) -> None:
        self._nursery.close()
        self._hands.close()
        self._parts.close()

    def lives(self, scene: Scene, fatal: int) -> tuple[Json, Fate]:
        """One scene with one death; everybody else goes on until all is calm."""
        self._office.clear()
        self.looked_at.clear()
        facts = scene.prepare(self)
        fate = self._nursery.live(scene.name, facts, fatal)
        assert not fate.trouble, fate.trouble
        eventually(
            lambda: not self.rows("SELECT FROM pg_stat_activity WHERE application_name = %s", f"crash {fate.pid}")
        )
        self._hands.take_over()
        self._office.deliver(self._post)
        return facts, fate

    def calm(self) -> None:
        """Time goes on until nothing is open."""
        for step in _STEPS:
            self._ahead = step
            self._hands.chores()
            self._hands.work()
            eventually(lambda: self._simulators.later.quiet)
            self._office.deliver(self._post)
            self._hands.work()
            if not self.open():
                break
        self._person()
        self._hands.work()
        self._ahead = timedelta()
        assert self._hands.failed == []
        assert self.open() == []

    def again(self, facts: Json) -> None:
        """The confirmation comes once more, and so does everything the rail has sent."""
        self._redis.delete(f"ussd:lock:{facts['session']}")
        phone = self.phone(facts["phone"])
        phone.session, phone.text, phone.page = facts["session"], facts["text"], "CON "
        phone.types(facts["typed"])
        self.calm()
        self._office.deliver(self._post, again=True)
        self.calm()

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
        held = self.rows(
            "SELECT (t.debits - t.credits)::bigint FROM ledger_accounts a CROSS JOIN LATERAL ledger_totals(a.id) t"
            " WHERE a.code = 'float:mpesa'"
        )
        assert held == [(self._simulators.mpesa.prompts.books.organisation * 100,)], "we have what the rail has"

    def dials(self, number: str) -> Phone:
        phone = self.phone(number).dials()
        return phone.chooses("Start again") if "Start again" in phone.page else phone

    def phone(self, number: str) -> Phone:
        return Phone(OverWsgi(self._app), parse_phone(number).e164)

    def stranger(self) -> str:
        return next(self._strangers)

    def plays(self, number: str, name: str | None) -> None:
        self._simulators.mpesa.prompts.give(parse_phone(number).e164, None if name is None else Magic[name].play)

    def before(self, phone: Phone, typed: str) -> Json:
        """How far a call has come, and where every table ends."""
        eventually(lambda: self._kept(phone))
        newest = {each: self.rows(f"SELECT coalesce(max(id), 0) FROM {each}")[0][0] for each in _COUNTED}
        sent = {"receipts": len(self._receipts), "prompts": len(self._prompts), "sms": len(self._texts)}
        call = {"phone": phone.number, "session": phone.session, "text": phone.text, "typed": typed}
        return call | sent | newest | {"transfers": newest["ledger_transfers"]}

    def _kept(self, phone: Phone) -> bool:
        """The hop before is remembered: nobody waits for that, and the next one comes from another process at once."""
        raw: Any = self._redis.get(f"ussd:session:{phone.session}")
        return raw is not None and orjson.loads(raw)[1] == len(phone.text)

    def wallet(self, number: str) -> int:
        """Shillings; none for who has no account."""
        member = self._parts.accounts.by_phone(parse_phone(number))
        return self._parts.statements.balance(member.number).whole_units if member else 0

    def receipts(self, number: str, facts: Json) -> list[int]:
        """The shillings a phone has paid since, by the rail's own books."""
        phone = parse_phone(number).e164
        return [each.amount for each in self._receipts[facts["receipts"] :] if each.phone == phone]

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

    def _person(self) -> None:
        """What nobody could be asked about: the process died before it had the rail's number of the payment, and with
        it the only call back. The rail's own books decide."""
        for payment, reference in self.rows(
            "SELECT id, reference FROM payments WHERE needs_review AND state = 'unknown'"
        ):
            found = next((each for each in self._receipts if each.reference == reference), None)
            if found is None:
                self._parts.payments.close(reference, "the rail has no money of it")
            else:
                came = PaymentResult(PaymentVerdict.PAID, receipt=found.receipt, amount=Money.major(found.amount))
                self._parts.payments.result(payment, came, Source.QUERY)
            self.looked_at.append(reference)

    def _post(self, letter: Letter) -> None:
        said = Client(self._app).post(letter.path, data=letter.body, content_type=letter.kind)
        assert said.status_code == 200, letter.path

    @property
    def _receipts(self) -> list[Any]:
        return self._simulators.mpesa.prompts.books.receipts

    @property
    def _prompts(self) -> list[Any]:
        return list(self._simulators.mpesa.prompts._all.values())

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
        eventually(lambda: any(each.path.startswith("/hooks/") for each in self._office.letters))
        self.calm()
        eventually(lambda: self.wallet(JANE) == 250_000)


Once = Callable[[], None]
