"""Every way in from outside says who may use it, and every job has somebody who does it."""

from __future__ import annotations

import dataclasses
import re
import secrets

import pytest
from werkzeug.test import Client

from gateway import jobs
from gateway.app import create_app
from gateway.domain.states import MACHINES
from gateway.jobs import worker_app
from tests.house import House

#: public: nothing to lose. api key: an open key with the scope of the route.
#: bearer: USSD_API_KEY when it is set. token: an unguessable address.
#: simulated: there only while a provider is simulated, never in production.
#: hint: anybody may post, and what is said is only believed after asking, or decides nothing about money.
ROUTES = {
    ("GET", "/health"): "public",
    ("GET", "/ready"): "public",
    ("GET", "/metrics"): "public",
    ("GET", "/openapi.json"): "public",
    ("GET", "/docs"): "public",
    ("GET", "/paid/<token>"): "token",
    ("POST", "/api/v1/payments"): "api key",
    ("POST", "/api/v1/payouts"): "api key",
    ("GET", "/api/v1/payouts"): "api key",
    ("GET", "/api/v1/payouts/<reference>"): "api key",
    ("GET", "/api/v1/payments"): "api key",
    ("GET", "/api/v1/payments/<reference>"): "api key",
    ("POST", "/api/v1/credits/topups"): "api key",
    ("GET", "/api/v1/credits/packages"): "api key",
    ("GET", "/api/v1/credits/<account>"): "api key",
    ("POST", "/api/v1/credits/spend"): "api key",
    ("POST", "/hooks/<token>/<channel>"): "token",
    ("POST", "/hooks/<token>/paybill-check"): "token",
    ("POST", "/sms/delivery"): "hint",
    ("POST", "/sms/delivery/<given>"): "token",
    ("POST", "/ussd/events"): "hint",
    ("GET", "/simulator"): "simulated",
    ("GET", "/simulator/static/<path:filename>"): "simulated",
    ("POST", "/simulator/news"): "simulated",
    ("POST", "/simulator/dial"): "simulated",
    ("POST", "/simulator/<path:control>"): "simulated",
}
#: Before Flask: ``gateway.web.ussd.Door``.
DOOR = {("POST", "/ussd"): "bearer", ("POST", "/ussd/<token>"): "token"}


def test_every_route_declares_its_authentication(house: House) -> None:
    served = {
        (method, rule.rule)
        for rule in house.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }
    assert served == set(ROUTES)
    assert set(ROUTES.values()) | set(DOOR.values()) <= {"public", "bearer", "api key", "token", "hint", "simulated"}


def test_every_route_of_the_api_asks_for_a_key(house: House) -> None:
    client = Client(house.app)
    for (method, path), door in ROUTES.items():
        if door == "api key":
            answer = client.open(re.sub(r"<\w+>", "X", path), method=method)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), path


def test_nothing_is_served_from_a_folder(house: House) -> None:
    assert Client(house.app).get("/static/../schema.sql").status_code == 404


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/ussd", {}, 401),
        ("/ussd", {"Authorization": "Bearer wrong"}, 401),
        ("/ussd", {"Authorization": "Basic the-key-of-the-door"}, 401),
        ("/ussd", {"Authorization": "Bearer the-key-of-the-door"}, 200),
        ("/ussd/fedcba9876543210", {"Authorization": "Bearer the-key-of-the-door"}, 401),
        ("/ussd/0123456789abcdef", {}, 200),
    ],
)
def test_the_door_asks_for_what_is_declared(house: House, path: str, headers: dict[str, str], status: int) -> None:
    settings = house.parts.settings.model_copy(update={"ussd_api_key": "the-key-of-the-door"})
    app = create_app(settings, house.parts.providers)
    form = {
        "sessionId": f"ATUid_{secrets.token_hex(8)}",
        "phoneNumber": "+254719999999",
        "text": "",
        "serviceCode": "*1#",
    }
    answer = Client(app).post(path, data=form, headers=headers)
    assert answer.status_code == status
    assert answer.get_data(as_text=True).startswith("CON " if status == 200 else "END ")
    app.extensions["mlango"].close()


def test_a_wrong_token_reports_no_delivery(house: House) -> None:
    assert Client(house.app).post("/sms/delivery/fedcba9876543210", data={"id": "x"}).status_code == 404


def test_every_job_that_is_deferred_has_a_task(house: House) -> None:
    app = worker_app(house.parts.settings.database_url, house.parts.work)
    assert {jobs.PUSH, jobs.ASK, jobs.INBOX, jobs.ASK_ARRIVAL} <= set(app.tasks)
    ours = {name: task for name, task in app.tasks.items() if "builtin" not in name}
    assert {task.queue for task in ours.values()} == {jobs.QUEUE}


def test_every_chore_of_the_worker_is_scheduled_and_runs(house: House) -> None:
    chores = jobs._chores(house.parts.work)
    app = worker_app(house.parts.settings.database_url, house.parts.work)
    scheduled = {periodic.task.name for periodic in app.periodic_registry.periodic_tasks.values()}
    assert set(chores) | {"requeue_stalled", "forget_old"} == scheduled
    offered = {field.name for field in dataclasses.fields(house.parts.work)} - {
        "metrics", "drain", "payments", "inbox", "arrivals",
    }  # fmt: skip
    assert len(offered) + 3 == len(chores), "what the worker is given is done by the clock"
    for _, chore in chores.values():
        chore()


def test_every_kind_of_body_that_is_kept_has_a_handler(house: House) -> None:
    from gateway.services.report_callbacks import SMS_REPORT

    rails, handlers = house.parts.providers.rails.values(), set(house.parts.callbacks._handlers)
    channels = {f"{rail.name}.{channel.name}": channel.about for rail in rails for channel in rail.channels}
    served = {channels[source] for source in handlers & channels.keys()}
    assert {source for source, about in channels.items() if about in served} | {SMS_REPORT} == handlers


def test_every_state_is_placed_and_final_means_final() -> None:
    for machine in MACHINES:
        assert machine.start in machine.moves
        reached, waiting = {machine.start}, [machine.start]
        while waiting:
            for to in machine.moves[waiting.pop()]:
                if to not in reached:
                    reached.add(to)
                    waiting.append(to)
        assert reached == set(machine.moves), machine.name


def test_jobs_carry_ids_only(house: House) -> None:
    with house.parts.db.reading() as connection:
        rows = connection.exec_driver_sql("SELECT task_name, args::text FROM procrastinate_jobs").all()
    for task, args in rows:
        assert set(filter(None, re.findall(r'"(\w+)":', args))) <= {
            "payment_id", "payout_id", "check", "inbox_id", "arrival_id", "timestamp",
        }, task  # fmt: skip
