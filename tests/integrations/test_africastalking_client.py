"""Our SMS client against a scripted Africa's Talking, with every defect of the SDK it is built on."""

from __future__ import annotations

import json
import socket
from decimal import Decimal
from typing import Any

import pytest
from africastalking.SMS import SMSService

from gateway.domain.phone import Phone
from integrations.africastalking.client import LIVE_URL, SANDBOX_URL, AfricasTalking, default_url
from integrations.http import Patience
from integrations.protocols import Outcome, SmsReceipt
from tests.integrations.stub import Said, Stub, as_json

PATH = "/version1/messaging"
JOHN = Phone("+254708374149")
MARY = Phone("+254711111111")
QUICK = Patience(timeout_seconds=0.3)
SENT = (
    b'{"SMSMessageData":{"Message":"Sent to 1/1 Total Cost: KES 0.8000","Recipients":[{"statusCode":101,'
    b'"number":"+254708374149","cost":"KES 0.8000","status":"Success",'
    b'"messageId":"ATXid_6f8087d441b241a3b74b0edff682940b"}]}}'
)
RECEIPT = SmsReceipt(
    Outcome.ACCEPTED,
    provider_id="ATXid_6f8087d441b241a3b74b0edff682940b",
    code=101,
    cost=Decimal("0.8000"),
    cost_currency="KES",
)


@pytest.fixture
def sms(stub: Stub) -> AfricasTalking:
    return AfricasTalking("sandbox", "key", base_url=stub.url, patience=QUICK)


def rows(*recipients: dict[str, Any], message: str = "Sent") -> Said:
    return as_json({"SMSMessageData": {"Message": message, "Recipients": list(recipients)}}, 201)


def row(code: Any, phone: Phone = JOHN, **changes: Any) -> dict[str, Any]:
    return {"statusCode": code, "number": phone.e164, "cost": "0", "status": "x", "messageId": "None"} | changes


def test_the_recorded_answer(stub: Stub, sms: AfricasTalking) -> None:
    stub.says(PATH, Said(SENT, 201))
    assert sms.send("Habari", [JOHN]) == {JOHN: RECEIPT}


def test_a_message_is_sent_as_the_form_that_is_documented(stub: Stub) -> None:
    stub.says(PATH, Said(SENT, 201))
    AfricasTalking("shop", "key", base_url=stub.url, sender_id="MLANGO").send("Habari & asante", [JOHN, MARY, JOHN])
    request = stub.calls(PATH)[0]
    assert request.form == {
        "username": "shop",
        "to": "+254708374149,+254711111111",
        "message": "Habari & asante",
        "bulkSMSMode": "1",
        "from": "MLANGO",
    }
    assert request.headers["apikey"] == "key"
    assert request.headers["accept"] == "application/json"


def test_without_a_sender_name_none_is_sent(stub: Stub, sms: AfricasTalking) -> None:
    stub.says(PATH, Said(SENT, 201))
    sms.send("Habari", [JOHN])
    assert "from" not in stub.calls(PATH)[0].form


@pytest.mark.parametrize("tail", ["", "/", "/version1", "/version1/"])
def test_an_address_with_or_without_the_version_reaches_the_same_place(stub: Stub, tail: str) -> None:
    stub.says(PATH, Said(SENT, 201))
    AfricasTalking("sandbox", "key", base_url=stub.url + tail).send("Habari", [JOHN])
    assert len(stub.calls(PATH)) == 1


def test_without_an_address_the_username_chooses_the_host_as_in_the_sdk() -> None:
    for username in ("sandbox", "Sandbox", "shop"):
        assert default_url(username) + "/version1" == SMSService(username, "key")._baseUrl
    assert {default_url("sandbox"), default_url("shop")} == {SANDBOX_URL, LIVE_URL}


@pytest.mark.parametrize(
    ("code", "outcome", "reason", "retry"),
    [
        (100, Outcome.ACCEPTED, "", False),
        (101, Outcome.ACCEPTED, "", False),
        (102, Outcome.ACCEPTED, "", False),
        ("102", Outcome.ACCEPTED, "", False),
        (401, Outcome.REJECTED, "held", False),
        (402, Outcome.REJECTED, "sender_id", False),
        (403, Outcome.REJECTED, "invalid_phone", False),
        (404, Outcome.REJECTED, "invalid_phone", False),
        (405, Outcome.REJECTED, "no_balance", True),
        (406, Outcome.REJECTED, "blacklisted", False),
        (407, Outcome.REJECTED, "no_route", True),
        (409, Outcome.REJECTED, "do_not_disturb", False),
        (500, Outcome.REJECTED, "gateway", True),
        (501, Outcome.REJECTED, "gateway", True),
        (502, Outcome.REJECTED, "gateway", False),
        (999, Outcome.UNKNOWN, "other", False),
        (None, Outcome.UNKNOWN, "other", False),
        (True, Outcome.UNKNOWN, "other", False),
    ],
)
def test_every_status_code_has_our_word(
    stub: Stub, sms: AfricasTalking, code: Any, outcome: Outcome, reason: str, retry: bool
) -> None:
    stub.says(PATH, rows(row(code)))
    receipt = sms.send("Habari", [JOHN])[JOHN]
    assert (receipt.outcome, receipt.reason, receipt.retry) == (outcome, reason, retry)
    assert receipt.provider_id is None


def test_each_phone_of_a_batch_gets_its_own_row(stub: Stub, sms: AfricasTalking) -> None:
    stub.says(PATH, rows(row(406, MARY), row(101, JOHN, messageId="ATXid_1", cost="KES 1.6000")))
    receipts = sms.send("Habari", [JOHN, MARY])
    assert receipts[JOHN].provider_id == "ATXid_1"
    assert receipts[JOHN].cost == Decimal("1.6000")
    assert receipts[MARY].reason == "blacklisted"


def test_a_phone_that_the_answer_forgets_is_unknown(stub: Stub, sms: AfricasTalking) -> None:
    stub.says(PATH, rows(row(101, JOHN)))
    receipts = sms.send("Habari", [JOHN, MARY])
    assert receipts[JOHN].outcome is Outcome.ACCEPTED
    assert receipts[MARY].outcome is Outcome.UNKNOWN


def test_a_number_the_answer_writes_in_another_form_is_still_recognised(stub: Stub, sms: AfricasTalking) -> None:
    stub.says(PATH, rows(row(101, JOHN, number="254708374149")))
    assert sms.send("Habari", [JOHN])[JOHN].outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "text/html", "Application/JSON"])
def test_json_is_read_whatever_its_header_says(stub: Stub, sms: AfricasTalking, content_type: str) -> None:
    stub.says(PATH, Said(SENT, 201, content_type))
    assert sms.send("Habari", [JOHN]) == {JOHN: RECEIPT}


def test_the_sdk_alone_leaves_such_json_as_text(stub: Stub) -> None:
    stub.says(PATH, Said(SENT, 201, "application/json; charset=utf-8"))
    sdk = SMSService("sandbox", "key")
    sdk._baseUrl = stub.url + "/version1"
    assert isinstance(sdk.send("Habari", [JOHN.e164]), str)


@pytest.mark.parametrize(
    ("said", "outcome", "reason", "retry"),
    [
        (Said(b"The supplied authentication is invalid", 401, "text/plain"), Outcome.REJECTED, "config", True),
        (Said(b"Bad", 400, "text/plain"), Outcome.REJECTED, "config", False),
        (Said(b"", 404), Outcome.REJECTED, "config", False),
        (Said(b"", 429), Outcome.REJECTED, "busy", True),
        (rows(message="InvalidSenderId"), Outcome.REJECTED, "sender_id", False),
        (rows(message="Sent to 0/1 Total Cost: 0"), Outcome.REJECTED, "other", False),
        (Said(b"oops", 500, "text/plain"), Outcome.UNKNOWN, "no_answer", False),
        (Said(b"<html>", 502, "text/html"), Outcome.UNKNOWN, "no_answer", False),
        (Said(b"<html>", 200, "text/html"), Outcome.UNKNOWN, "no_answer", False),
        (Said(b"{}", 201), Outcome.UNKNOWN, "no_answer", False),
        (as_json({"SMSMessageData": {"Recipients": {}}}, 201), Outcome.UNKNOWN, "no_answer", False),
        (as_json({"SMSMessageData": {"Recipients": [None, "x"]}}, 201), Outcome.UNKNOWN, "no_answer", False),
        (Said(dead=True), Outcome.UNKNOWN, "no_answer", False),
        (Said(SENT, 201, hang=1), Outcome.UNKNOWN, "no_answer", False),
    ],
)
def test_every_answer_that_is_not_a_row(
    stub: Stub, sms: AfricasTalking, said: Said, outcome: Outcome, reason: str, retry: bool
) -> None:
    stub.says(PATH, said)
    receipt = sms.send("Habari", [JOHN])[JOHN]
    assert (receipt.outcome, receipt.reason, receipt.retry) == (outcome, reason, retry)
    assert len(stub.calls(PATH)) == 1


def test_a_refused_connection_has_sent_nothing_and_may_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    receipt = AfricasTalking("sandbox", "key", base_url=url).send("Habari", [JOHN])[JOHN]
    assert (receipt.outcome, receipt.reason, receipt.retry) == (Outcome.REJECTED, "busy", True)


@pytest.mark.parametrize("number", ["+254708374149\n", "+2547083741490000000", "0708374149", ""])
def test_a_number_that_the_sdk_would_let_pass_is_not_sent(stub: Stub, sms: AfricasTalking, number: str) -> None:
    stub.says(PATH, Said(SENT, 201))
    bad = Phone(number)
    receipts = sms.send("Habari", [bad, JOHN])
    assert (receipts[bad].outcome, receipts[bad].reason) == (Outcome.REJECTED, "invalid_phone")
    assert receipts[JOHN].outcome is Outcome.ACCEPTED
    assert stub.calls(PATH)[0].form["to"] == JOHN.e164


def test_nobody_to_send_to_is_no_request(stub: Stub, sms: AfricasTalking) -> None:
    assert sms.send("Habari", []) == {}
    assert stub.heard == []


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ("KES 0.8000", (Decimal("0.8000"), "KES")),
        ("USD 1", (Decimal(1), "USD")),
        ("0", (Decimal(0), None)),
        ("free", (None, None)),
        (None, (None, None)),
        (0.8, (None, None)),
    ],
)
def test_costs_are_exact_and_a_strange_one_does_not_lose_the_message(
    stub: Stub, sms: AfricasTalking, cost: Any, expected: tuple[Decimal | None, str | None]
) -> None:
    stub.says(PATH, rows(row(101, messageId="ATXid_1", cost=cost)))
    receipt = sms.send("Habari", [JOHN])[JOHN]
    assert receipt.outcome is Outcome.ACCEPTED
    assert (receipt.cost, receipt.cost_currency) == expected


def test_neither_text_nor_number_nor_key_is_logged(
    stub: Stub, sms: AfricasTalking, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(5)
    stub.says(PATH, Said(json.dumps({"error": "Code 4711"}).encode(), 500))
    sms.send("Code 4711", [JOHN])
    assert "4711" not in caplog.text
    assert "708374149" not in caplog.text
