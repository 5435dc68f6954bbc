"""Our client and the simulated Africa's Talking, over loopback: every magic number, inboxes, reports, money."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import Any

import pytest
import requests

from gateway.domain.phone import Phone, parse_phone
from integrations.africastalking.callbacks import read_report
from integrations.africastalking.client import AfricasTalking
from integrations.africastalking.magic import Magic
from integrations.africastalking.simulator import REPORT_PATH, WRONG_KEY, WRONG_SENDER
from integrations.http import Patience
from integrations.protocols import DeliveryStatus, Outcome
from integrations.simulators import Simulators
from tests.integrations.stub import Said, Stub

PERSON = Phone("+254711000001")
PATH = "/at/version1/messaging"


@pytest.fixture
def sms(simulators: Simulators, stub: Stub) -> AfricasTalking:
    stub.says(REPORT_PATH, Said(b""))
    return client(simulators)


def client(simulators: Simulators, api_key: str = "key", sender_id: str = "") -> AfricasTalking:
    patience = Patience(timeout_seconds=0.4)
    return AfricasTalking("sandbox", api_key, base_url=simulators.url + "/at", sender_id=sender_id, patience=patience)


def inbox(simulators: Simulators, phone: Phone = PERSON) -> list[dict[str, Any]]:
    answer = requests.get(simulators.url + "/control/at/inbox", params={"phone": phone.national}, timeout=5)
    return answer.json()["messages"]


@pytest.mark.parametrize("magic", list(Magic))
def test_every_magic_number_is_a_kenyan_mobile(magic: Magic) -> None:
    assert parse_phone(magic.e164).e164 == magic.e164


def test_a_message_arrives_is_paid_for_and_reported(simulators: Simulators, sms: AfricasTalking, stub: Stub) -> None:
    receipt = sms.send("Habari yako", [PERSON])[PERSON]
    assert (receipt.outcome, receipt.cost, receipt.cost_currency) == (Outcome.ACCEPTED, Decimal("0.8"), "KES")
    (message,) = inbox(simulators)
    assert (message["id"], message["text"], message["sender"]) == (receipt.provider_id, "Habari yako", "AFRICASTKNG")
    report = read_report(stub.wait_for(REPORT_PATH)[0].form)
    assert report is not None
    assert (report.provider_id, report.status, report.final) == (receipt.provider_id, DeliveryStatus.DELIVERED, True)
    assert simulators.sms.balance == Decimal("999.2")


def test_each_phone_has_its_own_inbox(simulators: Simulators, sms: AfricasTalking) -> None:
    other = Phone("+254722000002")
    sms.send("one", [PERSON, other])
    sms.send("two", [other])
    assert [message["text"] for message in inbox(simulators)] == ["one"]
    assert [message["text"] for message in inbox(simulators, other)] == ["one", "two"]


@pytest.mark.parametrize(
    ("magic", "reason", "retry"),
    [
        (Magic.BAD_NUMBER, "invalid_phone", False),
        (Magic.BLACKLISTED, "blacklisted", False),
        (Magic.NO_BALANCE, "no_balance", True),
    ],
)
def test_refused_numbers(simulators: Simulators, sms: AfricasTalking, magic: Magic, reason: str, retry: bool) -> None:
    phone = Phone(magic.e164)
    receipt = sms.send("Habari", [phone])[phone]
    assert (receipt.outcome, receipt.reason, receipt.retry) == (Outcome.REJECTED, reason, retry)
    assert (inbox(simulators, phone), simulators.sms.balance) == ([], 1000)


@pytest.mark.parametrize("magic", [Magic.INTERNAL_ERROR_ONCE, Magic.GATEWAY_ERROR_ONCE])
def test_a_trouble_that_passes(simulators: Simulators, sms: AfricasTalking, magic: Magic) -> None:
    phone = Phone(magic.e164)
    first = sms.send("Habari", [phone])[phone]
    assert (first.outcome, first.retry) == (Outcome.REJECTED, True)
    assert sms.send("Habari", [phone])[phone].outcome is Outcome.ACCEPTED
    assert len(inbox(simulators, phone)) == 1


@pytest.mark.parametrize(
    ("magic", "reports"),
    [
        (Magic.DELIVERED, [("on_its_way", ""), ("on_its_way", ""), ("delivered", "")]),
        (Magic.REPORT_FAILED, [("failed", "gateway")]),
        (Magic.ABSENT, [("failed", "absent")]),
    ],
)
def test_reports_tell_what_became_of_it(
    simulators: Simulators, sms: AfricasTalking, stub: Stub, magic: Magic, reports: list[tuple[str, str]]
) -> None:
    phone = Phone(magic.e164)
    assert sms.send("Habari", [phone])[phone].outcome is Outcome.ACCEPTED
    told = [read_report(call.form) for call in stub.wait_for(REPORT_PATH, len(reports))]
    assert sorted((report.status.value, report.reason) for report in told if report) == sorted(reports)
    assert bool(inbox(simulators, phone)) == (reports[-1][0] == "delivered")


def test_some_are_never_reported(simulators: Simulators, sms: AfricasTalking, stub: Stub) -> None:
    phone = Phone(Magic.SILENT.e164)
    assert sms.send("Habari", [phone])[phone].outcome is Outcome.ACCEPTED
    time.sleep(0.15)
    assert stub.calls(REPORT_PATH) == []
    assert len(inbox(simulators, phone)) == 1


def test_an_answer_that_never_comes_leaves_us_not_knowing(simulators: Simulators, sms: AfricasTalking) -> None:
    phone = Phone(Magic.HTTP_HANGS.e164)
    assert sms.send("Habari", [phone])[phone].outcome is Outcome.UNKNOWN
    assert len(inbox(simulators, phone)) == 1


def test_a_wrong_key_a_wrong_sender_and_an_empty_purse(simulators: Simulators) -> None:
    assert client(simulators, WRONG_KEY).send("Habari", [PERSON])[PERSON].code == 401
    assert client(simulators, sender_id=WRONG_SENDER).send("Habari", [PERSON])[PERSON].reason == "sender_id"
    requests.post(simulators.url + "/control/at/balance", json={"balance": 0}, timeout=5)
    assert client(simulators).send("Habari", [PERSON])[PERSON].reason == "no_balance"
    assert inbox(simulators) == []


def post(simulators: Simulators, **form: str) -> requests.Response:
    return requests.post(simulators.url + PATH, data=form, headers={"apiKey": "key"}, timeout=5)


def test_the_simulator_speaks_in_the_recorded_shapes(simulators: Simulators, stub: Stub) -> None:
    stub.says(REPORT_PATH, Said(b""))
    answer = post(simulators, username="sandbox", to=PERSON.e164, message="Habari", enqueue="0")
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json")
    data = answer.json()["SMSMessageData"]
    assert answer.json().keys() == {"SMSMessageData"}
    assert data.keys() == {"Message", "Recipients"}
    assert data["Message"].startswith("Sent to 1/1 Total Cost: KES 0.8000")
    (row,) = data["Recipients"]
    assert row.keys() == {"statusCode", "number", "cost", "status", "messageId"}
    assert (row["statusCode"], row["cost"], row["status"]) == (101, "KES 0.8000", "Success")
    assert re.fullmatch(r"ATXid_[0-9a-f]{32}", row["messageId"])
    form = stub.wait_for(REPORT_PATH)[0].form
    assert form.keys() == {"id", "status", "phoneNumber", "networkCode", "retryCount"}


def test_queueing_is_the_default_as_recorded(simulators: Simulators) -> None:
    answer = post(simulators, username="sandbox", to=PERSON.e164, message="Habari")
    assert answer.json()["SMSMessageData"]["Recipients"][0]["statusCode"] == 102


def test_a_refused_row_looks_as_recorded(simulators: Simulators) -> None:
    data = post(simulators, username="sandbox", to="+25470", message="Habari").json()["SMSMessageData"]
    assert data["Message"] == "Sent to 0/1 Total Cost: 0"
    assert data["Recipients"] == [
        {"statusCode": 403, "number": "+25470", "cost": "0", "status": "InvalidPhoneNumber", "messageId": "None"}
    ]


def test_the_balance_is_told_as_recorded(simulators: Simulators) -> None:
    answer = requests.get(simulators.url + "/at/version1/user", headers={"apiKey": "key"}, timeout=5)
    assert answer.json() == {"UserData": {"balance": "KES 1000.0000"}}


def test_long_messages_cost_more(simulators: Simulators, sms: AfricasTalking) -> None:
    assert sms.send("x" * 161, [PERSON])[PERSON].cost == Decimal("1.6")
