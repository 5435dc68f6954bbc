"""The simulated paybill: people who pay unasked, the question before, what is reported, and the portal's file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest
import requests

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.settings import load_settings
from integrations.mpesa.options import Options as MpesaOptions
from integrations.mpesa.paybill import PaybillCheck, read_paybill
from integrations.mpesa.portal import read_portal_csv
from integrations.mpesa.rail import build
from integrations.protocols import Outcome, Rail, Refusal
from integrations.rails import Tools
from integrations.simulators import Options, Simulators, serve
from tests.integrations.stub import Said, Stub

TOKEN = "0123456789abcdef"
PERSON = Phone("+254711000001")
ASKED, TOLD = f"/hooks/{TOKEN}/paybill-check", f"/hooks/{TOKEN}/paybill"


@pytest.fixture
def simulators(stub: Stub) -> Iterator[Simulators]:
    quick = Options(rails={"mpesa": MpesaOptions(answer_seconds=0.02, late_seconds=0.1)})
    for path in (ASKED, TOLD):
        stub.says(path, Said(b'{"ResultCode":"0","ResultDesc":"Accepted"}'))
    with serve(gateway_url=stub.url, options=quick, environ={"CALLBACK_TOKEN": TOKEN}) as running:
        yield running


@pytest.fixture
def at(stub: Stub) -> Callable[[str], str]:
    return lambda name: f"{stub.url}/hooks/{TOKEN}/{name}"


def rail(simulators: Simulators, version: str = "v2") -> Rail:
    settings = load_settings(app_env="test", mpesa_c2b_version=version, mpesa_shortcode="600966")
    return build(settings, simulators.url + "/mpesa", Tools())


def register(simulators: Simulators, at: Callable[[str], str], version: str = "v2") -> tuple[Outcome, str]:
    registers = rail(simulators, version).registers
    assert registers
    return registers.register(at)


def pays(simulators: Simulators, **changes: Any) -> Any:
    body = {"phone": "0711000001", "amount": 300, "account": "ML7F3K9Q"} | changes
    return requests.post(f"{simulators.url}/control/mpesa/paybill", json=body, timeout=5).json()


def control(simulators: Simulators, path: str, **body: Any) -> Any:
    return requests.post(f"{simulators.url}/control/mpesa{path}", json=body, timeout=5).json()


def test_until_addresses_are_registered_the_gateway_hears_at_its_own(simulators: Simulators, stub: Stub) -> None:
    paid = pays(simulators)
    (call,) = stub.wait_for(TOLD)
    notice = read_paybill(call.body)
    assert notice is not None
    assert (notice.receipt, notice.amount, notice.typed) == (paid["receipt"], Money.major(300), "ML7F3K9Q")
    assert (notice.payer, notice.payer_told) == (None, "2547 ***** 001")
    assert notice.occurred_at == simulators.mpesa.books.receipts[0].occurred_at
    assert simulators.mpesa.books.organisation == 300
    assert stub.calls(ASKED) == []


def test_a_registered_address_is_asked_first_and_told_afterwards(
    simulators: Simulators, stub: Stub, at: Callable[[str], str]
) -> None:
    assert register(simulators, at)[0] is Outcome.ACCEPTED
    paid = pays(simulators)
    (told,) = stub.wait_for(TOLD)
    (asked,) = stub.calls(ASKED)
    assert stub.heard.index(asked) < stub.heard.index(told)
    assert asked.json == told.json | {"OrgAccountBalance": ""}
    assert told.json["OrgAccountBalance"] == "100300.00"
    assert (told.json["TransID"], told.json["BusinessShortCode"]) == (paid["receipt"], "600966")
    assert list(told.json) == [
        "TransactionType", "TransID", "TransTime", "TransAmount", "BusinessShortCode", "BillRefNumber", "InvoiceNumber",
        "OrgAccountBalance", "ThirdPartyTransID", "MSISDN", "FirstName", "MiddleName", "LastName",
    ]  # fmt: skip
    assert all(isinstance(value, str) for value in told.json.values())


@pytest.mark.parametrize(
    ("refusal", "code"), [("unknown_account", "C2B00012"), ("bad_amount", "C2B00013"), ("other", "C2B00016")]
)
def test_a_payment_that_is_refused_moves_nothing(
    simulators: Simulators, stub: Stub, at: Callable[[str], str], refusal: Refusal, code: str
) -> None:
    register(simulators, at)
    stub.says(ASKED, Said(json.dumps(PaybillCheck().answer(refusal)).encode()))
    assert pays(simulators) == {"code": code, "receipt": None}
    assert simulators.mpesa.books.receipts == []
    assert stub.calls(TOLD) == []


@pytest.mark.parametrize("silence", [Said(dead=True), Said(b"", 500), Said(b"<html>"), Said(b"{}")])
def test_silence_lets_a_payment_through_as_we_registered(
    simulators: Simulators, stub: Stub, at: Callable[[str], str], silence: Said
) -> None:
    register(simulators, at)
    stub.says(ASKED, silence)
    assert pays(simulators)["code"] == "0"
    stub.wait_for(TOLD)


def test_a_shortcode_without_validation_asks_nothing(
    simulators: Simulators, stub: Stub, at: Callable[[str], str]
) -> None:
    register(simulators, at)
    control(simulators, "/settings", validates=False)
    pays(simulators)
    stub.wait_for(TOLD)
    assert stub.calls(ASKED) == []


def test_in_production_addresses_are_registered_once(simulators: Simulators, at: Callable[[str], str]) -> None:
    control(simulators, "/settings", register_once=True)
    assert register(simulators, at)[0] is Outcome.ACCEPTED
    outcome, sentence = register(simulators, at, "v1")
    assert outcome is Outcome.REJECTED
    assert sentence.startswith("Urls are already registered.")


def test_addresses_that_daraja_does_not_like_are_refused(simulators: Simulators) -> None:
    registers = rail(simulators).registers
    assert registers
    assert registers.register(lambda name: f"https://example.org/mpesa/{name}")[0] is Outcome.REJECTED


@pytest.mark.parametrize(
    ("version", "form", "told"),
    [
        ("v1", None, sha256(b"254711000001").hexdigest()),
        ("v2", None, "2547 ***** 001"),
        ("v2", "hash", sha256(b"254711000001").hexdigest()),
        ("v1", "masked", "2547 ***** 001"),
        ("v2", "clear", "254711000001"),
    ],
)
def test_the_payer_is_told_as_the_version_has_it_or_as_asked_for(
    simulators: Simulators, stub: Stub, at: Callable[[str], str], version: str, form: str | None, told: str
) -> None:
    register(simulators, at, version)
    pays(simulators, **({"msisdn_form": form} if form else {}))
    assert stub.wait_for(TOLD)[0].json["MSISDN"] == told


def test_who_has_too_little_pays_nothing(simulators: Simulators, stub: Stub) -> None:
    assert pays(simulators, amount=10_001) == {"code": "1", "receipt": None}
    assert simulators.mpesa.books.organisation == 0


@pytest.mark.parametrize(
    "changes", [{"amount": 0}, {"amount": "5"}, {"amount": 1.5}, {"phone": "5"}, {"msisdn_form": "x"}]
)
def test_a_payment_that_makes_no_sense_is_said_so(simulators: Simulators, changes: dict[str, Any]) -> None:
    assert "error" in pays(simulators, **changes)


@pytest.mark.parametrize(("fate", "times"), [("RESULT_TWICE", 2), ("RESULT_LATE", 1)])
def test_a_report_may_come_twice_or_late(simulators: Simulators, stub: Stub, fate: str, times: int) -> None:
    simulators.mpesa.options.fate = lambda event: fate if event == "arrival" else None
    pays(simulators)
    calls = stub.wait_for(TOLD, times)
    assert len({call.body for call in calls}) == 1


def test_a_report_may_be_lost_though_the_money_came(simulators: Simulators, stub: Stub) -> None:
    fates = iter(["RESULT_LOST", None])
    simulators.mpesa.options.fate = lambda event: next(fates)
    pays(simulators, account="LOST")
    pays(simulators, account="HEARD")
    assert stub.wait_for(TOLD)[0].json["BillRefNumber"] == "HEARD"
    assert simulators.mpesa.books.organisation == 600


@pytest.mark.parametrize("also", [True, False])
def test_a_push_is_reported_as_an_arrival_too_when_asked_for(
    simulators: Simulators, stub: Stub, at: Callable[[str], str], also: bool
) -> None:
    stub.says(f"/hooks/{TOKEN}/stk", Said(b""))
    control(simulators, "/settings", stk_also_confirms=also, auto_accept=True)
    collects = rail(simulators).collects
    assert collects
    collects.prompt(phone=PERSON, amount=Money.major(7), reference="ML7F3K9Q", description="D", addresses=at)
    (call,) = stub.wait_for(f"/hooks/{TOKEN}/stk")
    items = call.json["Body"]["stkCallback"]["CallbackMetadata"]["Item"]
    pays(simulators, account="after")  # reported in any case, and after what the push may have been
    reports = [report.json for report in stub.wait_for(TOLD, 1 + also)]
    of_push = [report for report in reports if report["BillRefNumber"] == "ML7F3K9Q"]
    assert [report["TransID"] for report in of_push] == [items[1]["Value"]] * also


def test_the_portals_file_says_what_the_statement_says(
    simulators: Simulators, stub: Stub, at: Callable[[str], str]
) -> None:
    for name in ("b2c", "undo"):
        stub.says(f"/hooks/{TOKEN}/{name}", Said(b""))
    paid = pays(simulators, account='A, "quoted" one')
    built = rail(simulators)
    assert built.pays_out
    assert built.gives_back
    built.pays_out.pay(own_id="mine-1", phone=PERSON, amount=Money.major(1500), remarks="Out", addresses=at)
    stub.wait_for(f"/hooks/{TOKEN}/b2c")
    built.gives_back.give_back(own_id="back-1", receipt=paid["receipt"], amount=Money.major(300), addresses=at)
    stub.wait_for(f"/hooks/{TOKEN}/undo")

    file = requests.get(f"{simulators.url}/control/mpesa/portal.csv", timeout=5)
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    read = read_portal_csv(file.content)
    statement = simulators.mpesa.books.statement()
    by_receipt = {line.receipt: line for line in statement}
    assert {line.receipt: line for line in read} == by_receipt
    assert [line.amount.whole_units for line in statement] == [300, -1500, -300]
    assert [line.reference for line in statement] == ['A, "quoted" one', "mine-1", paid["receipt"]]
