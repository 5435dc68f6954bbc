"""Payments nobody asked for: the documented bodies (5.7), three forms of the payer, refusals, and registering."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.mpesa.paybill import REGISTER, Paybill, PaybillCheck, paybill_answer, read_paybill
from integrations.protocols import ArrivalNotice, Outcome
from tests.conftest import Clock
from tests.integrations.daraja_kit import addresses, error, line, line_to_nobody
from tests.integrations.stub import Said, Stub, as_json

MASKED = (
    b'{"TransactionType":"Pay Bill","TransID":"RKL51ZDR4F","TransTime":"20231121121325","TransAmount":"5.00",'
    b'"BusinessShortCode":"600966","BillRefNumber":"Sample Transaction","InvoiceNumber":"","OrgAccountBalance":"25.00",'
    b'"ThirdPartyTransID":"","MSISDN":"2547 ***** 126","FirstName":"JOHN","MiddleName":"","LastName":""}'
)
#: As recorded in March 2023: unsalted, of the digits without a plus.
HASH = sha256(b"254708374149").hexdigest()


def body(**changes: Any) -> bytes:
    told = json.loads(MASKED) | changes
    return json.dumps({key: value for key, value in told.items() if value is not None}).encode()


def read(**changes: Any) -> ArrivalNotice:
    notice = read_paybill(body(**changes))
    assert notice is not None
    return notice


def test_the_documented_confirmation() -> None:
    assert read_paybill(MASKED) == ArrivalNotice(
        "RKL51ZDR4F",
        Money.major(5),
        "Sample Transaction",
        None,
        "2547 ***** 126",
        datetime(2023, 11, 21, 9, 13, 25, tzinfo=UTC),
    )


def test_the_question_before_a_payment_reads_the_same() -> None:
    assert PaybillCheck().read(body(OrgAccountBalance="")) == read_paybill(MASKED)


@pytest.mark.parametrize(
    ("msisdn", "payer", "told"),
    [
        ("254708374149", Phone("+254708374149"), ""),
        (254708374149, Phone("+254708374149"), ""),
        ("2547 ***** 126", None, "2547 ***** 126"),
        ("25470****149", None, "25470****149"),
        (HASH, None, HASH),
        (HASH.upper(), None, HASH),
        (HASH[:62], None, ""),
        ("", None, ""),
        (None, None, ""),
        ("<script>", None, ""),
        ([], None, ""),
    ],
)
def test_the_payer_is_told_in_three_forms_or_not_at_all(msisdn: Any, payer: Phone | None, told: str) -> None:
    notice = read(MSISDN=msisdn)
    assert (notice.payer, notice.payer_told) == (payer, told)


@pytest.mark.parametrize(
    "kind", ["Pay Bill", "Buy Goods", "Customer Merchant Payment", "Organization To Organization Transfer"]
)
def test_every_kind_of_payment_is_money_that_came(kind: str) -> None:
    assert read(TransactionType=kind) == read_paybill(MASKED)


@pytest.mark.parametrize(
    ("written", "amount"),
    [("10", Money.major(10)), ("5.00", Money.major(5)), (5, Money.major(5)), ("5.50", Money(550)), (5.5, Money(550))],
)
def test_amounts_as_text_and_as_number(written: Any, amount: Money) -> None:
    assert read(TransAmount=written).amount == amount


@pytest.mark.parametrize("written", ["", "0", "0.00", "-5", "5.001", "1,000", "five", True, None, [], 10**13])
def test_without_an_amount_there_is_no_payment(written: Any) -> None:
    assert read_paybill(body(TransAmount=written)) is None


@pytest.mark.parametrize("receipt", ["", None, {}, "é" * 3])
def test_without_a_receipt_there_is_no_payment(receipt: Any) -> None:
    assert read_paybill(body(TransID=receipt)) is None


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("ML-7F3K9Q", "ML-7F3K9Q"),
        ("  0712 345 678 ", "0712 345 678"),
        (712345678, "712345678"),
        ("", ""),
        (None, ""),
        ("a\nb\x00c\x1b[2J", "abc[2J"),
        ("Ñandú", "Ñandú"),
        ("x" * 100, "x" * 40),
        ([], ""),
    ],
)
def test_what_the_payer_typed_is_text_and_nothing_else(typed: Any, kept: str) -> None:
    assert read(BillRefNumber=typed).typed == kept


@pytest.mark.parametrize(
    "name", ["FirstName", "MiddleName", "LastName", "InvoiceNumber", "ThirdPartyTransID", "TransTime"]
)
@pytest.mark.parametrize("value", [None, "", 1])
def test_other_fields_may_be_empty_absent_or_strange(name: str, value: Any) -> None:
    assert read(**{name: value}).receipt == "RKL51ZDR4F"


@pytest.mark.parametrize("junk", [b"", b"[]", b"null", b"\xff", b"{", b"TransID=RKL51ZDR4F&TransAmount=5"])
def test_what_is_no_payment_is_none(junk: bytes) -> None:
    assert read_paybill(junk) is None


@pytest.mark.parametrize(
    ("refusal", "answer"),
    [
        (None, {"ResultCode": "0", "ResultDesc": "Accepted"}),
        ("unknown_account", {"ResultCode": "C2B00012", "ResultDesc": "Rejected"}),
        ("bad_amount", {"ResultCode": "C2B00013", "ResultDesc": "Rejected"}),
        ("other", {"ResultCode": "C2B00016", "ResultDesc": "Rejected"}),
    ],
)
def test_a_payment_is_taken_or_refused_in_darajas_words(refusal: Any, answer: dict[str, str]) -> None:
    assert PaybillCheck().answer(refusal) == answer


@pytest.mark.parametrize("number", range(11, 17))
def test_every_documented_refusal_can_be_said(number: int) -> None:
    assert paybill_answer(f"C2B000{number}") == {"ResultCode": f"C2B000{number}", "ResultDesc": "Rejected"}


@pytest.mark.parametrize(
    ("version", "path"), [("v1", "/mpesa/c2b/v1/registerurl"), ("v2", "/mpesa/c2b/v2/registerurl")]
)
def test_addresses_are_registered_as_documented(stub: Stub, clock: Clock, version: str, path: str) -> None:
    stub.says(path, as_json({"OriginatorCoversationID": "x-1", "ResponseCode": "0", "ResponseDescription": "Success"}))
    outcome, said = Paybill(line(stub, clock), shortcode="600966", version=version).register(addresses)
    assert (outcome, said) == (Outcome.ACCEPTED, "The addresses are registered.")
    assert stub.calls(path)[0].json == {
        "ShortCode": "600966",
        "ResponseType": "Completed",
        "ConfirmationURL": "https://example.org/hooks/0a1b/paybill",
        "ValidationURL": "https://example.org/hooks/0a1b/paybill-check",
    }


@pytest.mark.parametrize(
    ("said", "outcome", "words"),
    [
        (error("500.003.1001", "Urls are already registered."), Outcome.REJECTED, "Urls are already registered."),
        (error("500.003.1001", "Duplicate notification info"), Outcome.REJECTED, "Urls are already registered."),
        (error("500.003.1001", "Internal Server Error"), Outcome.UNKNOWN, "(500.003.1001)"),
        (error("401.003.01", "Invalid API call as no apiproduct match found", 401), Outcome.REJECTED, "(401.003.01)"),
        (error("400.003.02", "Bad Request - Invalid ShortCode", 400), Outcome.REJECTED, "(400.003.02)"),
        (as_json({"ResponseCode": "1"}), Outcome.REJECTED, "(1)"),
        (Said(dead=True), Outcome.UNKNOWN, "safe to register again"),
        (Said(b"", 502), Outcome.UNKNOWN, "(502)"),
    ],
)
def test_every_answer_to_registering_is_said_to_the_operator(
    stub: Stub, clock: Clock, said: Said, outcome: Outcome, words: str
) -> None:
    stub.says(REGISTER["v2"], said)
    told, sentence = Paybill(line(stub, clock), shortcode="600966", version="v2").register(addresses)
    assert told is outcome
    assert words in sentence


def test_a_daraja_that_is_away_was_not_asked(clock: Clock) -> None:
    outcome, sentence = Paybill(line_to_nobody(clock), shortcode="600966", version="v2").register(addresses)
    assert (outcome, sentence) == (Outcome.REJECTED, "Not registered: Daraja was not asked (not_sent).")
