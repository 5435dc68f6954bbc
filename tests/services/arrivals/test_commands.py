"""What operators type, and what they read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskCliRunner

from gateway.domain.money import Money
from gateway.domain.phone import parse_phone
from integrations.protocols import ArrivalNotice, BalanceResult, LookupResult, Outcome, PaymentVerdict
from tests.house import House
from tests.services.arrivals.world import Enquiries, new_receipt


@pytest.fixture
def cli(house: House) -> FlaskCliRunner:
    return house.app.test_cli_runner()


def ran(cli: FlaskCliRunner, *arguments: str, code: int = 0) -> str:
    done = cli.invoke(args=list(arguments))
    assert done.exit_code == code, done.output
    return str(done.output)


def comes(house: House, typed: str, shillings: int = 500) -> str:
    notice = ArrivalNotice(new_receipt(), Money.major(shillings), typed)
    house.parts.arrivals.heard("mpesa", notice, tokened=True)
    return notice.receipt


def number_of(house: House, phone: str) -> str:
    member = house.parts.accounts.by_phone(parse_phone(phone))
    assert member is not None
    return member.number


def test_money_for_nobody_is_listed_assigned_and_told(
    house: House, cli: FlaskCliRunner, numbers: Iterator[str]
) -> None:
    phone = next(numbers)
    house.member(phone)
    receipt = comes(house, "0712345678 x")
    (line,) = [line for line in ran(cli, "arrivals", "list").splitlines() if receipt in line]
    assert "KES 500" in line
    assert "suspended" in line
    assert "0712345678" not in line
    said = ran(cli, "arrivals", "assign", receipt, number_of(house, phone).lower(), "--because", "called")
    assert said == f"{receipt} is in the wallet of {number_of(house, phone)}.\n"
    assert house.balance(phone) == 500
    house.hears(phone, "KES 500 from M-Pesa paybill is in your wallet", receipt)
    assert receipt not in ran(cli, "arrivals", "list")


def test_a_refusal_is_a_sentence(house: House, cli: FlaskCliRunner) -> None:
    receipt = comes(house, "nobody")
    said = ran(cli, "arrivals", "assign", "NOSUCH", "ML-000000", "--because", "x", code=1)
    assert "There is nothing waiting any more." in said
    assert "No account" in ran(cli, "arrivals", "assign", receipt, "ML-000000", "--because", "x", code=1)
    assert "goes back as" in ran(cli, "arrivals", "return", receipt, "--because", "x")
    assert "nothing waiting" in ran(cli, "arrivals", "return", receipt, "--because", "x", code=1)
    assert "nothing waiting" in ran(cli, "payments", "refund", "NOSUCHRF", "--because", "x", code=1)


def test_house_money_is_booked_once_in_either_direction(house: House, cli: FlaskCliRunner) -> None:
    def at(code: str) -> int:
        with house.parts.db.hot() as cursor:
            return house.parts.ledger.balance(cursor, code).minor

    before, key = at("float:payhero"), new_receipt()
    for _ in range(2):
        assert "Booked as" in ran(cli, "float", "record", "payhero", "50,000", "--because", "slip 1", "--key", key)
    assert at("float:payhero") - before == 5_000_000
    ran(cli, "float", "record", "payhero", "-1500.50", "--because", "slip 2")
    assert at("float:payhero") - before == 5_000_000 - 150_050
    naira = at("float:flutterwave-NGN")
    ran(cli, "float", "record", "flutterwave", "-700", "--because", "settled", "--currency", "NGN")
    assert (at("float:flutterwave-NGN") - naira, at("bank:NGN")) == (-70_000, 70_000)
    ran(cli, "float", "record", "flutterwave", "700", "--because", "sent back", "--currency", "NGN")
    assert house.books_are_right()


@pytest.mark.parametrize("amount", ["much", "0", "1.005", "NaN", "Infinity", "sNaN", "1e400", "99999999999999999999"])
def test_what_is_no_amount_is_not_booked(house: House, cli: FlaskCliRunner, amount: str) -> None:
    done = cli.invoke(args=["float", "record", "payhero", amount, "--because", "x"])
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, SystemExit)
    assert "Traceback" not in done.output


@pytest.mark.parametrize(("rail", "currency"), [("nowhere", "KES"), ("payhero", "NGN")])
def test_a_rail_without_books_is_refused(house: House, cli: FlaskCliRunner, rail: str, currency: str) -> None:
    done = cli.invoke(args=["float", "record", rail, "5", "--because", "x", "--currency", currency])
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, SystemExit)


class Answering(Enquiries):
    """Answers through the worker's door while the command waits."""

    house: House
    told: LookupResult | BalanceResult | None

    def _later(self, address: str) -> Outcome:
        token = address.split("/")[-2]
        if self.told is not None:
            threading.Thread(target=self._answer, args=(token, self.told)).start()
        return self.outcome

    def _answer(self, token: str, told: Any) -> None:
        lookups = self.house.parts.lookups
        (lookups.receipt_told if isinstance(told, LookupResult) else lookups.balance_told)(token, told)

    def look_up(self, *, receipt: str, addresses: Any) -> Outcome:
        return self._later(addresses("receipt-state"))

    def ask_balance(self, *, addresses: Any) -> Outcome:
        return self._later(addresses("balance"))


@pytest.fixture
def asked(house: House, monkeypatch: pytest.MonkeyPatch) -> Answering:
    """A rail that can be asked, for one test."""
    enquiries = Answering("mpesa")
    enquiries.house, enquiries.told = house, None
    able = replace(
        house.parts.providers.rails["mpesa"], looks_up=enquiries, tells_balance=enquiries, registers=enquiries
    )
    monkeypatch.setitem(house.parts.providers.rails, "mpesa", able)  # type: ignore[arg-type]
    return enquiries


def test_a_receipt_is_asked_about_in_plain_words(cli: FlaskCliRunner, asked: Answering) -> None:
    asked.told = LookupResult(PaymentVerdict.PAID, "A1", Money.major(500), status="Completed")
    assert ran(cli, "rails", "status", "A1") == "Completed: KES 500.\n"
    asked.told = LookupResult(PaymentVerdict.FAILED, code="R000002")
    assert ran(cli, "rails", "status", "A1") == "No such money: not completed (R000002).\n"


def test_a_balance_is_told_by_account(cli: FlaskCliRunner, asked: Answering) -> None:
    asked.told = BalanceResult({"Utility Account": Money.major(228_037)})
    first, last = ran(cli, "rails", "balance").splitlines()
    assert first.split("  ")[0] == "Utility Account"
    assert first.endswith("KES 228,037")
    assert last.startswith("Last told at 20")


def test_an_answer_that_does_not_come_in_time_is_promised(cli: FlaskCliRunner, asked: Answering) -> None:
    assert "has not answered yet" in ran(cli, "rails", "status", "A1", "--wait", "0")


def test_a_question_that_is_refused_says_so(cli: FlaskCliRunner, asked: Answering) -> None:
    asked.outcome = Outcome.REJECTED
    assert "refused the question" in ran(cli, "rails", "status", "A1", code=1)


def test_a_rail_that_takes_no_questions_is_a_sentence(cli: FlaskCliRunner) -> None:
    assert "There is no rail nowhere" in ran(cli, "rails", "status", "A1", "--rail", "nowhere", code=1)
    for asked in (["status", "A1"], ["balance"], ["register"]):
        assert "stripe cannot be asked that" in ran(cli, "rails", *asked, "--rail", "stripe", code=1)


def test_addresses_are_registered_with_the_houses_token(cli: FlaskCliRunner, house: House, asked: Answering) -> None:
    assert ran(cli, "rails", "register") == "mpesa has our addresses: Registered.\n"
    assert f"{house.url}/hooks/{house.parts.settings.callback_token}/paybill" in asked.registered
