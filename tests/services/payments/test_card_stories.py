"""Somebody pays by card, on the page of each rail: from asking for the page to the money, the SMS and the books."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from gateway.domain.money import Money
from gateway.domain.phone import parse_phone
from gateway.domain.scopes import Scope
from gateway.models.inbox import InboxItem
from gateway.models.payments import Payment
from gateway.schema_command import prepare_database
from gateway.settings import Settings
from integrations.africastalking.simulator import Options as SmsOptions
from integrations.flutterwave.simulator import Options as FlutterwaveOptions
from integrations.mpesa.prompts import Options as MpesaOptions
from integrations.rails import SIMULATED
from integrations.simulators import Options, serve
from integrations.stripe.simulator import Options as StripeOptions
from tests.api.client import Program, is_problem
from tests.conftest import ENCRYPTION_KEY
from tests.house import House, eventually

PAYS, LOST, TWICE, EARLY = "4242 4242 4242 4242", "4000000000000106", "4000000000000108", "4000000000000107"
LIES, PENDING_FIRST, PAYS_TWICE = "4000000000000109", "4000000000000110", "4000000000000111"
DECLINED, NO_MONEY = "4111111111111111", "5258585922666506"
HOOK = f"/hooks/{'0' * 32}/flutterwave"


@dataclass
class Till:
    """A house whose cards are taken by one rail, and somebody who pays."""

    house: House
    rail: str
    numbers: Iterator[str]

    def __post_init__(self) -> None:
        self.phone = next(self.numbers)
        self.house.member(self.phone)
        member = self.house.parts.accounts.by_phone(parse_phone(self.phone))
        assert member
        self.account = member.number

    def asks(self, amount: Money, **purpose: Any) -> str:
        """The reference of a payment whose page is made."""
        asked = self.house.parts.payments.request_link(self.account, amount, secrets.token_hex(8), **purpose)
        assert self.link(asked.reference)
        return asked.reference

    def link(self, reference: str) -> str:
        return self.house.parts.payments.page(reference) or ""

    def types(self, reference: str, card: str) -> requests.Response:
        """The payer opens the page, types a card and pays."""
        shown = requests.get(self.link(reference), timeout=5)
        assert shown.ok
        assert '<form method="post">' in shown.text
        form = {"card": card, "do": "pay"}
        return requests.post(self.link(reference), data=form, timeout=5, allow_redirects=False)

    def pays(self, reference: str, card: str = PAYS, webhooks: int = 1) -> requests.Response:
        """... and what the rail tells about it arrives."""
        before = self.heard()
        answer = self.types(reference, card)
        eventually(lambda: self.heard() >= before + webhooks)
        self.house.work()
        return answer

    def heard(self) -> int:
        with self.house.parts.db.transaction() as session:
            return session.query(InboxItem).count()

    def row(self, reference: str) -> Payment:
        with self.house.parts.db.transaction() as session:
            return session.query(Payment).where(Payment.reference == reference).one()

    def holds(self, code: str) -> Money:
        with self.house.parts.db.hot() as cursor:
            return self.house.parts.ledger.balance(cursor, code)

    def booked(self, kind: str, currency: str = "KES") -> int:
        """Minor units in all accounts of a kind."""
        with self.house.parts.db.hot() as cursor:
            rows = self.house.parts.ledger.books(cursor)
        return sum(row.balance.minor for row in rows if (row.kind, row.balance.currency) == (kind, currency))

    def is_asked(self) -> None:
        """The next questions of the schedule are due now."""
        with self.house.parts.db.transaction() as session:
            session.connection().exec_driver_sql(
                "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo' AND task_name LIKE '%%ask%%'"
            )
        self.house.work()

    def control(self, path: str, **fields: Any) -> None:
        address = f"{self.house.simulators.url}/control/{self.rail}/{path}"
        assert requests.post(address, json=fields, timeout=15).ok


@pytest.fixture(scope="module")
def make_till(
    make_database: Callable[[], str], redis_url: str, numbers: Iterator[str]
) -> Iterator[Callable[[str], Till]]:
    houses: dict[str, tuple[House, Any]] = {}

    def make(rail: str) -> Till:
        if rail not in houses:
            houses[rail] = _house(rail, make_database(), redis_url)
        return Till(houses[rail][0], rail, numbers)

    yield make
    for house, simulators in houses.values():
        house.close()
        simulators.close()


def _house(rail: str, database_url: str, redis_url: str) -> tuple[House, Any]:
    prepare_database(database_url, ENCRYPTION_KEY)
    options = Options(
        sms=SmsOptions(report_seconds=0),
        rails={
            "mpesa": MpesaOptions(answer_seconds=0),
            "flutterwave": FlutterwaveOptions(webhook_seconds=0, pending_seconds=0, hang_seconds=0.1),
            "stripe": StripeOptions(webhook_seconds=0, pending_seconds=0),
        },
    )
    settings = Settings(
        app_env="test",
        database_url=database_url,
        redis_url=redis_url,
        encryption_key=ENCRYPTION_KEY,
        callback_token="0123456789abcdef",
        push_delay_seconds=0,
        ussd_budget_seconds=8,
        card_rail=rail,
    )
    simulators = serve(options=options)
    return House(settings, simulators), simulators


@pytest.fixture(params=["flutterwave", "stripe"])
def till(request: pytest.FixtureRequest, make_till: Callable[[str], Till]) -> Till:
    return make_till(request.param)


@pytest.fixture
def flutterwave(make_till: Callable[[str], Till]) -> Till:
    return make_till("flutterwave")


@pytest.fixture
def stripe(make_till: Callable[[str], Till]) -> Till:
    return make_till("stripe")


def test_a_card_fills_the_wallet(till: Till) -> None:
    float_before = till.booked("float")
    reference = till.asks(Money.major(1_000))
    answer = till.pays(reference)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{till.house.url}/paid/{till.row(reference).token}?")
    till.house.hears(till.phone, reference, "Confirmed. KES 1,000 from your card is in your wallet", "Receipt")
    assert till.house.balance(till.phone) == 1_000
    assert till.booked("float") == float_before + 100_000
    row = till.row(reference)
    assert (row.state, row.needs_review, row.rail) == ("confirmed", False, till.rail)
    assert till.house.books_are_right()


def test_the_rails_own_statement_has_the_same_receipt(till: Till) -> None:
    reference = till.asks(Money.major(700))
    till.pays(reference)
    statement = till.house.parts.providers.rails[till.rail].keeps_statement
    assert statement
    row = till.row(reference)
    lines = statement.statement(row.created_at.replace(microsecond=0), row.created_at.replace(year=2999)) or ()
    assert [(line.receipt, line.amount) for line in lines if line.reference == reference] == [
        (row.receipt, Money.major(700))
    ]


def test_the_page_is_made_once_and_its_address_stays(till: Till) -> None:
    reference = till.asks(Money.major(300))
    first = till.link(reference)
    till.house.work()
    assert till.link(reference) == first
    assert till.row(reference).pushes == 1


def test_who_does_not_wait_for_the_page_gets_it_by_sms(till: Till) -> None:
    asked = till.house.parts.payments.request_link(till.account, Money.major(450), secrets.token_hex(8))
    till.house.parts.payments.push(till.row(asked.reference).id)
    till.house.hears(till.phone, "Pay KES 450 into your Mlango wallet by card here: http://127.0.0.1:")


def test_a_webhook_that_is_lost_is_made_up_for_by_asking(till: Till) -> None:
    reference = till.asks(Money.major(800))
    till.types(reference, LOST)
    till.house.work()
    assert till.row(reference).state == "prompted"
    till.is_asked()
    assert (till.row(reference).state, till.house.balance(till.phone)) == ("confirmed", 800)
    till.house.hears(till.phone, reference, "Confirmed. KES 800", "Receipt")


def test_a_webhook_that_comes_twice_counts_once(till: Till) -> None:
    reference = till.asks(Money.major(900))
    till.pays(reference, TWICE)
    assert till.house.balance(till.phone) == 900
    assert len([text for text in till.house.texts(till.phone) if "Confirmed. KES 900" in text]) == 1


def test_a_webhook_may_come_before_the_payer_is_back(till: Till) -> None:
    reference = till.asks(Money.major(150))
    till.pays(reference, EARLY)
    assert till.house.balance(till.phone) == 150


def test_money_that_is_pending_first_is_credited_when_it_is_there(till: Till) -> None:
    reference = till.asks(Money.major(650))
    till.pays(reference, PENDING_FIRST, webhooks=2)
    till.is_asked()
    assert (till.row(reference).state, till.house.balance(till.phone)) == ("confirmed", 650)


def test_a_page_that_nobody_uses_frightens_nobody(till: Till) -> None:
    reference = till.asks(Money.major(350))
    for _ in range(5):
        till.is_asked()
    assert (till.row(reference).state, till.row(reference).checks) == ("prompted", 5)
    assert [text for text in till.house.texts(till.phone) if reference in text] == []
    till.house.phone(till.phone).dials().sees("Mlango: Jane")


def test_another_rails_door_does_not_open_to_a_pages_token(till: Till) -> None:
    """The payer knows the token from the return address, and M-Pesa signs nothing."""
    paid, open_ = till.asks(Money.major(200)), till.asks(Money.major(20_000))
    till.pays(paid)
    forged = {
        "MerchantRequestID": "m-1",
        "CheckoutRequestID": till.row(paid).provider_id,
        "ResultCode": 0,
        "CallbackMetadata": {
            "Item": [{"Name": "Amount", "Value": 20000}, {"Name": "MpesaReceiptNumber", "Value": secrets.token_hex(5)}]
        },
    }
    body = {"Body": {"stkCallback": forged}}
    assert requests.post(f"{till.house.url}/hooks/{till.row(open_).token}/stk", json=body, timeout=5).ok
    till.house.work()
    assert (till.row(open_).state, till.house.balance(till.phone)) == ("prompted", 200)


def test_ten_credits_are_bought_in_naira(flutterwave: Till) -> None:
    till, sales, held = flutterwave, flutterwave.booked("sales", "NGN"), flutterwave.booked("float", "NGN")
    for bought in (10, 20):  # the second time the account of credits is there already
        reference = till.asks(Money.major(5_000, "NGN"), purpose="credits", package="pkg_10_credits")
        till.pays(reference)
        till.house.hears(till.phone, reference, "Confirmed. You paid NGN 5,000 and have 10 credits more")
        assert till.holds(f"credits:{till.account}") == Money(bought, "credits")
    assert till.booked("sales", "NGN") == sales + 1_000_000
    assert till.booked("float", "NGN") == held + 1_000_000
    assert till.house.balance(till.phone) == 0
    assert till.house.books_are_right()


def test_stripe_sells_nothing_in_naira_and_says_so(stripe: Till) -> None:
    caller = stripe.house.phone(stripe.phone).dials().chooses("My account").chooses("Credits")
    caller.chooses("Buy credits").sees("It cannot be paid by card now. No money moved.", "Credits left: 0.")
    program = Program(stripe.house.app, stripe.house.parts.api_keys.create("shop", tuple(Scope)).secret)
    answer = program.posts("/credits/topups", {"account": stripe.account, "package_id": "pkg_10_credits"})
    is_problem(answer, 503, "cards_closed")
    assert stripe.house.texts(stripe.phone)[1:] == []


def test_a_webhook_that_lies_about_the_amount_changes_nothing(flutterwave: Till) -> None:
    reference = flutterwave.asks(Money.major(100))
    flutterwave.pays(reference, LIES)
    assert (flutterwave.row(reference).state, flutterwave.house.balance(flutterwave.phone)) == ("confirmed", 100)


def test_both_shapes_of_the_webhook_are_heard(flutterwave: Till) -> None:
    for envelopes, total in ((True, 100), (False, 200)):
        flutterwave.control("settings", envelopes=envelopes)
        flutterwave.pays(flutterwave.asks(Money.major(100)))
        assert flutterwave.house.balance(flutterwave.phone) == total


def test_of_a_page_that_is_paid_twice_the_second_payment_goes_back(flutterwave: Till) -> None:
    house, reference = flutterwave.house, flutterwave.asks(Money.major(400))
    flutterwave.pays(reference, PAYS_TWICE, webhooks=2)
    house.hears(flutterwave.phone, "KES 400", "sent back")
    assert house.balance(flutterwave.phone) == 400
    assert house.books_are_right()


@pytest.mark.parametrize(
    ("card", "said"), [(DECLINED, "The card did not pay KES 250"), (NO_MONEY, "Your card has less than KES 250")]
)
def test_a_declined_card_is_told_and_another_one_pays(flutterwave: Till, card: str, said: str) -> None:
    reference = flutterwave.asks(Money.major(250))
    answer = flutterwave.pays(reference, card)
    assert (answer.status_code, "Try another card" in answer.text) == (200, True)
    flutterwave.house.hears(flutterwave.phone, reference, said, "No money moved")
    assert flutterwave.row(reference).state == "failed"
    flutterwave.pays(reference)
    assert (flutterwave.row(reference).state, flutterwave.house.balance(flutterwave.phone)) == ("confirmed", 250)


def test_a_page_whose_making_was_not_answered_is_still_asked_about(flutterwave: Till) -> None:
    flutterwave.control("settings", create_hangs=True)
    asked = flutterwave.house.parts.payments.request_link(flutterwave.account, Money.major(500), secrets.token_hex(8))
    assert flutterwave.link(asked.reference) == ""
    flutterwave.control("settings", create_hangs=False)
    assert flutterwave.row(asked.reference).state == "unknown"
    assert flutterwave.link(asked.reference) == ""  # never made a second time
    flutterwave.control("pay", reference=asked.reference, card=LOST)
    flutterwave.is_asked()
    assert flutterwave.row(asked.reference).state == "confirmed"


@pytest.mark.parametrize("headers", [{}, {"verif-hash": "wrong"}, {"verif-hash": "é"}, {"flutterwave-signature": "x"}])
def test_a_wrong_hash_is_answered_401_and_nothing_is_kept(flutterwave: Till, headers: dict[str, str]) -> None:
    body, before = {"txRef": flutterwave.asks(Money.major(100)), "status": "successful"}, flutterwave.heard()
    sent = {name: value.encode() for name, value in headers.items()}
    answer = requests.post(flutterwave.house.url + HOOK, json=body, headers=sent, timeout=5)
    assert (answer.status_code, answer.content) == (401, b"")
    assert flutterwave.heard() == before


@pytest.mark.parametrize("header", ["verif-hash", "verificationhash"])
def test_who_knows_the_hash_and_lies_about_a_payment_makes_us_ask_and_no_more(flutterwave: Till, header: str) -> None:
    reference = flutterwave.asks(Money.major(100))
    body = {"txRef": reference, "status": "successful", "amount": 100, "currency": "KES", "id": 1}
    assert requests.post(flutterwave.house.url + HOOK, json=body, headers={header: SIMULATED}, timeout=5).ok
    flutterwave.house.work()
    assert (flutterwave.row(reference).state, flutterwave.house.balance(flutterwave.phone)) == ("prompted", 0)


def test_a_declined_card_leaves_stripes_page_open_for_another(stripe: Till) -> None:
    reference = stripe.asks(Money.major(250))
    answer = stripe.types(reference, "4000 0000 0000 0002")
    assert (answer.status_code, "card_declined. Try another card" in answer.text) == (200, True)
    stripe.pays(reference)
    assert stripe.house.balance(stripe.phone) == 250


def test_a_page_that_was_not_used_in_time_is_over(stripe: Till) -> None:
    reference = stripe.asks(Money.major(250))
    before = stripe.heard()
    stripe.control("expire", reference=reference)
    eventually(lambda: stripe.heard() > before)
    stripe.house.hears(stripe.phone, reference, "The page for KES 250 was not used in time. No money moved")


def test_money_that_never_came_is_not_credited(stripe: Till) -> None:
    reference = stripe.asks(Money.major(250))
    stripe.pays(reference, "4000000000000114", webhooks=2)
    stripe.house.hears(stripe.phone, reference, "The card did not pay KES 250. No money moved")
    assert stripe.house.balance(stripe.phone) == 0


def test_an_event_that_stripe_did_not_sign_is_answered_401_and_nothing_is_kept(stripe: Till) -> None:
    reference = stripe.asks(Money.major(250))
    told = {"id": stripe.row(reference).provider_id, "payment_status": "paid", "amount_total": 25000}
    told |= {"currency": "kes", "payment_intent": "pi_1"}
    body = json.dumps({"type": "checkout.session.completed", "data": {"object": told}}).encode()
    wrong = hmac.new(b"another secret", b"1." + body, hashlib.sha256).hexdigest()
    before = stripe.heard()
    for header in ("", f"t=1,v1={wrong}", "t=1", "nonsense"):
        address = f"{stripe.house.url}/hooks/{stripe.row(reference).token}/stripe"
        answer = requests.post(address, data=body, headers={"Stripe-Signature": header}, timeout=5)
        assert answer.status_code == 401
    assert (stripe.heard(), stripe.row(reference).state) == (before, "prompted")
