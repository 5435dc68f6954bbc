"""/health is cheap and always there; /ready names what is missing; /metrics counts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from gateway.db import Database
from gateway.metrics import Metrics
from gateway.schema_setup import load_schema
from gateway.web.health import health


@pytest.fixture(scope="module")
def queue_db(make_database) -> Iterator[Database]:  # type: ignore[no-untyped-def]
    url = make_database()
    load_schema(url)
    db = Database(url, pool_size=2)
    yield db
    db.close()


def _client(db: Database, metrics: Metrics | None = None, *, redis_is_up: bool = True) -> FlaskClient:
    app = Flask("test")
    app.register_blueprint(health(db, lambda: redis_is_up, metrics or Metrics()))
    return app.test_client()


def _heartbeat(db: Database, seconds_ago: int) -> None:
    with db.transaction() as session:
        session.execute(text("DELETE FROM procrastinate_workers"))
        session.execute(
            text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => :ago))"),
            {"ago": seconds_ago},
        )


@pytest.fixture
def unreachable() -> Iterator[Database]:
    db = Database("postgresql://nobody@127.0.0.1:1/none")
    yield db
    db.close()


def test_health_asks_nobody(unreachable: Database) -> None:
    answer = _client(unreachable, redis_is_up=False).get("/health")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_ready_when_database_redis_and_a_worker_are_up(queue_db: Database) -> None:
    _heartbeat(queue_db, 5)
    answer = _client(queue_db).get("/ready")
    assert (answer.status_code, answer.json) == (200, {"database": "up", "redis": "up", "worker": "up"})


def test_a_worker_without_a_heartbeat_for_a_minute_is_down(queue_db: Database) -> None:
    _heartbeat(queue_db, 61)
    answer = _client(queue_db).get("/ready")
    assert (answer.status_code, answer.json) == (503, {"database": "up", "redis": "up", "worker": "down"})


def test_no_worker_at_all_is_down(queue_db: Database) -> None:
    with queue_db.transaction() as session:
        session.execute(text("DELETE FROM procrastinate_workers"))
    assert _client(queue_db).get("/ready").json == {"database": "up", "redis": "up", "worker": "down"}


def test_a_missing_redis_is_named(queue_db: Database) -> None:
    _heartbeat(queue_db, 5)
    answer = _client(queue_db, redis_is_up=False).get("/ready")
    assert (answer.status_code, answer.json) == (503, {"database": "up", "redis": "down", "worker": "up"})


def test_a_missing_database_is_named(unreachable: Database) -> None:
    answer = _client(unreachable).get("/ready")
    assert (answer.status_code, answer.json) == (503, {"database": "down", "redis": "up", "worker": "down"})


def test_metrics_count_what_happened(queue_db: Database) -> None:
    metrics = Metrics()
    metrics.hop("home", "con", 0.004)
    metrics.job("send_messages", "succeeded")
    metrics.provider_call("mpesa", "prompt", "accepted", 0.3)
    metrics.ledger_check("unbalanced", 0)
    page = _client(queue_db, metrics).get("/metrics").text
    for line in (
        'mlango_hops_total{outcome="con",screen="home"} 1.0',
        'mlango_hop_seconds_bucket{le="0.005",screen="home"} 1.0',
        'mlango_jobs_total{outcome="succeeded",task="send_messages"} 1.0',
        'mlango_provider_calls_total{operation="prompt",outcome="accepted",provider="mpesa"} 1.0',
        'mlango_ledger_check{check="unbalanced"} 0.0',
    ):
        assert line in page


def test_processes_that_share_a_folder_are_counted_together(tmp_path: Path) -> None:
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    program = (
        "from gateway.metrics import Metrics; m = Metrics(); m.hop('home', 'con', 0.1); print(m.text()[0].decode())"
    )
    pages = [
        subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert 'mlango_hops_total{outcome="con",screen="home"} 2.0' in pages[1]
