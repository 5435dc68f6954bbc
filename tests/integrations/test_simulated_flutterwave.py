"""Our client and the simulated Flutterwave, over loopback: its page, every card, transfers, refunds and the books."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.flutterwave.client import build
from integrations.flutterwave.magic import Magic, Payee
from integrations.flutterwave.simulator import WRONG_KEY, Options
from integrations.protocols import BalanceResult, Buyer, LinkAnswer, Outcome, PaymentResult, PaymentVerdict, Rail
from integrations.rails import Tools
from integrations.simulators import Options as AllOptions
from integrations.simulators import Simulators, serve
from integrations.statements import SimulatedStatement
from tests.house import eventually
from tests.integrations.stub import Said, Stub

TOKEN, HASH = "0123456789abcdef" * 2, "the hash"
HOOK = f"/hooks/{TOKEN}/flutterwave"
OUT = "/hooks/own/flutterwave-out"
PAYEE = Phone("+254712345678")
RETURN = "https://mlango.example/paid/abc"


@pytest.fixture
def simulators(stub: Stub) -> Iterator[Simulators]:
    options = Options(webhook_seconds=0, pending_seconds=0.05, transfer_seconds=0, hang_seconds=0.1)
    environ = {"CALLBACK_TOKEN": TOKEN, "FLUTTERWAVE_HASH": HASH}
    stub.says(HOOK, Said(b"{}"))
    stub.says(OUT, Said(b"{}"))
    with serve(gateway_url=stub.url, options=AllOptions(rails={"flutterwave": options}), environ=environ) as running:
        yield running


@pytest.fixture
def rail(simulators: Simulators) -> Rail:
    settings = SimpleNamespace(flutterwave_base_url="", flutterwave_secret_key="", flutterwave_hash=HASH)
    return build(settings, simulators.url + "/flutterwave", Tools())


def make(rail: Rail, reference: str = "", amount: Money | None = None) -> LinkAnswer:
    assert rail.links
    return rail.links.make_link(
        reference=reference or secrets.token_hex(4).upper(),
        amount=amount or Money.major(500),
        title="Mlango <deposit>",
        buyer=Buyer("Jane Mwangi", PAYEE, "jane@mlango.example"),
        return_url=RETURN,
        expires_at=datetime.now(UTC) + timedelta(hours=24),
    )


def types(answer: LinkAnswer, card: str, do: str = "pay") -> requests.Response:
    return requests.post(answer.url or "", data={"card": card, "do": do}, timeout=5, allow_redirects=False)


def heard(rail: Rail, stub: Stub, number: int = 1) -> list[PaymentResult]:
    """What the webhooks say, all of them believed."""
    channel = rail.channels[0]
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
    return requests.post(f"{simulators.url}/control/flutterwave{path}", json=fields, timeout=5)


def books(simulators: Simulators) -> dict[str, Any]:
    return requests.get(f"{simulators.url}/control/flutterwave/books", timeout=5).json()


def test_the_page_is_a_form_that_needs_no_script(rail: Rail, simulators: Simulators) -> None:
    answer = make(rail)
    assert re.fullmatch(re.escape(simulators.url) + r"/flutterwave/pay/flwlnk-[0-9a-f]{26}", answer.url or "")
    shown = requests.get(answer.url or "", timeout=5)
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert '<form method="post">' in shown.text
    assert 'name="card"' in shown.text
    assert "Mlango &lt;deposit&gt;" in shown.text
    assert "script" not in shown.text
    assert "Pay KES 500" in shown.text


@pytest.mark.parametrize("envelopes", [False, True])
@pytest.mark.parametrize("card", list(Magic), ids=lambda card: card.name)
def test_every_card_does_what_is_said_of_it(
    rail: Rail, simulators: Simulators, stub: Stub, card: Magic, envelopes: bool
) -> None:
    control(simulators, "/settings", envelopes=envelopes)
    answer, play = make(rail), card.play
    assert ask(rail, answer).verdict is PaymentVerdict.PENDING
    back = types(answer, card.card)
    if play.refusal:
        assert (back.status_code, f"{play.refusal}. Try another card." in back.text) == (200, True)
    else:
        number = re.fullmatch(
            rf"{RETURN}\?status=(successful|pending)&tx_ref={answer.provider_id}&transaction_id=([0-9]+)",
            back.headers["location"],
        )
        assert number
    if play.webhook == "lost":
        assert ask(rail, answer).verdict is PaymentVerdict.PAID
        assert stub.calls(HOOK) == []
        return
    told = heard(rail, stub, 2 if play.slow or play.webhook == "twice" else play.times)
    assert ("event" in stub.calls(HOOK)[0].json) is envelopes
    assert {result.reference for result in told} == {answer.provider_id}
    asked, last = ask(rail, answer), told[-1]
    if play.forged:
        assert (last.amount, asked.amount) == (Money.major(50_000), Money.major(500))
    else:
        assert (asked.verdict, asked.amount, asked.occurred_at) == (last.verdict, last.amount, last.occurred_at)
    if play.slow:
        assert [result.verdict for result in told] == [PaymentVerdict.PENDING, PaymentVerdict.PAID]
    assert len({result.receipt for result in told}) == play.times
    assert asked.receipt in {result.receipt for result in told}
    assert asked.verdict is (PaymentVerdict.FAILED if play.refusal else PaymentVerdict.PAID)


def test_an_early_webhook_is_there_before_the_payer_is_back(rail: Rail, stub: Stub) -> None:
    types(make(rail), Magic.WEBHOOK_EARLY.card)
    assert len(stub.calls(HOOK)) == 1


def test_each_charge_of_a_page_can_be_asked_about(rail: Rail, stub: Stub) -> None:
    answer = make(rail)
    types(answer, Magic.PAYS_TWICE.card)
    assert rail.links
    for told in heard(rail, stub, 2):
        assert rail.links.ask(answer.provider_id or "", told.receipt).receipt == told.receipt


def test_a_refused_card_can_be_followed_by_one_more(rail: Rail) -> None:
    answer = make(rail)
    for _ in range(2):
        types(answer, Magic.IS_DECLINED.card)
    assert "This page is over" in requests.get(answer.url or "", timeout=5).text
    assert "this page is over" in types(answer, Magic.PAYS.card).text
    assert ask(rail, answer).verdict is PaymentVerdict.FAILED


def test_who_gives_up_comes_back_without_a_transaction(rail: Rail) -> None:
    answer = make(rail)
    back = types(answer, "", "cancel")
    assert back.headers["location"] == f"{RETURN}?status=cancelled&tx_ref={answer.provider_id}"
    assert ask(rail, answer).verdict is PaymentVerdict.PENDING


def test_a_card_that_nobody_knows_pays_nothing(rail: Rail, simulators: Simulators) -> None:
    assert "no such test card" in types(make(rail), "1234").text
    assert books(simulators)["charges"] == []


def test_nobody_pays_after_the_page_has_ended(stub: Stub) -> None:
    now = [datetime.now(UTC)]
    with serve(gateway_url=stub.url, clock=lambda: now[0]) as simulators:
        settings = SimpleNamespace(flutterwave_base_url="", flutterwave_secret_key="", flutterwave_hash="")
        answer = make(build(settings, simulators.url + "/flutterwave", Tools()))
        now[0] += timedelta(hours=24)
        assert "this page is over" in types(answer, Magic.PAYS.card).text


def test_the_books_and_the_statement_agree(rail: Rail, simulators: Simulators) -> None:
    reference = "QTHXK948"
    make(rail, reference, Money.major(700))
    assert control(simulators, "/pay", reference=reference, card=Magic.PAYS.card).json()["status"] == "successful"
    (charge,) = books(simulators)["charges"]
    (line,) = SimulatedStatement("flutterwave", simulators.url).statement(
        datetime(2020, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
    ) or [None]
    assert line
    assert (line.receipt, line.amount, line.reference) == (str(charge["id"]), Money.major(700), reference)
    assert (line.kind, line.done) == ("card", True)


def test_a_page_that_hangs_is_there_all_the_same(rail: Rail, simulators: Simulators) -> None:
    control(simulators, "/settings", create_hangs=True)
    answer = make(rail, "QTHXK948")
    assert (answer.outcome, answer.provider_id) == (Outcome.UNKNOWN, "QTHXK948")
    assert [page["reference"] for page in books(simulators)["pages"]] == ["QTHXK948"]


def test_a_second_page_under_one_reference_is_refused(rail: Rail) -> None:
    make(rail, "QTHXK948")
    assert make(rail, "QTHXK948").outcome is Outcome.REJECTED


def test_a_wrong_key_is_refused_at_every_address(simulators: Simulators) -> None:
    for path in ("/v3/balances/KES", "/v3/transactions/verify_by_reference?tx_ref=A", "/v3/transfers"):
        for header in ({}, {"Authorization": f"Bearer {WRONG_KEY}"}):
            answer = requests.get(f"{simulators.url}/flutterwave{path}", headers=header, timeout=5)
            assert (answer.status_code, answer.json()["status"]) == (401, "error")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/pay", {"reference": "NOBODY", "card": Magic.PAYS.card}),
        ("/transfer", {"reference": "NOBODY", "status": "SUCCESSFUL"}),
        ("/settings", {"no_such": 1}),
    ],
)
def test_a_control_call_that_makes_no_sense_says_so(simulators: Simulators, path: str, fields: dict[str, Any]) -> None:
    answer = control(simulators, path, **fields)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_its_cards_and_numbers_are_listed(simulators: Simulators) -> None:
    listed = requests.get(f"{simulators.url}/control/magic", timeout=5).json()["flutterwave"]
    assert {each["name"] for each in listed} == {each.name for each in [*Magic, *Payee]}


def send(rail: Rail, stub: Stub, own_id: str, phone: Phone = PAYEE, amount: Money | None = None) -> Any:
    assert rail.pays_out
    return rail.pays_out.pay(
        own_id=own_id,
        phone=phone,
        amount=amount or Money.major(500),
        remarks="Mlango",
        addresses=lambda channel: f"{stub.url}/hooks/own/{channel}",
    )


def settled(rail: Rail, own_id: str, provider_id: str | None = None) -> PaymentVerdict:
    assert rail.pays_out
    return rail.pays_out.ask_payout(own_id=own_id, provider_id=provider_id, addresses=str).verdict


@pytest.mark.parametrize(
    ("own_id", "phone", "verdict"),
    [
        ("WD-1", PAYEE, PaymentVerdict.PAID),
        ("WD-2", Phone(Payee.FAILS.e164), PaymentVerdict.FAILED),
        ("WD-3_PMCK_ST_F", PAYEE, PaymentVerdict.FAILED),
        ("WD-4_PMCK", Phone(Payee.FAILS.e164), PaymentVerdict.PAID),
    ],
)
def test_a_transfer_arrives_or_fails_and_is_told_at_its_own_address(
    rail: Rail, stub: Stub, own_id: str, phone: Phone, verdict: PaymentVerdict
) -> None:
    answer = send(rail, stub, own_id, phone)
    assert answer.outcome is Outcome.ACCEPTED
    (call,) = stub.wait_for(OUT)
    dashboard, out = rail.channels
    assert out.signed
    assert out.signed(call.headers, call.body)
    told: Any = out.read(call.body)
    assert (told.verdict, told.own_id, told.provider_id) == (verdict, own_id, answer.provider_id)
    assert dashboard.read(call.body) is None, "no payment"
    assert settled(rail, own_id, answer.provider_id) is settled(rail, own_id) is verdict


def test_a_late_transfer_is_pending_until_it_is_settled(rail: Rail, simulators: Simulators, stub: Stub) -> None:
    send(rail, stub, "WD-1", Phone(Payee.WAITS.e164))
    assert settled(rail, "WD-1") is PaymentVerdict.PENDING
    assert control(simulators, "/transfer", reference="WD-1", status="SUCCESSFUL").ok
    assert settled(rail, "WD-1") is PaymentVerdict.PAID
    control(simulators, "/transfer", reference="WD-1", status="FAILED")
    assert settled(rail, "WD-1") is PaymentVerdict.PAID, "what is settled stays"


def test_the_same_reference_is_never_paid_twice(rail: Rail, stub: Stub, simulators: Simulators) -> None:
    send(rail, stub, "WD-1")
    assert send(rail, stub, "WD-1").duplicate
    assert len(books(simulators)["transfers"]) == 1


def test_more_than_there_is_is_not_paid(rail: Rail, stub: Stub) -> None:
    assert send(rail, stub, "WD-1", amount=Money.major(1_000_001)).reason == "no_float"


def test_the_balance_counts_what_came_and_what_went(rail: Rail, simulators: Simulators, stub: Stub) -> None:
    make(rail, "QTHXK948", Money(70_050))
    control(simulators, "/pay", reference="QTHXK948", card=Magic.PAYS.card)
    send(rail, stub, "WD-1", amount=Money.major(200))
    stub.wait_for(OUT)
    assert rail.tells_balance
    told = rail.tells_balance.ask_balance(addresses=str)
    assert isinstance(told, BalanceResult)
    assert told.accounts == {"available": Money.major(1_000_000) + Money(70_050) - Money.major(200)}
    assert rail.is_up()


def test_a_refund_gives_back_once(rail: Rail, simulators: Simulators, stub: Stub) -> None:
    answer = make(rail)
    types(answer, Magic.PAYS.card)
    (paid,) = heard(rail, stub)
    assert rail.gives_back
    assert rail.tells_given_back

    def back(own_id: str) -> Any:
        assert rail.gives_back
        return rail.gives_back.give_back(
            own_id=own_id, receipt=paid.receipt or "", amount=Money.major(500), addresses=str
        )

    done = back("BACK-1")
    assert done.result.verdict is PaymentVerdict.PAID
    asked = rail.tells_given_back.ask_given_back(own_id="BACK-1", provider_id=done.provider_id)
    assert asked.verdict is PaymentVerdict.PAID
    assert back("BACK-1").reason == "already"
    eventually(lambda: books(simulators)["charges"][0]["refunded_minor"] == 50_000)
