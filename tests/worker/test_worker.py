"""The worker: carries out jobs and SMS, stops when asked, and outlives its database's absence."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace

import psycopg2
import pytest
import structlog
from sqlalchemy import make_url, text

from gateway.db import Database
from gateway.domain.errors import TryLater
from gateway.domain.money import Money
from gateway.jobs import PostgresJobs
from gateway.services.payment_results import Source
from gateway.vault import Vault
from integrations.protocols import PaymentResult, PaymentVerdict
from tests.conftest import ROOT, Clock, sibling
from tests.services.payments.world import World
from tests.worker.work import Recorder, run_until, waiting


def defer(db: Database, payment_id: int = 7, after: int = 0) -> None:
    with db.transaction() as session:
        PostgresJobs(db.engine).defer_push(session, payment_id, after)


def test_jobs_are_carried_out_counted_and_forgotten(queue_url: str, queue_db: Database) -> None:
    recorder, jobs = Recorder(), PostgresJobs(queue_db.engine)
    with queue_db.transaction() as session:
        jobs.defer_push(session, 7, 0)
        jobs.defer_ask(session, 7, 3, 1)
        jobs.defer_arrival(session, 11, 1, 0)
        jobs.defer_inbox(session, 9)
        jobs.defer_pay(session, 5, 0)
    run_until(queue_url, recorder.work(), lambda: len(recorder.of("ask")) == 1 and not waiting(queue_db))
    assert recorder.of("pay") == [("pay", 5)]
    assert [recorder.of(kind) for kind in ("push", "ask", "inbox")] == [[("push", 7)], [("ask", 7, 3)], [("inbox", 9)]]
    assert recorder.of("arrival") == [("arrival", 11, 1)]
    assert recorder.counted["push_payment", "succeeded"] == 1


def test_a_job_for_later_waits(queue_url: str, queue_db: Database) -> None:
    recorder, began = Recorder(), time.monotonic()
    defer(queue_db, after=2)
    run_until(queue_url, recorder.work(), lambda: bool(recorder.of("push")))
    assert time.monotonic() - began >= 1.9


def test_a_job_that_fails_is_tried_again(queue_url: str, queue_db: Database) -> None:
    recorder = Recorder()

    def fail_once(*call: object) -> None:
        if len(recorder.of("push")) == 1:
            raise TryLater

    recorder.on = fail_once
    defer(queue_db)
    run_until(queue_url, recorder.work(), lambda: len(recorder.of("push")) == 2 and not waiting(queue_db))
    assert recorder.counted["push_payment", "failed"] == 1


def test_the_heart_of_a_running_worker_beats_and_a_stopped_one_signs_off(queue_url: str, queue_db: Database) -> None:
    def workers() -> int:
        with queue_db.reading() as connection:
            return int(connection.execute(text("SELECT count(*) FROM procrastinate_workers")).scalar_one())

    seen: list[int] = []
    run_until(queue_url, Recorder().work(), lambda: seen.append(workers()) or 1 in seen)
    assert workers() == 0


def test_sms_are_sent_at_once_while_there_are_some_and_looked_for_twice_a_second_else(queue_url: str) -> None:
    recorder = Recorder(drains=[100] * 50)
    began = time.monotonic()
    run_until(queue_url, recorder.work(), lambda: len(recorder.of("drain")) > 50)
    assert time.monotonic() - began < 5
    idle = Recorder()
    began = time.monotonic()
    run_until(queue_url, idle.work(), lambda: time.monotonic() - began > 2)
    assert 2 <= len(idle.of("drain")) <= 6


def test_one_message_that_breaks_the_code_does_not_stop_the_others(
    queue_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(drains=[ValueError("broken"), TryLater(), 3])
    run_until(queue_url, recorder.work(), lambda: ("drain", 3) in recorder.calls)
    assert "draining SMS failed" in caplog.text


def reachable(url: str, allowed: bool) -> None:
    """Open or shut the database, as a restart of the server would."""
    name = make_url(url).database
    connection = psycopg2.connect(sibling(url, "postgres"))
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {allowed}')
    if not allowed:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    connection.close()


@pytest.mark.slow
def test_a_worker_outlives_its_databases_absence_and_says_so_once(queue_url: str, queue_db: Database) -> None:
    recorder = Recorder()
    gone = threading.Event()

    def shut(*call: object) -> None:
        if not gone.is_set():
            gone.set()
            reachable(queue_url, False)
            threading.Timer(4, reachable, (queue_url, True)).start()

    recorder.on = shut
    defer(queue_db, payment_id=1)

    def done() -> bool:
        if gone.is_set() and len(recorder.of("push")) == 1:
            try:
                defer(queue_db, payment_id=2)
            except TryLater:
                return False
            time.sleep(0.3)
        return ("push", 2) in recorder.calls

    def drain() -> int:
        with queue_db.reading() as connection:
            connection.execute(text("SELECT 1"))
        return 0

    with structlog.testing.capture_logs() as logs:
        run_until(queue_url, replace(recorder.work(), drain=drain), done, seconds=60)
    away = Counter(line["part"] for line in logs if line["event"] == "worker.database_away")
    # The pool under the job loop may sit a short absence out.
    assert away["sms"] == 1
    assert away["jobs"] <= 1


@pytest.mark.slow
def test_a_worker_that_starts_before_its_database_waits_for_it(queue_url: str, queue_db: Database) -> None:
    defer(queue_db)
    reachable(queue_url, False)
    threading.Timer(2, reachable, (queue_url, True)).start()
    recorder = Recorder()
    run_until(queue_url, recorder.work(), lambda: bool(recorder.of("push")))


@pytest.mark.parametrize("stop_with", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_finishes_what_it_began(queue_url: str, queue_db: Database, stop_with: signal.Signals) -> None:
    defer(queue_db)
    command = [sys.executable, "-m", "tests.worker.process", queue_url]
    worker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert worker.stdout
    while "began" not in (line := worker.stdout.readline()):
        assert line or worker.poll() is None
    worker.send_signal(stop_with)
    out, _ = worker.communicate(timeout=20)
    assert "ended ('push', 7)" in out
    assert (worker.returncode, waiting(queue_db)) == (0, [])


def test_a_killed_worker_leaves_its_job_to_the_next(queue_url: str, queue_db: Database) -> None:
    defer(queue_db)
    command = [sys.executable, "-m", "tests.worker.process", queue_url]
    worker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert worker.stdout
    while "began" not in (line := worker.stdout.readline()):
        assert line or worker.poll() is None
    worker.kill()
    worker.communicate()
    assert waiting(queue_db)[0][2] == "doing"
    with queue_db.transaction() as session:
        session.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '2 minutes'"))
    recorder = Recorder()
    run_until(queue_url, recorder.work(), lambda: bool(recorder.of("push")), seconds=90)


def test_a_deposit_goes_from_request_to_wallet_through_the_real_queue(
    queue_url: str, queue_db: Database, vault: Vault, clock: Clock
) -> None:
    world = World(queue_db, vault, clock, push_delay_seconds=1)
    object.__setattr__(world.desk, "jobs", PostgresJobs(queue_db.engine))
    world.rail.during_prompt = lambda provider_id: world.rail.says.update(
        {provider_id: PaymentResult(PaymentVerdict.PAID, provider_id, code="0")}
    )
    payment_id = world.row(world.payments.request(world.number, world.phone, Money.major(500), "k").reference).id
    recorder = Recorder()
    work = replace(recorder.work(), payments=world.payments)
    run_until(queue_url, work, lambda: world.row(payment_id).state == "prompted")
    assert len(world.rail.prompts) == 1
    world.payments.result(payment_id, world.paid(payment_id), Source.CALLBACK)
    assert world.wallet == Money.major(500)
