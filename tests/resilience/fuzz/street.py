"""A whole gateway with open money on every rail: the rails have decided most of it, and nobody has been told yet.

Rows are made by every rail that can make them, so a rail that is new in the registry has rows here too.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from werkzeug.test import Client

from gateway.app import create_app
from gateway.domain.money import Money
from gateway.domain.phone import Phone, parse_phone
from gateway.models.payments import payment_by_id
from gateway.parts import Parts, build
from gateway.services.limits import Standing
from gateway.settings import Settings
from integrations.protocols import About, PaymentVerdict, Rail, StatementLine
from integrations.simulation import BadControl, Request
from integrations.simulators import Simulators
from integrations.statements import read_line
from tests.house import eventually
from tests.resilience.fuzz.letters import Letter, PostOffice
from tests.resilience.hands import Hands

PAYS, DECLINED = "4242424242424242", "4111111111111111"
#: Payees to whom a payout does not simply arrive, by their names in the simulators' lists.
FATES = ("NOT_REGISTERED", "FULL", "QUEUE_THEN_PAID", "FAILS", "WAITS")


class Moving:
    """A clock that can be put forward, for the gateway and for the rails."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True)
class Row:
    """One payment or payout as it stands. ``named`` are all ids it is known by, ``tokens`` its own addresses."""

    what: str
    id: int
    reference: str
    rail: str
    state: str
    tokens: frozenset[str]
    named: frozenset[str]
    phone: str | None
    amount: Money
    needs_review: bool = False


class Street:
    """``held`` are the true letters that nobody has delivered."""

    def __init__(self, settings: Settings, simulators: Simulators, office: PostOffice, clock: Moving) -> None:
        simulators.gateway.url = office.url
        shared = {"simulators_url": simulators.url, "public_url": office.url}
        self.clock = clock
        self.simulators = simulators
        self.office = office
        self.app = create_app(settings.model_copy(update=shared), clock=clock)
        self.client = Client(self.app)
        self.parts: Parts = self.app.extensions["mlango"]
        self.rails: dict[str, Rail] = dict(self.parts.providers.rails)
        self.channels = [(rail, channel) for rail in self.rails.values() for channel in rail.channels]
        self.hands = Hands(self.parts, clock)
        self._keys = (f"key {number}" for number in itertools.count())
        self._more = itertools.count(1)
        self._numbers = (f"07213{number:05d}" for number in itertools.count(1))
        self.delivered: set[Letter] = set()
        self.phones: list[str] = []
        self.members: list[str] = []
        self.told_arrivals: dict[str, tuple[str, int]] = {}

    def close(self) -> None:
        self.hands.close()
        self.parts.close()

    # --- who lives here -------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """More open money on every rail; what the rails say of it is held."""
        for name, rail in self.rails.items():
            gateway = self.gateway_of(rail)
            if rail.collects:
                self._prompts(gateway, name)
            if rail.links:
                self._pages(gateway, name)
            if rail.pays_out:
                self._payouts(gateway, name)
            gateway.close()
        self._unasked()
        self._give_back()
        self._questions()
        self.quiet()

    def member(self, number: str | None = None) -> tuple[str, Phone]:
        phone = parse_phone(number or next(self._numbers))
        made = self.parts.accounts.create_account(phone, "Jane Mwangi", send_sms=False)
        self.phones.append(phone.e164)
        self.members.append(made.number)
        return made.number, phone

    def gateway_of(self, rail: Rail) -> Parts:
        """One that makes new money on this rail, as far as it can; it shares our database and our simulators."""
        chosen = {
            "collect_rail": rail.name if rail.collects else self.parts.settings.collect_rail,
            "payout_rail": rail.name if rail.pays_out else self.parts.settings.payout_rail,
            "card_rail": rail.name if rail.links else self.parts.settings.card_rail,
        }
        return build(self.parts.settings.model_copy(update=chosen), clock=self.clock)

    def _prompts(self, gateway: Parts, rail: str) -> None:
        """Two are paid, two refused, two open; one more is confirmed and on its way back."""
        for fate in ("accept", "accept", "refuse", "refuse", "open", "open", "settled"):
            number, phone = self.member()
            before = len(self.office.letters)
            self.prompt(gateway, rail, number, phone, 100 + next(self._more), fate)
            if fate == "settled":
                self.deliver(before)

    def prompt(self, gateway: Parts, rail: str, number: str, phone: Phone, shillings: int, fate: str) -> str:
        asked = gateway.payments.request(number, phone, Money.major(shillings), next(self._keys))
        self.hands.work()
        shown = self.control(rail, "GET", "/prompts", phone=phone.e164)["prompts"]
        if fate != "open":
            self.control(rail, "POST", "/accept" if fate == "settled" else f"/{fate}", id=shown[-1]["id"])
        return asked.reference

    def _pages(self, gateway: Parts, rail: str) -> None:
        number, _ = self.member()
        for fate in (PAYS, PAYS, DECLINED, "open", "settled"):
            asked = gateway.payments.request_link(number, Money.major(1_000 + next(self._more)), next(self._keys))
            assert gateway.payments.page(asked.reference)
            before = len(self.office.letters)
            self.pays_page(rail, asked.reference, fate)
            if fate == "settled":
                self.deliver(before)
        buyer, _ = self.member()
        package, price = "pkg_10_credits", Money.major(self.parts.settings.credit_packages["pkg_10_credits"][1], "NGN")
        links = gateway.providers.rails[rail].links
        if links is None or "NGN" not in links.currencies:
            return
        for fate in (PAYS, "open"):
            asked = gateway.payments.request_link(buyer, price, next(self._keys), purpose="credits", package=package)
            assert gateway.payments.page(asked.reference)
            self.pays_page(rail, asked.reference, fate)

    def pays_page(self, rail: str, reference: str, fate: str) -> None:
        if fate == "open":
            return
        try:
            self.control(rail, "POST", "/pay", reference=reference, card=PAYS if fate == "settled" else fate)
        except BadControl:  # this rail shows a refused card on its page, and tells nobody but the payer
            self.control(rail, "POST", "/expire", reference=reference)

    def _payouts(self, gateway: Parts, rail: str) -> None:
        rich, _ = self.member()
        self.fund(rich)
        fated = [parse_phone(each["phone"]) for each in self.simulators.rails[rail].magic() if each["name"] in FATES]
        for to in [self.member()[1], self.member()[1], self.member()[1], *fated]:
            shillings = Money.major(100 + next(self._more))
            gateway.payouts.request(rich, Standing("basic"), shillings, next(self._keys), to=to)
        self.hands.work()

    def fund(self, number: str) -> None:
        """Money to pay out: paid in, and told."""
        phone = parse_phone(self.phones[self.members.index(number)])
        before = len(self.office.letters)
        self.prompt(self.parts, self.parts.settings.collect_rail, number, phone, 9_000, "settled")
        self.deliver(before)

    def _give_back(self) -> None:
        """What was settled goes back where its rail can do that; the rail's word on it is held."""
        sql = (
            "SELECT DISTINCT ON (rail) reference, rail FROM payments WHERE state = 'confirmed' AND purpose = 'deposit'"
            " AND amount_minor < 500000 AND NOT EXISTS (SELECT FROM payouts WHERE payment_id = payments.id)"
            " ORDER BY rail, id DESC"
        )
        for reference, rail in self.rows(sql):
            if self.rails[rail].gives_back:
                self.parts.payment_refunds.give_back(reference, "a test")
        self.hands.work()

    def _unasked(self) -> None:
        """By every rail on which money comes unasked: for members, and for nobody."""
        for rail, _ in [each for each in self.channels if each[1].about is About.ARRIVAL]:
            for typed in [self.member()[0] for _ in range(4)] + ["NOBODY1", "NOBODY2"]:
                payer, shillings = self.member()[1], 300 + next(self._more)
                paid = self.control(rail.name, "POST", "/paybill", phone=payer.e164, amount=shillings, account=typed)
                self.told_arrivals[paid["receipt"]] = (typed, shillings * 100)

    def _questions(self) -> None:
        receipts = list(self.told_arrivals)[-2:]
        for name, rail in self.rails.items():
            if rail.tells_balance:
                self.parts.lookups.ask_balance(name)
            for receipt in receipts if rail.looks_up else ():
                self.parts.lookups.ask_receipt(name, receipt)

    # --- what the rails do -----------------------------------------------------------------------------------------

    def control(self, rail: str, method: str, path: str, **told: Any) -> dict[str, Any]:
        sent = {"query": told} if method == "GET" else {"body": orjson.dumps(told)}
        reply = self.simulators.rails[rail].controls[method, path](Request(method, path, **sent))
        found: dict[str, Any] = orjson.loads(reply.body)
        return found

    def moved(self, rail: str) -> list[StatementLine]:
        """What the rail itself says has moved."""
        lines = self.control(rail, "GET", "/statement")["lines"]
        return [line for line in map(read_line, lines) if line.done]

    def ends(self, row: Row) -> None:
        """Whoever has its prompt or its page before them pays; a transfer that waits arrives."""
        controls = self.simulators.rails[row.rail].controls
        if self.rails[row.rail].collects and row.phone:
            for prompt in self.control(row.rail, "GET", "/prompts", phone=row.phone)["prompts"]:
                self.control(row.rail, "POST", "/accept", id=prompt["id"])
        with contextlib.suppress(BadControl):  # it is over
            if ("POST", "/pay") in controls and row.what == "payment":
                self.control(row.rail, "POST", "/pay", reference=row.reference, card=PAYS)
        for name in row.named if ("POST", "/transfer") in controls and row.what == "payout" else ():
            with contextlib.suppress(BadControl):
                self.control(row.rail, "POST", "/transfer", reference=name, status="SUCCESSFUL")

    def quiet(self) -> None:
        """Nothing of theirs is due or under way; a prompt that waits for its person is neither."""
        later = self.simulators.later
        eventually(lambda: not later._running and not later._is_due())

    # --- the post --------------------------------------------------------------------------------------------------

    @property
    def held(self) -> list[Letter]:
        return [each for each in self.office.letters if each not in self.delivered and each.path.startswith("/hooks/")]

    def deliver(self, since: int = 0) -> None:
        """The true letters that came since, and what follows from them."""
        self.quiet()
        for letter in self.office.letters[since:]:
            if letter not in self.delivered:
                self.delivered.add(letter)
                self.post(letter)
        self.hands.work()

    def post(self, letter: Letter) -> None:
        said = self.client.post(letter.path, data=letter.body, headers=list(letter.headers))
        assert said.status_code == 200, letter.path

    def handle(self) -> None:
        """Every body that was kept and never looked at, by several hands at once; then the jobs that follow."""
        kept = [row[0] for row in self.rows("SELECT id FROM inbox WHERE attempts = 0 ORDER BY id")]
        with ThreadPoolExecutor(3) as hands:
            list(hands.map(self.parts.callbacks.handle, kept))
        self.run("DELETE FROM procrastinate_jobs WHERE task_name = 'handle_inbox' AND status = 'todo'")
        self.hands.work()
        self.quiet()
        assert self.hands.failed == []

    def later(self, seconds: float) -> None:
        self.clock.ahead += timedelta(seconds=seconds)

    # --- how it stands ---------------------------------------------------------------------------------------------

    def rows(self, sql: str, *values: object) -> list[Any]:
        with self.parts.db.reading() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql, tuple(values)).all()]

    def run(self, sql: str) -> None:
        with self.parts.db.transaction() as session:
            session.connection().exec_driver_sql(sql)

    def money(self) -> list[Row]:
        return [*self._payment_rows(), *self._payout_rows()]

    def _payment_rows(self) -> Iterator[Row]:
        for one in self.rows(
            "SELECT id, reference, rail, state, token, provider_id, request_id, payer_sealed, amount_minor, currency,"
            " needs_review FROM payments ORDER BY id"
        ):
            ids = frozenset({one[1], one[5], one[6]} - {None})
            phone = self.parts.vault.open(one[7])
            amount = Money(one[8], one[9])
            yield Row("payment", *one[:4], frozenset({one[4]}), ids, phone, amount, one[10])

    def _payout_rows(self) -> Iterator[Row]:
        for one in self.rows(
            "SELECT p.id, p.reference, p.rail, p.state, array_agg(a.token), array_agg(a.question_token),"
            " array_agg(a.own_id), array_agg(a.provider_id), p.undone_receipt, p.amount_minor, p.currency,"
            " p.needs_review FROM payouts p JOIN payout_attempts a ON a.payout_id = p.id GROUP BY p.id ORDER BY p.id"
        ):
            tokens = frozenset({*one[4], *one[5]} - {None})
            ids = frozenset({one[1], *one[6], *one[7], one[8]} - {None})
            yield Row("payout", *one[:4], tokens, ids, None, Money(one[9], one[10]), one[11])

    def says(self, row: Row) -> PaymentVerdict:
        """What the rail itself says became of it, when it is asked."""
        return self._says_paid_in(row) if row.what == "payment" else self._says_paid_out(row)

    def _says_paid_in(self, row: Row) -> PaymentVerdict:
        with self.parts.db.transaction() as session:
            payment = payment_by_id(session, row.id)
        assert payment
        return self.parts.payments.answer(payment).verdict

    def _says_paid_out(self, row: Row) -> PaymentVerdict:
        def is_of(line: StatementLine) -> bool:
            return line.amount.minor < 0 and any(each in line.reference for each in row.named)

        done = any(map(is_of, self.moved(row.rail)))
        return PaymentVerdict.PAID if done else PaymentVerdict.NO_ANSWER

    def total(self, code: str) -> int:
        """What stands in accounts of our books, debits less credits."""
        found = self.rows(
            "SELECT coalesce(sum(t.debits - t.credits), 0)::bigint FROM ledger_accounts a"
            " CROSS JOIN LATERAL ledger_totals(a.id) t WHERE a.code LIKE %s",
            code,
        )
        return int(found[0][0])

    def books_are_right(self) -> None:
        with self.parts.db.hot() as cursor:
            wrong = self.parts.ledger.check(cursor)
        assert not any(wrong.values()), wrong


@contextlib.contextmanager
def opened(settings: Settings, simulators: Simulators, clock: Moving) -> Iterator[Street]:
    """A street that is filled."""
    office = PostOffice()
    street = Street(settings, simulators, office, clock)
    street.fill()
    yield street
    street.close()
    office.close()
