"""What Africa's Talking posts, read into our words: reports (1.5) and ended sessions (1.2)."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.phone import Phone
from integrations.africastalking.callbacks import read_report, read_session_ended
from integrations.protocols import DeliveryReport, DeliveryStatus, SessionEnded

SESSION = "ATUid_0123456789abcdef0123456789abcdef"
ENDED = {
    "date": "2026-09-28 10:11:12",
    "sessionId": SESSION,
    "serviceCode": "*384*11469#",
    "networkCode": "63902",
    "phoneNumber": "+254708374149",
    "status": "Incomplete",
    "cost": "KES 0.50",
    "durationInMillis": "17250",
    "hopsCount": "3",
    "hopsMetadata": "home|send.amount|send.pin",
    "input": "1*500*4711",
    "lastAppResponse": "CON PIN:",
    "errorMessage": "",
}


def report(**changes: str) -> DeliveryReport | None:
    form = {"id": "ATXid_1", "status": "Success", "phoneNumber": "+254708374149", "networkCode": "63902"}
    return read_report(form | changes)


@pytest.mark.parametrize(
    ("word", "status", "final", "reason"),
    [
        ("Sent", DeliveryStatus.ON_ITS_WAY, False, ""),
        ("Submitted", DeliveryStatus.ON_ITS_WAY, False, ""),
        ("Buffered", DeliveryStatus.ON_ITS_WAY, False, ""),
        ("Success", DeliveryStatus.DELIVERED, True, ""),
        ("success", DeliveryStatus.DELIVERED, True, ""),
        ("Rejected", DeliveryStatus.FAILED, True, "other"),
        ("Failed", DeliveryStatus.FAILED, True, "other"),
        ("AbsentSubscriber", DeliveryStatus.FAILED, True, "absent"),
        ("Expired", DeliveryStatus.FAILED, True, "expired"),
        ("SomethingNew", DeliveryStatus.ON_ITS_WAY, False, ""),
    ],
)
def test_every_report_word(word: str, status: DeliveryStatus, final: bool, reason: str) -> None:
    assert report(status=word, retryCount="0") == DeliveryReport("ATXid_1", status, final, reason)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("InsufficientCredit", "no_balance"),
        ("InvalidLinkId", "config"),
        ("UserIsInactive", "inactive"),
        ("UserInBlackList", "blacklisted"),
        ("UserAccountSuspended", "inactive"),
        ("NotNetworkSubcriber", "no_route"),
        ("NotNetworkSubscriber", "no_route"),
        ("UserNotSubscribedToProduct", "config"),
        ("UserDoesNotExist", "invalid_phone"),
        ("DeliveryFailure", "gateway"),
        ("DoNotDisturbRejection", "do_not_disturb"),
        ("SomethingNew", "other"),
    ],
)
def test_every_failure_reason(failure: str, reason: str) -> None:
    told = report(status="Failed", failureReason=failure)
    assert told is not None
    assert told.reason == reason


@pytest.mark.parametrize("form", [{}, {"id": "ATXid_1"}, {"status": "Success"}, {"id": " ", "status": "Success"}])
def test_what_is_no_report_is_none(form: dict[str, str]) -> None:
    assert read_report(form) is None


def test_an_ended_session_is_read() -> None:
    assert read_session_ended(ENDED) == SessionEnded(
        session_id=SESSION,
        phone=Phone("+254708374149"),
        network_code="63902",
        service_code="*384*11469#",
        status="Incomplete",
        cost=Decimal("0.50"),
        cost_currency="KES",
        duration_ms=17250,
        hops=3,
        metadata=("home", "send.amount", "send.pin"),
        error=None,
        ended_at=datetime(2026, 9, 28, 10, 11, 12, tzinfo=UTC),
    )


def test_what_was_typed_is_nowhere_in_an_ended_session() -> None:
    ended = read_session_ended(ENDED | {"lastAppResponse": "END code 4711"})
    assert ended is not None
    assert all("4711" not in str(getattr(ended, one.name)) for one in fields(ended))


def test_costs_are_counted_in_millionths() -> None:
    ended = read_session_ended(ENDED)
    assert ended is not None
    assert ended.cost_micros == 500_000


def test_an_ended_session_with_nothing_but_its_status_is_read() -> None:
    ended = read_session_ended(
        {"sessionId": SESSION, "status": "Failed", "cost": "x", "hopsCount": "-1", "date": "2026-13-45 1"}
    )
    assert ended is not None
    assert (ended.cost, ended.hops, ended.duration_ms, ended.metadata, ended.ended_at) == (0, 0, 0, (), None)


_forms = st.dictionaries(
    st.sampled_from([*ENDED, "id", "failureReason", "retryCount"]),
    st.text() | st.sampled_from([*ENDED.values(), "Failed", "Success"]),
)


@given(_forms)
def test_no_form_makes_a_reader_raise(form: dict[str, str]) -> None:
    read_report(form)
    read_session_ended(form)
