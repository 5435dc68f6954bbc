"""Our client and the simulated Stripe, over loopback: its page, every card, idempotency, refunds and the books."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.http import Http, Patience
from integrations.protocols import Buyer, LinkAnswer, Outcome, PaymentResult, PaymentVerdict, Rail
from integrations.rails import Tools
from integrations.simulators import Options as AllOptions
from integrations.simulators import Simulators, serve
from integrations.statements import SimulatedStatement
from integrations.stripe.api import Api
from integrations.stripe.client import Stripe, build
from integrations.stripe.magic import Magic
from integrations.stripe.simulator import WRONG_KEY, Options
from tests.integrations.stub import Said, Stub

TOKEN, SECRET = "0123456789abcdef" * 2, "whsec_own"
HOOK = f"/hooks/{TOKEN}/stripe"
RETURN = "https://mlango.example/paid/abc"


@pytest.fixture
def simulators(stub: Stub) -> Iterator[Simulators]:
    options = Options(webhook_seconds=0, pending_seconds=0.05, hang_seconds=0.5)
    environ = {"CALLBACK_TOKEN": TOKEN, "STRIPE_WEBHOOK_SECRET": SECRET}
    stub.says(HOOK, Said(b"{}"))
    with serve(gateway_url=stub.url, options=AllOptions(rails={"stripe": options}), environ=environ) as running:
        yield running


@pytest.fixture
def rail(simulators: Simulators) -> Rail:
    settings = SimpleNamespace(stripe_base_url="", stripe_secret_key="", stripe_webhook_secret=SECRET)
    return build(settings, simulators.url + "/stripe", Tools())


def make(links: Any, reference: str = "", amount: Money | None = None) -> LinkAnswer:
    answer: LinkAnswer = links.make_link(
        reference=reference or secrets.token_hex(4).upper(),
        amount=amount or Money.major(500),
        title="Mlango <deposit>",
        buyer=Buyer("Jane Mwangi", Phone("+254712345678"), "jane@mlango.example"),
        return_url=RETURN,
        expires_at=datetime.now(UTC) + timedelta(hours=24),
    )
    return answer


def types(answer: LinkAnswer, card: str, do: str = "pay") -> requests.Response:
    return requests.post(answer.url or "", data={"card": card, "do": do}, timeout=5, allow_redirects=False)


def heard(rail: Rail, stub: Stub, number: int = 1) -> list[PaymentResult]:
    """What the events say, all of them believed."""
    (channel,) = rail.channels
    calls = stub.wait_for(HOOK, number)
    assert channel.signed
    assert all(channel.signed(call.headers, call.body) for call in calls)
    read = [channel.read(call.body) for call in calls]
    assert all(isinstance(result, PaymentResult) for result in read)
    return read  # type: ignore[return-value]


def ask(rail: Rail, answer: LinkAnswer) -> PaymentResult:
    assert rail.links
    return rail.links.ask(answer.provider_id or "")


def control(simulators: Simulators, path: str, **fields: Any) -> requests.Response:
    return requests.post(f"{simulators.url}/control/stripe{path}", json=fields, timeout=5)


def books(simulators: Simulators) -> dict[str, Any]:
    return requests.get(f"{simulators.url}/control/stripe/books", timeout=5).json()


def test_the_page_is_a_form_that_needs_no_script(rail: Rail, simulators: Simulators) -> None:
    answer = make(rail.links)
    assert answer.url == f"{simulators.url}/stripe/pay/{answer.provider_id}"
    shown = requests.get(answer.url, timeout=5).text
    assert '<form method="post">' in shown
    assert "Mlango &lt;deposit&gt;" in shown
    assert "script" not in shown


@pytest.mark.parametrize("card", list(Magic), ids=lambda card: card.name)
def test_every_card_does_what_is_said_of_it(rail: Rail, stub: Stub, card: Magic) -> None:
    answer, play = make(rail.links), card.play
    assert ask(rail, answer).verdict is PaymentVerdict.PENDING
    back = types(answer, card.card)
    if play.refusal and not play.slow:
        assert f"{play.refusal}. Try another card." in back.text
        assert (ask(rail, answer).verdict, stub.calls(HOOK)) == (PaymentVerdict.PENDING, [])
        return
    assert back.headers["location"] == f"{RETURN}?session_id={answer.provider_id}"
    if play.webhook == "lost":
        assert ask(rail, answer).verdict is PaymentVerdict.PAID
        assert stub.calls(HOOK) == []
        return
    told = heard(rail, stub, 2 if play.slow or play.webhook == "twice" else 1)
    assert {(result.provider_id, result.amount) for result in told} == {(answer.provider_id, Money.major(500))}
    if play.slow:
        last = PaymentVerdict.FAILED if play.refusal else PaymentVerdict.PAID
        assert {result.verdict for result in told} == {PaymentVerdict.PENDING, last}
    if not play.refusal:
        asked = ask(rail, answer)
        assert (asked.verdict, {result.receipt for result in told}) == (PaymentVerdict.PAID, {asked.receipt})


def test_an_early_event_is_there_before_the_payer_is_back(rail: Rail, stub: Stub) -> None:
    types(make(rail.links), Magic.WEBHOOK_EARLY.card)
    assert len(stub.calls(HOOK)) == 1


def test_a_page_is_paid_once(rail: Rail, simulators: Simulators) -> None:
    answer = make(rail.links)
    types(answer, Magic.PAYS.card)
    assert "this page is over" in types(answer, Magic.PAYS.card).text
    assert "This page is over" in requests.get(answer.url or "", timeout=5).text
    assert books(simulators)["balance_minor"] == 50_000


def test_who_gives_up_comes_back_and_may_come_again(rail: Rail) -> None:
    answer = make(rail.links)
    assert types(answer, "", "cancel").headers["location"] == RETURN
    assert ask(rail, answer).verdict is PaymentVerdict.PENDING


def test_a_page_can_end_unused(rail: Rail, simulators: Simulators, stub: Stub) -> None:
    answer = make(rail.links, "QTHXK948")
    assert control(simulators, "/expire", reference="QTHXK948").ok
    (told,) = heard(rail, stub)
    assert (told.verdict, told.reason) == (PaymentVerdict.FAILED, "timeout")
    asked = ask(rail, answer)
    assert (asked.verdict, asked.reason) == (PaymentVerdict.FAILED, "timeout")


def test_a_session_whose_making_hangs_is_found_by_its_key(simulators: Simulators) -> None:
    control(simulators, "/settings", create_hangs=True)
    http = Http("stripe", simulators.url + "/stripe", Patience(timeout_seconds=0.3, attempts=1))
    answer = make(Stripe(Api(http, "k")), "QTHXK948")
    assert answer.outcome is Outcome.ACCEPTED
    assert [each["id"] for each in books(simulators)["sessions"]] == [answer.provider_id]


def test_the_same_key_for_something_else_is_refused(rail: Rail) -> None:
    make(rail.links, "QTHXK948")
    answer = make(rail.links, "QTHXK948", Money.major(600))
    assert (answer.outcome, answer.code) == (Outcome.UNKNOWN, "idempotency_error")


def test_too_little_is_refused_with_the_reason(rail: Rail) -> None:
    assert make(rail.links, amount=Money.major(10)).reason == "limit"


def test_a_wrong_key_is_refused(simulators: Simulators) -> None:
    for header in ({}, {"Authorization": f"Bearer {WRONG_KEY}"}):
        answer = requests.get(f"{simulators.url}/stripe/v1/balance", headers=header, timeout=5)
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")


def test_a_refund_gives_back_once(rail: Rail, simulators: Simulators) -> None:
    answer = make(rail.links)
    types(answer, Magic.PAYS.card)
    receipt = ask(rail, answer).receipt or ""
    assert rail.gives_back
    assert rail.tells_given_back
    done = [
        rail.gives_back.give_back(own_id=own_id, receipt=receipt, amount=Money.major(500), addresses=str)
        for own_id in ("BACK-1", "BACK-1", "BACK-2")
    ]
    assert done[0] == done[1], "the same key is the same refund"
    assert done[0].result
    assert done[0].result.verdict is PaymentVerdict.PAID
    assert done[2].reason == "already"
    asked = rail.tells_given_back.ask_given_back(own_id="BACK-1", provider_id=done[0].provider_id)
    assert asked == done[0].result
    assert books(simulators)["balance_minor"] == 0


def test_the_books_and_the_statement_agree(rail: Rail, simulators: Simulators) -> None:
    answer = make(rail.links, "QTHXK948", Money(70_050))
    assert control(simulators, "/pay", reference="QTHXK948", card=Magic.PAYS.card).json()["refused"] == ""
    (line,) = SimulatedStatement("stripe", simulators.url).statement(
        datetime(2020, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
    ) or [None]
    assert line
    assert (line.receipt, line.amount, line.reference) == (ask(rail, answer).receipt, Money(70_050), "QTHXK948")
    assert rail.is_up()
