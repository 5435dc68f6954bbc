"""Our clients and the simulated PayHero, over loopback: every magic number, persons at their phones, and the books."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import phonenumbers
import pytest
import requests
from requests.auth import HTTPBasicAuth

from gateway.domain.money import Money
from gateway.domain.phone import Phone, parse_phone
from integrations.http import Patience
from integrations.payhero.callbacks import read_payment, read_payout
from integrations.payhero.calls import Bearer, Calls
from integrations.payhero.client import PayHero
from integrations.payhero.ledger import OPENING_FLOAT
from integrations.payhero.magic import Magic, PaidMagic
from integrations.payhero.older import OlderPayHero
from integrations.payhero.prompts import Prompts
from integrations.payhero.withdrawals import Withdrawals
from integrations.protocols import BalanceResult, Outcome, PaymentResult, PaymentVerdict, PayoutAnswer, PromptAnswer
from integrations.simulators import Simulators
from integrations.statements import SimulatedStatement
from tests.house import eventually
from tests.integrations.stub import Stub, as_json

PERSON = Phone("+254711000001")
HOOK, OUT = "/hooks/abc/payhero", "/hooks/abc/payhero-out"
QUICK = Patience(timeout_seconds=0.4, attempts=1)
PAID, FAILED = PaymentVerdict.PAID, PaymentVerdict.FAILED
Client = PayHero | OlderPayHero


@pytest.fixture
def calls(simulators: Simulators, stub: Stub) -> Calls:
    stub.says(HOOK, as_json({}))
    stub.says(OUT, as_json({}))
    return Calls(simulators.url + "/payhero", HTTPBasicAuth("user", "password"), QUICK)


@pytest.fixture
def v2(calls: Calls) -> PayHero:
    return PayHero(calls, 1)


@pytest.fixture
def older(simulators: Simulators, calls: Calls) -> OlderPayHero:
    return OlderPayHero(Calls(simulators.url + "/payhero", Bearer("key"), QUICK))


@pytest.fixture
def withdrawals(calls: Calls) -> Withdrawals:
    return Withdrawals(calls, 1)


@pytest.fixture(params=["v2", "older"])
def either(request: pytest.FixtureRequest) -> Client:
    client: Client = request.getfixturevalue(request.param)
    return client


@pytest.fixture
def prompts(simulators: Simulators) -> Prompts:
    found: Prompts = simulators.rails["payhero"].prompts
    return found


def at(stub: Stub) -> Callable[[str], str]:
    return lambda channel: f"{stub.url}/hooks/abc/{channel}"


def push(client: Client, stub: Stub, phone: Phone = PERSON, shillings: int = 500) -> PromptAnswer:
    amount = Money.major(shillings)
    return client.prompt(phone=phone, amount=amount, reference="7F3K9QAB", description="", addresses=at(stub))


def pay(withdrawals: Withdrawals, stub: Stub, phone: Phone = PERSON, shillings: int = 500) -> PayoutAnswer:
    amount = Money.major(shillings)
    return withdrawals.pay(own_id="PO-1", phone=phone, amount=amount, remarks="", addresses=at(stub))


def results(stub: Stub, number: int = 1) -> list[PaymentResult]:
    read = [read_payment(call.body) for call in stub.wait_for(HOOK, number)]
    assert None not in read
    return read  # type: ignore[return-value]


def control(simulators: Simulators, path: str, **body: Any) -> Any:
    return requests.post(f"{simulators.url}/control/payhero{path}", json=body, timeout=5).json()


def look(simulators: Simulators, path: str, **query: str) -> Any:
    return requests.get(f"{simulators.url}/control/payhero{path}", params=query, timeout=5).json()


@pytest.mark.parametrize("magic", [*Magic, *PaidMagic])
def test_every_magic_number_is_a_kenyan_mobile(magic: Magic | PaidMagic) -> None:
    assert parse_phone(magic.e164).e164 == magic.e164
    assert phonenumbers.is_valid_number(phonenumbers.parse(magic.e164))


@pytest.mark.parametrize(
    ("magic", "verdict", "reason", "shillings"),
    [
        (Magic.PAYS, PAID, "", 500),
        (Magic.CANCELS, FAILED, "cancelled", 0),
        (Magic.HAS_NO_MONEY, FAILED, "no_money", 0),
        (Magic.TYPES_WRONG_PIN, FAILED, "wrong_pin", 0),
        (Magic.PAYS_LESS, PAID, "", 490),
        (Magic.PAYS_MORE, PAID, "", 510),
        (Magic.TEXT_AMOUNT, PAID, "", 500),
    ],
)
def test_magic_numbers_answer_by_themselves(
    prompts: Prompts,
    either: Client,
    stub: Stub,
    magic: Magic,
    verdict: PaymentVerdict,
    reason: str,
    shillings: int,
) -> None:
    accepted = push(either, stub, Phone(magic.e164))
    assert (accepted.outcome, accepted.provider_id is not None) == (Outcome.ACCEPTED, True)
    (result,) = results(stub)
    assert (result.verdict, result.reference, result.provider_id) == (verdict, "7F3K9QAB", None)
    assert result.request_id == accepted.request_id
    assert prompts.books.organisation == shillings
    assert prompts.books.balance(magic.e164) == 10_000 - shillings
    if shillings:
        assert (result.amount, result.payer) == (Money.major(shillings), Phone(magic.e164))
        assert [receipt.receipt for receipt in prompts.books.receipts] == [result.receipt]
    if isinstance(either, PayHero):
        asked = either.ask(accepted.provider_id or "")
        assert (asked.verdict, asked.receipt, result.reason) == (verdict, result.receipt, reason)


def test_text_is_text_on_the_wire(either: Client, stub: Stub) -> None:
    push(either, stub, Phone(Magic.TEXT_AMOUNT.e164))
    told = json.loads(stub.wait_for(HOOK)[0].body)
    assert told.get("response", {"Amount": told.get("amount")})["Amount"] == "500"


def test_callbacks_look_as_documented(v2: PayHero, older: OlderPayHero, stub: Stub) -> None:
    push(v2, stub, Phone(Magic.PAYS.e164))
    told = json.loads(stub.wait_for(HOOK)[0].body)
    assert (set(told), told["status"], told["forward_url"]) == ({"forward_url", "response", "status"}, True, "")
    assert set(told["response"]) == {
        *("Amount", "CheckoutRequestID", "ExternalReference", "MerchantRequestID", "MpesaReceiptNumber", "Phone"),
        *("ResultCode", "ResultDesc", "Status"),
    }
    push(older, stub, Phone(Magic.PAYS.e164))
    told = json.loads(stub.wait_for(HOOK, 2)[1].body)
    assert set(told) == {"transaction_id", "status", "external_reference", "amount", "phone_number"}


@pytest.mark.parametrize(("contract", "nested"), [("older", False), ("v2", True)])
def test_the_form_of_callbacks_can_be_chosen(
    simulators: Simulators, either: Client, stub: Stub, contract: str, nested: bool
) -> None:
    control(simulators, "/settings", contract=contract)
    push(either, stub, Phone(Magic.PAYS.e164))
    assert ("response" in json.loads(stub.wait_for(HOOK)[0].body)) is nested
    assert results(stub)[0].verdict is PAID


def test_who_never_answers_times_out(simulators: Simulators, v2: PayHero, stub: Stub) -> None:
    control(simulators, "/settings", prompt_seconds=0.1)
    push(v2, stub, Phone(Magic.NEVER_ANSWERS.e164))
    (result,) = results(stub)
    assert (result.verdict, result.code, result.reason) == (FAILED, "1037", "timeout")


def test_a_lost_callback_is_found_by_asking(prompts: Prompts, v2: PayHero, stub: Stub) -> None:
    accepted = push(v2, stub, Phone(Magic.CALLBACK_LOST.e164))
    eventually(lambda: prompts.books.receipts)
    asked = v2.ask(accepted.provider_id or "")
    assert (asked.verdict, asked.receipt) == (PAID, prompts.books.receipts[0].receipt)
    assert stub.calls(HOOK) == []


def test_a_callback_may_come_before_the_answer(either: Client, stub: Stub) -> None:
    push(either, stub, Phone(Magic.CALLBACK_EARLY.e164))
    assert len(stub.calls(HOOK)) == 1  # no waiting: it was there first


def test_a_callback_may_come_twice_for_one_payment(prompts: Prompts, either: Client, stub: Stub) -> None:
    push(either, stub, Phone(Magic.CALLBACK_TWICE.e164))
    first, second = results(stub, 2)
    assert (first, len(prompts.books.receipts)) == (second, 1)


def test_a_request_that_hangs_is_unknown_to_us_and_paid_all_the_same(
    prompts: Prompts, either: Client, stub: Stub
) -> None:
    assert push(either, stub, Phone(Magic.HTTP_HANGS.e164)).outcome is Outcome.UNKNOWN
    assert results(stub)[0].verdict is PAID
    assert prompts.books.organisation == 500


def test_a_refused_request_prompts_nobody(prompts: Prompts, either: Client, stub: Stub) -> None:
    answer = push(either, stub, Phone(Magic.REFUSED.e164))
    assert (answer.outcome, answer.reason, answer.retry_safe) == (Outcome.REJECTED, "declined", False)
    assert prompts.all() == []


def test_a_phone_with_a_prompt_is_busy(either: Client, stub: Stub) -> None:
    push(either, stub)
    push(either, stub)
    assert results(stub)[0].verdict is FAILED


@pytest.mark.parametrize(
    ("how", "fields", "verdict"), [("accept", {}, PAID), ("accept", {"pin_ok": False}, FAILED), ("refuse", {}, FAILED)]
)
def test_a_person_answers(
    simulators: Simulators, either: Client, stub: Stub, how: str, fields: dict[str, Any], verdict: PaymentVerdict
) -> None:
    push(either, stub)
    shown = look(simulators, "/prompts", phone=PERSON.national)
    (prompt,) = shown["prompts"]
    assert (prompt["amount"], prompt["reference"], shown["balance"]) == (500, "7F3K9QAB", 10_000)
    answered = control(simulators, f"/{how}", id=prompt["id"], **fields)
    (result,) = results(stub)
    assert (result.verdict, result.receipt) == (verdict, answered["receipt"])
    assert look(simulators, "/prompts")["prompts"] == []
    assert "error" in control(simulators, "/accept", id=prompt["id"])


def test_money_that_is_not_there_is_not_paid(simulators: Simulators, v2: PayHero, stub: Stub) -> None:
    control(simulators, "/balance", phone=PERSON.e164, balance=499)
    push(v2, stub)
    (prompt,) = look(simulators, "/prompts")["prompts"]
    assert control(simulators, "/accept", id=prompt["id"]) == {"code": "1", "receipt": None}
    assert results(stub)[0].reason == "no_money"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/settings", {"contract": "v3"}),
        ("/settings", {"contract": "older", "nothing": 1}),
        ("/settings", {"contract": 5}),
        ("/balance", {"phone": "x", "balance": 1}),
        ("/balance", {"phone": "0711000001", "balance": "1"}),
        ("/accept", {}),
    ],
)
def test_a_control_that_makes_no_sense_is_refused(simulators: Simulators, path: str, body: dict[str, Any]) -> None:
    assert set(control(simulators, path, **body)) == {"error"}
    assert simulators.rails["payhero"].options.contract == ""


@pytest.mark.parametrize("auth", [HTTPBasicAuth("wrong", "p"), Bearer("wrong"), Bearer("")])
def test_wrong_credentials_are_refused_everywhere(simulators: Simulators, stub: Stub, auth: Any) -> None:
    calls = Calls(simulators.url + "/payhero", auth, QUICK)
    assert push(PayHero(calls, 1), stub).code == "401"
    assert pay(Withdrawals(calls, 1), stub).code == "401"
    assert PayHero(calls, 1).ask_balance(addresses=str) is Outcome.UNKNOWN
    assert not PayHero(calls, 1).is_up()


@pytest.mark.parametrize("field", ["amount", "phone_number", "channel_id", "provider", "callback_url"])
def test_a_missing_field_is_refused(simulators: Simulators, v2: PayHero, stub: Stub, field: str) -> None:
    fields = {"amount": 5, "phone_number": "0711000001", "channel_id": 1, "provider": "m-pesa"}
    fields["callback_url"] = stub.url + HOOK
    del fields[field]
    answer = requests.post(simulators.url + "/payhero/payments", json=fields, auth=("u", "p"), timeout=5)
    assert (answer.status_code, answer.json()["error_message"]) == (400, f"{field} is not valid")


def test_the_older_contract_has_no_other_address(simulators: Simulators, older: OlderPayHero) -> None:
    calls = older._calls
    assert [calls.ask(path).status for path in ("/transactions", "/wallets")] == [404, 404]  # type: ignore[union-attr]
    assert older.is_up()


# Withdrawals.


def test_a_withdrawal_is_paid_told_and_booked(prompts: Prompts, withdrawals: Withdrawals, stub: Stub) -> None:
    answer = pay(withdrawals, stub)
    assert (answer.outcome, answer.provider_id is not None) == (Outcome.ACCEPTED, True)
    result = read_payout(stub.wait_for(OUT)[0].body)
    assert result is not None
    assert (result.verdict, result.own_id, result.amount, result.payee) == (PAID, "PO-1", Money.major(500), PERSON)
    assert (prompts.books.balance(PERSON.e164), prompts.books.organisation) == (10_500, -500)
    asked = withdrawals.ask_payout(own_id="PO-1", provider_id=answer.provider_id, addresses=str)
    assert (asked.verdict, asked.receipt) == (PAID, result.receipt)
    assert asked.receipt == prompts.books.receipts[0].receipt


def test_a_withdrawal_that_fails_moves_no_money(prompts: Prompts, withdrawals: Withdrawals, stub: Stub) -> None:
    answer = pay(withdrawals, stub, Phone(PaidMagic.NOT_REGISTERED.e164))
    result = read_payout(stub.wait_for(OUT)[0].body)
    assert result is not None
    assert (result.verdict, result.code, result.reason, result.receipt) == (FAILED, "2040", "not_registered", None)
    assert (prompts.books.organisation, prompts.books.receipts) == (0, [])
    asked = withdrawals.ask_payout(own_id="PO-1", provider_id=answer.provider_id, addresses=str)
    assert asked.verdict is FAILED


@pytest.mark.parametrize("magic", [PaidMagic.PAID_SILENTLY, PaidMagic.PAID_HANGS])
def test_a_withdrawal_nobody_told_of_is_found_by_our_reference(
    prompts: Prompts, withdrawals: Withdrawals, stub: Stub, magic: PaidMagic
) -> None:
    answer = pay(withdrawals, stub, Phone(magic.e164))
    assert (answer.outcome is Outcome.UNKNOWN) == (magic is PaidMagic.PAID_HANGS)
    eventually(lambda: prompts.books.receipts)
    found = withdrawals.ask_payout(own_id="PO-1", provider_id=None, addresses=str)
    assert (found.verdict, found.amount, found.payee) == (PAID, Money.major(500), Phone(magic.e164))
    assert withdrawals.ask_payout(own_id="PO-2", provider_id=None, addresses=str).verdict is PaymentVerdict.NO_ANSWER


def test_a_withdrawal_may_be_told_twice_or_early(prompts: Prompts, withdrawals: Withdrawals, stub: Stub) -> None:
    pay(withdrawals, stub, Phone(PaidMagic.PAID_EARLY.e164))
    assert len(stub.calls(OUT)) == 1
    pay(withdrawals, stub, Phone(PaidMagic.PAID_TWICE_TOLD.e164))
    assert stub.wait_for(OUT, 3)[1].body == stub.calls(OUT)[2].body
    assert prompts.books.organisation == -1000


def test_a_refused_withdrawal_moves_no_money(prompts: Prompts, withdrawals: Withdrawals, stub: Stub) -> None:
    answer = pay(withdrawals, stub, Phone(PaidMagic.NOT_ACCEPTED.e164))
    assert (answer.outcome, answer.retry_safe) == (Outcome.REJECTED, False)
    assert withdrawals.ask_payout(own_id="PO-1", provider_id=None, addresses=str).verdict is PaymentVerdict.NO_ANSWER
    assert prompts.books.organisation == 0


def test_more_than_the_wallet_holds_is_refused(prompts: Prompts, withdrawals: Withdrawals, stub: Stub) -> None:
    prompts.books.organisation = 499 - OPENING_FLOAT
    answer = pay(withdrawals, stub)
    assert (answer.outcome, answer.reason) == (Outcome.REJECTED, "no_float")


def test_the_same_reference_twice_is_paid_twice(prompts: Prompts, withdrawals: Withdrawals, stub: Stub) -> None:
    pay(withdrawals, stub)
    pay(withdrawals, stub)
    stub.wait_for(OUT, 2)
    assert prompts.books.organisation == -1000


# Balance, statement, books.


def test_balance_statement_and_books_agree(
    simulators: Simulators, prompts: Prompts, v2: PayHero, withdrawals: Withdrawals, stub: Stub
) -> None:
    push(v2, stub, Phone(Magic.PAYS.e164), 700)
    stub.wait_for(HOOK)
    pay(withdrawals, stub, shillings=200)
    stub.wait_for(OUT)
    told = v2.ask_balance(addresses=str)
    assert isinstance(told, BalanceResult)
    assert told.accounts["payment_wallet"] == Money.major(OPENING_FLOAT + 500)
    first, second = prompts.books.receipts
    lines = SimulatedStatement("payhero", simulators.url).statement(first.at, prompts.clock())
    assert lines is not None
    assert [(line.receipt, line.amount, line.reference, line.kind) for line in lines] == [
        (first.receipt, Money.major(700), "7F3K9QAB", "Payment"),
        (second.receipt, Money.major(-200), "PO-1", "Withdrawal"),
    ]
    assert look(simulators, "/books")["organisation"] == 500
    assert v2.is_up()


@pytest.mark.parametrize("channel_id", [1, 133])
def test_the_payment_wallet_is_found_with_and_without_its_channel(calls: Calls, channel_id: int) -> None:
    told = PayHero(calls, channel_id).ask_balance(addresses=str)
    assert isinstance(told, BalanceResult)
    assert told.accounts == {"service_wallet": Money.major(500), "payment_wallet": Money.major(OPENING_FLOAT)}
