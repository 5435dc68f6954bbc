"""The routes behind the page, without a browser: what they pass on, and what they say otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.simulated import ControlRefused, beyond
from gateway.web.simulator import FORWARDED, simulator
from integrations.simulators import serve

SHORTCODE = "*384*123#"


def _client(simulators_url: str, rail: str = "mpesa") -> FlaskClient:
    app = Flask("gateway_for_the_routes")
    app.register_blueprint(simulator(simulators_url, SHORTCODE, rail))
    return app.test_client()


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    with serve() as simulators:
        yield _client(simulators.url)


def test_every_control_the_page_may_call_exists(client: FlaskClient) -> None:
    for control in FORWARDED:
        assert client.post(f"/simulator/{control}", json={}).json != {"error": "no such address"}


@pytest.mark.parametrize("control", ["gateway", "at/balance", "mpesa/balance", "mpesa/accept", "../control/gateway"])
def test_other_controls_are_not_passed_on(client: FlaskClient, control: str) -> None:
    answer = client.post(f"/simulator/{control}", json={"url": "http://example.org"})
    assert answer.status_code in (400, 404)
    assert answer.json is None or answer.json == {"error": "There is no such control."}


def test_what_another_sites_form_could_send_is_refused(client: FlaskClient) -> None:
    answer = client.post("/simulator/at/network", data='{"delay_seconds": 9}', content_type="text/plain")
    assert (answer.status_code, answer.json) == (400, {"error": "Send a JSON object."})


def test_a_phone_is_told_its_messages_prompts_and_balance(client: FlaskClient) -> None:
    news = client.post("/simulator/news", json={"phone": "0712 345 678"}).json
    assert news == {"messages": [], "prompts": [], "balance": 10_000}


def test_the_prompts_of_whichever_rail_collects_come_to_the_phone() -> None:
    with serve() as simulators:
        client = _client(simulators.url, "payhero")
        fields = {"amount": 500, "external_reference": "7F3K9QAB"}
        prompt = simulators.rails["payhero"].prompts.show("+254712345678", fields, "v2")
        news = client.post("/simulator/news", json={"phone": "0712 345 678"}).json
        assert [(one["id"], one["amount"]) for one in news["prompts"]] == [(prompt.checkout_id, 500)]
        answer = client.post("/simulator/prompt/accept", json={"id": prompt.checkout_id}).json
        assert answer == {"code": "0", "receipt": prompt.receipt.receipt}


def test_simulators_that_are_away_get_a_sentence_as_json() -> None:
    answer = _client("http://127.0.0.1:9").post("/simulator/dial", json={"phone": "0712345678", "dialled": SHORTCODE})
    assert answer.status_code == 502
    assert answer.json == {"error": "The simulators do not answer. Is the simulators' process running?"}


def test_every_answer_carries_the_strict_policy(client: FlaskClient) -> None:
    for answer in (client.get("/simulator"), client.get("/simulator/static/main.js"), client.post("/simulator/dial")):
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")


@pytest.mark.parametrize(
    ("dialled", "rest"),
    [("*384*123#", ""), ("*384*123", ""), ("*384*123*1#", "1"), ("*384*123*1*0722000111#", "1*0722000111")],
)
def test_a_long_code_is_the_services_own_and_answers(dialled: str, rest: str) -> None:
    assert beyond(dialled, SHORTCODE) == rest


@pytest.mark.parametrize("dialled", ["*100#", "*384*1234#", "", "384*123"])
def test_another_code_does_not_reach_the_service(dialled: str) -> None:
    with pytest.raises(ControlRefused, match="invalid MMI code"):
        beyond(dialled, SHORTCODE)
