"""Questions to Daraja as they are sent, and whether they were taken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.mpesa.initiator import Initiator
from integrations.mpesa.lookups import BALANCE_OF, STATE, Lookups
from integrations.protocols import BalanceResult, Outcome
from tests.conftest import Clock
from tests.integrations.daraja_kit import addresses, error, line, line_to_nobody, taken
from tests.integrations.stub import Said, Stub, as_json

Ask = Callable[[Lookups], BalanceResult | Outcome]


def of_receipt(lookups: Lookups) -> Outcome:
    return lookups.look_up(receipt="SKC82PACB8", addresses=addresses)


def of_balance(lookups: Lookups) -> BalanceResult | Outcome:
    return lookups.ask_balance(addresses=addresses)


@pytest.fixture
def initiator() -> Initiator:
    return Initiator("apiuser", "Safaricom999!*!")


@pytest.fixture
def lookups(stub: Stub, clock: Clock, initiator: Initiator) -> Lookups:
    return Lookups(line(stub, clock), initiator, shortcode="174379", paying="600992")


def test_a_receipt_is_asked_about_as_documented(stub: Stub, lookups: Lookups, initiator: Initiator) -> None:
    stub.says(STATE, taken())
    assert of_receipt(lookups) is Outcome.ACCEPTED
    assert stub.calls("/mpesa/transactionstatus/v1/query")[0].json == {
        "Initiator": "apiuser",
        "SecurityCredential": initiator.credential,
        "CommandID": "TransactionStatusQuery",
        "TransactionID": "SKC82PACB8",
        "PartyA": "174379",
        "IdentifierType": "4",
        "Remarks": "Status",
        "ResultURL": "https://example.org/hooks/0a1b/receipt-state",
        "QueueTimeOutURL": "https://example.org/hooks/0a1b/receipt-state-late",
    }


def test_the_balance_is_asked_of_the_account_that_pays(stub: Stub, lookups: Lookups, initiator: Initiator) -> None:
    stub.says(BALANCE_OF, taken())
    assert of_balance(lookups) is Outcome.ACCEPTED
    assert stub.calls("/mpesa/accountbalance/v1/query")[0].json == {
        "Initiator": "apiuser",
        "SecurityCredential": initiator.credential,
        "CommandID": "AccountBalance",
        "PartyA": "600992",
        "IdentifierType": "4",
        "Remarks": "Balance",
        "ResultURL": "https://example.org/hooks/0a1b/balance",
        "QueueTimeOutURL": "https://example.org/hooks/0a1b/balance-late",
    }


@pytest.mark.parametrize(("ask", "path"), [(of_receipt, STATE), (of_balance, BALANCE_OF)])
@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (taken(), Outcome.ACCEPTED),
        (error("400.002.02", "Bad Request - Invalid Initiator", 400), Outcome.REJECTED),
        (error("500.003.02", "Spike arrest"), Outcome.REJECTED),
        (as_json({"ResponseCode": "21"}), Outcome.REJECTED),
        (error("500.001.1001", "Internal error"), Outcome.UNKNOWN),
        (error("00.002.1001", "Service is under maintenance"), Outcome.UNKNOWN),
        (Said(b"", 500), Outcome.UNKNOWN),
        (Said(dead=True), Outcome.UNKNOWN),
    ],
)
def test_every_answer_to_a_question(
    stub: Stub, lookups: Lookups, ask: Ask, path: str, said: Said, outcome: Outcome
) -> None:
    stub.says(path, said)
    assert ask(lookups) is outcome


@pytest.mark.parametrize("ask", [of_receipt, of_balance])
def test_a_question_that_was_not_sent_was_not_taken(clock: Clock, initiator: Initiator, ask: Ask) -> None:
    lookups = Lookups(line_to_nobody(clock), initiator, shortcode="1", paying="2")
    assert ask(lookups) is Outcome.REJECTED


def test_a_question_changes_nothing_and_is_repeated_in_silence(stub: Stub, lookups: Lookups) -> None:
    stub.says(STATE, Said(dead=True), taken())
    assert of_receipt(lookups) is Outcome.ACCEPTED
    assert len(stub.calls(STATE)) == 2
