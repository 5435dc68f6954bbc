"""Delivery reports: noted at once, and kept when they overtook their own message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from gateway.db import Database
from gateway.domain.errors import TryLater
from gateway.inbox import Inbox
from gateway.services.callbacks import Callbacks
from gateway.services.report_callbacks import ReportCallbacks
from gateway.vault import Vault
from gateway.web.sms import SOURCE, sms_blueprint
from integrations.protocols import DeliveryReport, DeliveryStatus
from tests.conftest import Clock
from tests.services.payments.world import Jobs, new_receipt


def read(form: Mapping[str, str]) -> DeliveryReport | None:
    if "id" not in form or "status" not in form:
        return None
    return DeliveryReport(form["id"], DeliveryStatus.DELIVERED, final=True)


class Reports:
    """The address of delivery reports, in front of a set of messages that are known."""

    def __init__(self, db: Database, vault: Vault, clock: Clock, token: str = "") -> None:
        self.db, self.clock, self.jobs = db, clock, Jobs()
        self.known: set[str] = set()
        self.noted: list[str] = []
        self.away = False
        inbox = Inbox(db, vault, self.jobs, clock)
        self.callbacks = Callbacks(db, vault, inbox, self.jobs, clock, {SOURCE: ReportCallbacks(read, self.note)})
        app = Flask(__name__)
        app.register_blueprint(sms_blueprint(inbox, read, self.note, token))
        self.client = app.test_client()

    def note(self, report: DeliveryReport) -> bool:
        if self.away:
            raise TryLater
        if report.provider_id not in self.known:
            return False
        self.noted.append(report.provider_id)
        return True

    def post(self, data: Any, path: str = "/sms/delivery") -> int:
        return self.client.post(path, data=data).status_code

    def state(self, item_id: int) -> str:
        with self.db.reading() as connection:
            return str(connection.execute(text("SELECT state FROM inbox WHERE id = :i"), {"i": item_id}).scalar_one())


@pytest.fixture
def reports(db: Database, vault: Vault, clock: Clock) -> Reports:
    return Reports(db, vault, clock)


def test_a_report_on_a_known_message_is_noted_at_once(reports: Reports) -> None:
    reports.known.add("ATXid_1")
    assert reports.post({"id": "ATXid_1", "status": "Success", "phoneNumber": "+254711000001"}) == 200
    assert (reports.noted, reports.jobs.waiting) == (["ATXid_1"], [])


def test_a_report_that_overtook_its_message_is_brought_again(reports: Reports) -> None:
    message = new_receipt()
    assert reports.post({"id": message, "status": "Success"}) == 200
    ((_, item_id),) = reports.jobs.waiting
    reports.callbacks.handle(item_id)
    assert reports.state(item_id) == "unmatched"
    reports.known.add(message)
    reports.callbacks.handle(item_id)
    assert (reports.state(item_id), reports.noted) == ("handled", [message])


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x00\xff%zz", {"status": "Success"}])
def test_what_is_no_report_is_answered_200(reports: Reports, data: Any) -> None:
    assert reports.post(data) == 200
    assert not reports.jobs.waiting


def test_a_report_that_cannot_be_noted_is_answered_503(reports: Reports) -> None:
    reports.away = True
    assert reports.post({"id": "ATXid_2", "status": "Success"}) == 503


def test_an_address_with_a_token_takes_only_ours(db: Database, vault: Vault, clock: Clock) -> None:
    reports = Reports(db, vault, clock, token="abc123abc123abc1")
    reports.known.add("ATXid_3")
    told = {"id": "ATXid_3", "status": "Success"}
    assert reports.post(told, "/sms/delivery/abc123abc123abc2") == 404
    assert reports.post(told, "/sms/delivery/%00%F0%9F") == 404
    assert reports.noted == []
    assert reports.post(told, "/sms/delivery/abc123abc123abc1") == 200
    assert reports.noted == ["ATXid_3"]
