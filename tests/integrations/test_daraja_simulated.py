"""Our whole M-Pesa rail and the simulated one, over loopback: payouts, questions, reversals and their books."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import phonenumbers
import pytest
import requests

from gateway.domain.money import Money
from gateway.domain.phone import Phone, parse_phone
from gateway.settings import load_settings
from integrations.mpesa.magic import Magic
from integrations.mpesa.payees import Payee
from integrations.mpesa.rail import CHANNELS, build
from integrations.protocols import (
    BalanceResult,
    LookupResult,
    Outcome,
    PaymentVerdict,
    PayoutAnswer,
    PayoutResult,
    Rail,
)
from integrations.rails import Tools
from integrations.simulators import Simulators
from tests.integrations.stub import Said, Stub

PERSON = Phone("+254711000001")
PAID, FAILED, PENDING = PaymentVerdict.PAID, PaymentVerdict.FAILED, PaymentVerdict.PENDING
READERS = {channel.name: channel.read for channel in CHANNELS}


@pytest.fixture
def rail(simulators: Simulators, stub: Stub) -> Rail:
    for name in READERS:
        stub.says(f"/hooks/ab/{name}", Said(b'{"ResultCode":0}'))
    return build(load_settings(app_env="test"), simulators.url + "/mpesa", Tools())


@pytest.fixture
def at(stub: Stub) -> Callable[[str], str]:
    return lambda name: f"{stub.url}/hooks/ab/{name}"


Pay = Callable[..., PayoutAnswer]
NUMBERS = itertools.count(1)


def own_id() -> str:
    return f"payout-{next(NUMBERS):06}"


@pytest.fixture
def pay(rail: Rail, at: Callable[[str], str]) -> Pay:
    def pay(phone: Phone = PERSON, shillings: int = 500, mine: str = "") -> PayoutAnswer:
        assert rail.pays_out
        return rail.pays_out.pay(
            own_id=mine or own_id(), phone=phone, amount=Money.major(shillings), remarks="Withdrawal", addresses=at
        )

    return pay


def told(stub: Stub, name: str, number: int = 1) -> list[Any]:
    """What came to one of our addresses, in our words."""
    read = [READERS[name](call.body) for call in stub.wait_for(f"/hooks/ab/{name}", number)]
    assert None not in read
    return read


def control(simulators: Simulators, path: str, **body: Any) -> Any:
    return requests.post(f"{simulators.url}/control/mpesa{path}", json=body, timeout=5).json()


def state_of(rail: Rail, stub: Stub, at: Callable[[str], str], mine: str, number: int = 1) -> PayoutResult:
    assert rail.pays_out
    assert rail.pays_out.ask_payout(own_id=mine, provider_id=None, addresses=at).verdict is PENDING
    result: PayoutResult = told(stub, "payout-state", number)[-1]
    return result


@pytest.mark.parametrize("payee", list(Payee))
def test_every_payees_number_is_a_kenyan_mobile_of_its_own(payee: Payee) -> None:
    assert parse_phone(payee.e164).e164 == payee.e164
    assert phonenumbers.is_valid_number(phonenumbers.parse(payee.e164))
    assert payee.e164 not in {magic.e164 for magic in Magic}


def test_a_person_is_paid_and_both_books_say_so(simulators: Simulators, stub: Stub, pay: Pay) -> None:
    accepted = pay(mine="mine-1")
    assert accepted.outcome is Outcome.ACCEPTED
    (result,) = told(stub, "b2c")
    assert result.occurred_at is not None
    books = simulators.mpesa.books
    assert result == PayoutResult(
        PAID,
        "mine-1",
        accepted.provider_id,
        receipt=books.receipts[0].receipt,
        amount=Money.major(500),
        payee=PERSON,
        code="0",
        occurred_at=books.receipts[0].occurred_at,
    )
    assert (books.balance(PERSON.e164), books.organisation, books.available) == (10_500, -500, 99_500)
    (line,) = books.statement()
    assert (line.amount, line.reference, line.receipt) == (Money.major(-500), "mine-1", result.receipt)


@pytest.mark.parametrize(
    ("payee", "code", "reason"),
    [
        (Payee.NOT_REGISTERED, "2040", "not_registered"),
        (Payee.FULL, "8", "limit"),
        (Payee.NO_FLOAT, "1", "no_float"),
        (Payee.STRING_CODE, "SFC_IC0003", "not_registered"),
    ],
)
def test_payouts_that_fail_move_nothing(
    simulators: Simulators, stub: Stub, pay: Pay, payee: Payee, code: str, reason: str
) -> None:
    assert pay(Phone(payee.e164)).outcome is Outcome.ACCEPTED
    (result,) = told(stub, "b2c")
    assert (result.verdict, result.code, result.reason, result.receipt) == (FAILED, code, reason, None)
    assert simulators.mpesa.books.receipts == []


@pytest.mark.parametrize(("shillings", "code"), [(9, "2"), (250_001, "3"), (200_000, "1"), (100_000, "0")])
def test_amounts_are_judged_as_documented(
    simulators: Simulators, stub: Stub, pay: Pay, shillings: int, code: str
) -> None:
    pay(shillings=shillings)
    assert told(stub, "b2c")[0].code == code


def test_nobody_is_paid_more_than_a_wallet_holds_or_takes_in_a_day(
    simulators: Simulators, stub: Stub, pay: Pay
) -> None:
    control(simulators, "/settings", organisation_balance=2_000_000)
    control(simulators, "/balance", phone=PERSON.e164, balance=0)
    for number, (shillings, code) in enumerate([(250_000, "0"), (250_000, "0"), (10, "4")], start=1):
        pay(shillings=shillings)
        assert told(stub, "b2c", number)[-1].code == code
    other = Phone("+254711000002")
    control(simulators, "/balance", phone=other.e164, balance=499_995)
    pay(other, 10)
    assert told(stub, "b2c", 4)[-1].code == "8"


def test_the_same_id_is_paid_once_and_the_second_call_hears_duplicate(
    simulators: Simulators, stub: Stub, pay: Pay
) -> None:
    first, second = pay(mine="mine-2"), pay(mine="mine-2")
    assert (first.outcome, first.duplicate) == (Outcome.ACCEPTED, False)
    assert (second.outcome, second.duplicate) == (Outcome.ACCEPTED, True)
    told(stub, "b2c")
    assert simulators.mpesa.books.organisation == -500


def test_many_calls_with_one_id_at_once_pay_once(simulators: Simulators, stub: Stub, pay: Pay) -> None:
    answers: list[PayoutAnswer] = []
    threads = [threading.Thread(target=lambda: answers.append(pay(mine="mine-3"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told(stub, "b2c")
    assert sorted(answer.duplicate for answer in answers) == [False] + [True] * 5
    assert simulators.mpesa.books.organisation == -500


def test_a_result_may_come_before_the_answer(stub: Stub, pay: Pay) -> None:
    accepted = pay(Phone(Payee.RESULT_EARLY.e164))
    (call,) = stub.calls("/hooks/ab/b2c")  # no waiting: it was there first
    assert accepted.provider_id in call.body.decode()


def test_a_result_may_come_twice_for_one_payout(simulators: Simulators, stub: Stub, pay: Pay) -> None:
    pay(Phone(Payee.RESULT_TWICE.e164))
    first, second = told(stub, "b2c", 2)
    assert first == second
    assert len(simulators.mpesa.books.receipts) == 1


def test_codes_may_be_text(stub: Stub, pay: Pay) -> None:
    pay(Phone(Payee.TEXT_CODES.e164))
    assert told(stub, "b2c")[0].verdict is PAID
    assert stub.calls("/hooks/ab/b2c")[0].json["Result"]["ResultCode"] == "0"


def test_a_late_result_comes_all_the_same(simulators: Simulators, stub: Stub, pay: Pay) -> None:
    control(simulators, "/settings", late_seconds=0.1)
    pay(Phone(Payee.RESULT_LATE.e164))
    assert told(stub, "b2c")[0].verdict is PAID


def test_a_payout_without_an_answer_is_unknown_to_us_and_paid_all_the_same(
    simulators: Simulators, stub: Stub, pay: Pay
) -> None:
    assert pay(Phone(Payee.HTTP_HANGS.e164), mine="mine-4").outcome is Outcome.UNKNOWN
    assert told(stub, "b2c")[0].verdict is PAID
    assert pay(Phone(Payee.HTTP_HANGS.e164), mine="mine-4").duplicate
    assert simulators.mpesa.books.organisation == -500


def test_a_lost_result_is_found_by_asking(
    simulators: Simulators, rail: Rail, stub: Stub, at: Callable[[str], str], pay: Pay
) -> None:
    phone = Phone(Payee.RESULT_LOST.e164)
    accepted = pay(phone, mine="mine-5")
    until(lambda: bool(simulators.mpesa.books.receipts))
    paid = simulators.mpesa.books.receipts[0]
    for number in (1, 2):  # both ways to write the keys
        assert state_of(rail, stub, at, "mine-5", number) == PayoutResult(
            PAID, "mine-5", accepted.provider_id, paid.receipt, Money.major(500), phone, "0", "", paid.occurred_at
        )
    assert stub.calls("/hooks/ab/b2c") == []


def test_a_queue_timeout_says_nothing_of_what_comes_after(simulators: Simulators, stub: Stub, pay: Pay) -> None:
    control(simulators, "/settings", late_seconds=0.1)
    accepted = pay(Phone(Payee.QUEUE_THEN_PAID.e164), mine="mine-6")
    assert told(stub, "b2c-late") == [PayoutResult(PaymentVerdict.NO_ANSWER, "mine-6", accepted.provider_id)]
    assert told(stub, "b2c")[0].verdict is PAID


def test_a_payout_dropped_by_the_queue_is_never_paid_and_a_question_says_so(
    simulators: Simulators, rail: Rail, stub: Stub, at: Callable[[str], str], pay: Pay
) -> None:
    pay(Phone(Payee.QUEUE_NEVER_PAID.e164), mine="mine-7")
    assert told(stub, "b2c-late")[0].verdict is PaymentVerdict.NO_ANSWER
    result = state_of(rail, stub, at, "mine-7")
    assert (result.verdict, result.own_id, result.receipt) == (FAILED, "mine-7", None)
    assert simulators.mpesa.books.receipts == []
    assert stub.calls("/hooks/ab/b2c") == []


def test_a_queue_timeout_may_have_no_body(stub: Stub, pay: Pay) -> None:
    for _ in range(2):
        pay(Phone(Payee.QUEUE_NEVER_PAID.e164))
    told(stub, "b2c-late", 2)
    assert b"" in [call.body for call in stub.calls("/hooks/ab/b2c-late")]


def test_a_spike_arrest_proves_nothing_began_and_the_same_id_is_paid_next(
    simulators: Simulators, stub: Stub, pay: Pay
) -> None:
    phone = Phone(Payee.SPIKE_ARREST.e164)
    stopped = pay(phone, mine="mine-8")
    assert (stopped.outcome, stopped.reason, stopped.retry_safe) == (Outcome.REJECTED, "busy", True)
    assert pay(phone, mine="mine-8") != stopped
    assert told(stub, "b2c")[0].verdict is PAID


def test_a_float_that_was_too_low_once_pays_the_next(stub: Stub, pay: Pay) -> None:
    phone = Phone(Payee.NO_FLOAT_ONCE.e164)
    pay(phone)
    assert told(stub, "b2c")[0].reason == "no_float"
    pay(phone)
    assert told(stub, "b2c", 2)[1].verdict is PAID


def test_a_refused_request_is_no_payout(simulators: Simulators, pay: Pay) -> None:
    refused = pay(Phone(Payee.REFUSED.e164))
    assert (refused.outcome, refused.code, refused.retry_safe) == (Outcome.REJECTED, "400.002.02", True)
    assert simulators.mpesa.payouts.all == {}


def test_a_payout_that_is_not_carried_out_yet_is_pending(
    simulators: Simulators, rail: Rail, stub: Stub, at: Callable[[str], str], pay: Pay
) -> None:
    control(simulators, "/settings", answer_seconds=60.0)
    pay(mine="mine-9")
    control(simulators, "/settings", answer_seconds=0.0)
    assert state_of(rail, stub, at, "mine-9").verdict is PENDING


def test_a_question_about_what_nobody_asked_for_tells_nothing(rail: Rail, stub: Stub, at: Callable[[str], str]) -> None:
    result = state_of(rail, stub, at, "nobody")
    assert (result.verdict, result.own_id, result.code) == (PaymentVerdict.NO_ANSWER, None, "R000002")


@pytest.fixture
def paid(simulators: Simulators) -> str:
    """The receipt of a payment of 300 shillings to our paybill."""
    receipt: str = control(simulators, "/paybill", phone="0711000001", amount=300, account="ML7F3K9Q")["receipt"]
    return receipt


def test_a_receipt_is_looked_up(
    simulators: Simulators, rail: Rail, stub: Stub, at: Callable[[str], str], paid: str
) -> None:
    assert rail.looks_up
    assert rail.looks_up.look_up(receipt=paid, addresses=at) is Outcome.ACCEPTED
    moved = simulators.mpesa.books.receipts[0]
    assert told(stub, "receipt-state") == [
        LookupResult(PAID, paid, Money.major(300), None, "0", "Completed", moved.occurred_at)
    ]
    rail.looks_up.look_up(receipt="SKE0000000", addresses=at)
    unknown = told(stub, "receipt-state", 2)[1]
    assert (unknown.verdict, unknown.receipt) == (FAILED, None)


def give_back(rail: Rail, at: Callable[[str], str], receipt: str, shillings: int = 300) -> PayoutAnswer:
    assert rail.gives_back
    return rail.gives_back.give_back(own_id=own_id(), receipt=receipt, amount=Money.major(shillings), addresses=at)


def test_a_payment_is_given_back_once(
    simulators: Simulators, rail: Rail, stub: Stub, at: Callable[[str], str], paid: str
) -> None:
    accepted = give_back(rail, at, paid)
    (undone,) = told(stub, "undo")
    assert (undone.verdict, undone.provider_id, undone.amount) == (PAID, accepted.provider_id, Money.major(300))
    assert (undone.payee, undone.own_id) == (PERSON, None)
    assert undone.receipt not in (None, paid)
    books = simulators.mpesa.books
    assert (books.organisation, books.balance(PERSON.e164)) == (0, 10_000)
    assert [(line.amount.whole_units, line.reference) for line in books.statement()] == [
        (300, "ML7F3K9Q"),
        (-300, paid),
    ]

    give_back(rail, at, paid)
    again = told(stub, "undo", 2)[1]
    assert (again.verdict, again.code, again.reason) == (FAILED, "R000001", "already")
    assert books.organisation == 0


@pytest.mark.parametrize(("receipt", "shillings"), [("SKE0000000", 300), (None, 299)])
def test_what_was_never_paid_is_not_given_back(
    simulators: Simulators,
    rail: Rail,
    stub: Stub,
    at: Callable[[str], str],
    paid: str,
    receipt: str | None,
    shillings: int,
) -> None:
    give_back(rail, at, receipt or paid, shillings)
    assert (told(stub, "undo")[0].code, simulators.mpesa.books.organisation) == ("R000002", 300)


def test_a_payout_cannot_be_reversed(
    simulators: Simulators, rail: Rail, stub: Stub, at: Callable[[str], str], pay: Pay
) -> None:
    pay()
    receipt = told(stub, "b2c")[0].receipt
    give_back(rail, at, receipt, 500)
    assert told(stub, "undo")[0].verdict is FAILED
    assert simulators.mpesa.books.organisation == -500


def test_money_that_is_gone_is_not_given_back(
    simulators: Simulators, rail: Rail, stub: Stub, at: Callable[[str], str], paid: str
) -> None:
    control(simulators, "/settings", organisation_balance=0)
    simulators.mpesa.books.organisation -= 300
    give_back(rail, at, paid)
    assert (told(stub, "undo")[0].code, told(stub, "undo")[0].reason) == ("1", "no_float")


def test_the_balance_is_told_account_by_account(rail: Rail, stub: Stub, at: Callable[[str], str], paid: str) -> None:
    assert rail.tells_balance
    assert rail.tells_balance.ask_balance(addresses=at) is Outcome.ACCEPTED
    (told_us,) = told(stub, "balance")
    assert isinstance(told_us, BalanceResult)
    assert told_us.accounts["Utility Account"] == Money.major(100_300)
    assert set(told_us.accounts) == {"Working Account", "Float Account", "Utility Account", "Charges Paid Account"}
    assert told_us.occurred_at is not None


@pytest.mark.parametrize(
    ("fate", "channel"),
    [("QUEUE_NEVER_PAID", "balance-late"), ("RESULT_TWICE", "balance"), ("RESULT_EARLY", "balance")],
)
def test_a_fate_may_befall_a_question(
    simulators: Simulators, rail: Rail, stub: Stub, at: Callable[[str], str], fate: str, channel: str
) -> None:
    simulators.mpesa.options.fate = lambda event: fate if event == "balance" else None
    assert rail.tells_balance
    rail.tells_balance.ask_balance(addresses=at)
    told(stub, channel, 2 if fate == "RESULT_TWICE" else 1)


def test_a_seeded_fate_decides_for_payouts_and_never_for_numbers_with_their_own(
    simulators: Simulators, stub: Stub, pay: Pay
) -> None:
    asked: list[str] = []

    def fate(event: str) -> str:
        asked.append(event)
        return "NOT_REGISTERED"

    simulators.mpesa.options.fate = fate
    pay()
    assert told(stub, "b2c")[0].code == "2040"
    pay(Phone(Payee.PAID.e164))
    assert told(stub, "b2c", 2)[1].code == "0"
    assert asked == ["payout"]


def test_a_fate_may_befall_a_push(simulators: Simulators, rail: Rail, stub: Stub, at: Callable[[str], str]) -> None:
    simulators.mpesa.options.fate = lambda event: "CALLBACK_LATE" if event == "push" else None
    control(simulators, "/settings", late_seconds=0.1)
    assert rail.collects
    rail.collects.prompt(phone=PERSON, amount=Money.major(5), reference="R", description="D", addresses=at)
    assert told(stub, "stk")[0].verdict is PAID


def test_the_books_tell_the_opening_balance_and_all_that_moved(
    simulators: Simulators, stub: Stub, pay: Pay, paid: str
) -> None:
    pay()
    told(stub, "b2c")
    books = requests.get(simulators.url + "/control/mpesa/books", timeout=5).json()
    assert (books["opening"], books["organisation"], books["available"]) == (100_000, -200, 99_800)
    assert sum(moved["amount"] for moved in books["receipts"]) == -200
    assert 10_000 - books["subscribers"][PERSON.e164] == -200


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"OriginatorConversationID": ""}, "OriginatorConversationID"),
        ({"InitiatorName": ""}, "InitiatorName"),
        ({"SecurityCredential": "Safaricom999!*!"}, "SecurityCredential"),
        ({"CommandID": "Pay"}, "CommandID"),
        ({"Amount": "10.5"}, "Amount"),
        ({"PartyB": "0708374149"}, "PartyB"),
        ({"Remarks": "x"}, "Remarks"),
        ({"Remarks": "a <b>"}, "Remarks"),
        ({"ResultURL": "https://example.org/mpesa/b2c"}, "ResultURL"),
        ({"QueueTimeOutURL": "nowhere"}, "QueueTimeOutURL"),
    ],
)
def test_the_simulator_refuses_payouts_as_daraja_does(
    simulators: Simulators, changes: dict[str, str], message: str
) -> None:
    at = simulators.url + "/mpesa"
    token = requests.get(
        at + "/oauth/v1/generate", params={"grant_type": "client_credentials"}, auth=("k", "s"), timeout=5
    ).json()["access_token"]
    good = {
        "OriginatorConversationID": "mine",
        "InitiatorName": "apiuser",
        "SecurityCredential": "A" * 342 + "==",
        "CommandID": "BusinessPayment",
        "Amount": 10,
        "PartyA": "600992",
        "PartyB": "254708374149",
        "Remarks": "Withdrawal",
        "QueueTimeOutURL": "https://example.org/hooks/b2c-late",
        "ResultURL": "https://example.org/hooks/b2c",
    }
    answer = requests.post(
        at + "/mpesa/b2c/v3/paymentrequest",
        json=good | changes,
        headers={"Authorization": f"Bearer {token}"},
        timeout=5,
    )
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "400.002.02")
    assert answer.json()["errorMessage"] == f"Bad Request - Invalid {message}"


@pytest.mark.parametrize(
    "path",
    [
        "/mpesa/b2c/v3/paymentrequest",
        "/mpesa/reversal/v1/request",
        "/mpesa/transactionstatus/v1/query",
        "/mpesa/accountbalance/v1/query",
        "/mpesa/c2b/v2/registerurl",
    ],
)
def test_without_a_token_nothing_is_taken(simulators: Simulators, path: str) -> None:
    for body in (b"", b"[]", b"\xff", b"{}"):
        answer = requests.post(simulators.url + "/mpesa" + path, data=body, timeout=5)
        assert (answer.status_code, answer.json()["errorCode"]) == (404, "404.001.03")


def until(what: Callable[[], bool], seconds: float = 5) -> None:
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.01)
