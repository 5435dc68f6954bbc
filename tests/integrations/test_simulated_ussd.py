"""The simulated network against a scripted gateway: hops, metadata, deadlines, and how sessions end."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from integrations.africastalking.callbacks import read_session_ended
from integrations.africastalking.network import END_PATH, HOP_PATH, OPERATOR_ERROR
from integrations.simulators import Simulators
from tests.integrations.stub import Heard, Said, Stub

CODE = "*384*123#"


@pytest.fixture(autouse=True)
def _takes_events(stub: Stub) -> None:
    stub.says(END_PATH, Said(b""))


def page(body: str, metadata: str = "", **changes: Any) -> Said:
    headers = {"at-ussd-hop-metadata": metadata} if metadata else {}
    said: dict[str, Any] = {"content_type": "text/plain; charset=utf-8", "headers": headers}
    return Said(body.encode(), **said | changes)


def control(simulators: Simulators, path: str, **body: Any) -> Any:
    return requests.post(f"{simulators.url}/control/at{path}", json=body, timeout=5).json()


def dial(simulators: Simulators) -> Any:
    return control(simulators, "/dial", phone="0711000001", service_code=CODE)


def ended(stub: Stub) -> dict[str, str]:
    return stub.wait_for(END_PATH)[0].form


def hops(stub: Stub) -> list[Heard]:
    return stub.calls(HOP_PATH)


def test_a_hop_is_posted_exactly_as_the_provider_does(simulators: Simulators, stub: Stub) -> None:
    stub.says(HOP_PATH, page("CON Welcome"))
    screen = dial(simulators)
    assert (screen["text"], screen["open"], screen["error"]) == ("Welcome", True, None)
    (call,) = hops(stub)
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert call.form.keys() == {"sessionId", "phoneNumber", "networkCode", "serviceCode", "text"}
    assert b"phoneNumber=%2B254711000001" in call.body
    assert re.fullmatch(r"ATUid_[0-9a-f]{32}", call.form["sessionId"])
    assert (call.form["serviceCode"], call.form["text"]) == (CODE, "")
    assert call.headers["authorization"] == "Bearer key"


def test_without_a_key_no_authorization_is_sent(simulators: Simulators, stub: Stub) -> None:
    simulators.gateway.ussd_api_key = ""
    stub.says(HOP_PATH, page("CON Welcome"))
    dial(simulators)
    assert "authorization" not in hops(stub)[0].headers


def test_text_grows_with_every_answer(simulators: Simulators, stub: Stub) -> None:
    stub.says(HOP_PATH, page("CON Next"))
    session = dial(simulators)["session_id"]
    for typed in ("1", "", "2*3", "4711"):
        control(simulators, "/answer", session_id=session, input=typed)
    assert [call.form["text"] for call in hops(stub)] == ["", "1", "1*", "1**2*3", "1**2*3*4711"]
    assert {call.form["sessionId"] for call in hops(stub)} == {session}


def test_hop_metadata_comes_back_on_the_next_hop_and_joined_at_the_end(simulators: Simulators, stub: Stub) -> None:
    stub.says(HOP_PATH, page("CON A", "home"), page("CON B", "send.amount"), page("END C", "send.done"))
    session = dial(simulators)["session_id"]
    control(simulators, "/answer", session_id=session, input="1")
    control(simulators, "/answer", session_id=session, input="2")
    assert [call.headers.get("at-ussd-hop-metadata") for call in hops(stub)] == [None, "home", "send.amount"]
    assert ended(stub)["hopsMetadata"] == "home|send.amount|send.done"


@pytest.mark.parametrize("metadata", ["x" * 100, "a|b"])
def test_metadata_the_provider_would_not_take_is_dropped(simulators: Simulators, stub: Stub, metadata: str) -> None:
    stub.says(HOP_PATH, page("CON A", metadata), page("END B"))
    control(simulators, "/answer", session_id=dial(simulators)["session_id"], input="1")
    assert "at-ussd-hop-metadata" not in hops(stub)[1].headers
    assert ended(stub)["hopsMetadata"] == ""


def test_the_end_of_a_session_is_told_with_every_field(simulators: Simulators, stub: Stub) -> None:
    stub.says(HOP_PATH, page("CON PIN:", "pin"), page("END Bye", "bye"))
    session = dial(simulators)["session_id"]
    screen = control(simulators, "/answer", session_id=session, input="4711")
    assert (screen["text"], screen["open"]) == ("Bye", False)
    form = ended(stub)
    assert form.keys() == {
        "date", "sessionId", "serviceCode", "networkCode", "phoneNumber", "status", "cost", "durationInMillis",
        "hopsCount", "hopsMetadata", "input", "lastAppResponse",
    }  # fmt: skip
    assert (form["status"], form["hopsCount"], form["input"]) == ("Success", "2", "4711")
    assert form["lastAppResponse"] == "END Bye"
    read = read_session_ended(form)
    assert read is not None
    assert (read.hops, read.metadata, read.cost_micros) == (2, ("pin", "bye"), 500_000)
    assert read.ended_at is not None


def test_a_dropped_call_is_incomplete_and_over(simulators: Simulators, stub: Stub) -> None:
    stub.says(HOP_PATH, page("CON Welcome"))
    session = dial(simulators)["session_id"]
    control(simulators, "/drop", session_id=session)
    control(simulators, "/drop", session_id=session)
    assert ended(stub)["status"] == "Incomplete"
    assert control(simulators, "/answer", session_id=session, input="1") == {"error": "the session is over"}
    assert len(stub.calls(END_PATH)) == 1


def test_the_same_hop_again_is_byte_for_byte_the_same_and_moves_nothing(simulators: Simulators, stub: Stub) -> None:
    stub.says(HOP_PATH, page("CON A", "a"), page("CON B", "b"), page("CON B", "b"), page("END C"))
    session = dial(simulators)["session_id"]
    control(simulators, "/answer", session_id=session, input="1")
    assert control(simulators, "/repeat", session_id=session)["text"] == "B"
    first, again = hops(stub)[1:3]
    assert (first.body, first.headers["at-ussd-hop-metadata"]) == (again.body, again.headers["at-ussd-hop-metadata"])
    control(simulators, "/answer", session_id=session, input="2")
    assert hops(stub)[3].form["text"] == "1*2"
    assert (ended(stub)["hopsCount"], ended(stub)["hopsMetadata"]) == ("3", "a|b")


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (page("CON Late", hang=1), "did not answer in time"),
        (Said(dead=True), "did not answer in time"),
        (page("CON Sorry", status=500), "HTTP 500"),
        (page("CON Sorry", status=400), "HTTP 400"),
        (page(" CON Blank"), "start with CON or END"),
        (page("\ufeffCON Mark"), "start with CON or END"),
        (page(""), "start with CON or END"),
        (page("CONtinue"), "start with CON or END"),
        (page("CON Page", content_type="text/html"), "text/plain"),
    ],
)
def test_whatever_breaks_the_rules_ends_the_session_with_the_operators_words(
    simulators: Simulators, stub: Stub, said: Said, error: str
) -> None:
    stub.says(HOP_PATH, said)
    screen = dial(simulators)
    assert (screen["text"], screen["open"]) == (OPERATOR_ERROR, False)
    assert error in screen["error"]
    form = ended(stub)
    assert form["status"] == "Failed"
    assert error in form["errorMessage"]


def test_nobody_at_home_is_told_to_the_caller_too(simulators: Simulators) -> None:
    simulators.gateway.url = ""
    assert dial(simulators)["text"] == OPERATOR_ERROR


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/dial", {"phone": "12345", "service_code": CODE}),
        ("/dial", {"phone": "0711000001"}),
        ("/answer", {"session_id": "nobody", "input": "1"}),
        ("/repeat", {}),
        ("/drop", {"session_id": None}),
        ("/network", {"speed": 1}),
    ],
)
def test_a_control_call_without_sense_is_told_so(simulators: Simulators, path: str, body: dict[str, Any]) -> None:
    assert control(simulators, path, **body).keys() == {"error"}


def test_the_gateways_address_can_be_told_later(simulators: Simulators, stub: Stub) -> None:
    simulators.gateway.url = ""
    stub.says(HOP_PATH, page("CON Welcome"))
    answer = requests.post(simulators.url + "/control/gateway", json={"url": stub.url + "/"}, timeout=5)
    assert answer.json() == {"url": stub.url}
    assert dial(simulators)["text"] == "Welcome"


def test_magic_numbers_are_listed_with_their_meaning(simulators: Simulators) -> None:
    listed = requests.get(simulators.url + "/control/magic", timeout=5).json()
    assert {"name": "PAYS", "phone": "+254700000101", "meaning": "pays at once"} in listed["mpesa"]
    phones = [one["phone"] for part in listed.values() for one in part if "phone" in one]
    assert len(set(phones)) == len(phones)
    for part in listed.values():
        cards = [one["card"] for one in part if "card" in one]
        assert len(set(cards)) == len(cards)
