"""The real queue on the real database: a job exists exactly when its decision committed."""

from __future__ import annotations

import asyncio
import select
from dataclasses import replace

import psycopg2
import pytest
from procrastinate import App
from procrastinate.jobs import Job
from procrastinate.utils import utcnow
from sqlalchemy import text

from gateway.db import Database
from gateway.domain.errors import TryLater
from gateway.domain.money import Money
from gateway.jobs import (
    ASK,
    ASK_ARRIVAL,
    ASK_PAYOUT,
    INBOX,
    PAY,
    PUSH,
    QUIET,
    Patience,
    PostgresJobs,
    requeue_stalled,
    worker_app,
)
from gateway.vault import Vault
from tests.conftest import Clock
from tests.services.payments.world import World
from tests.worker.work import Recorder, waiting


class Refused(Exception):
    """The decision is taken back."""


def test_a_job_exists_when_its_transaction_committed(queue_db: Database) -> None:
    jobs = PostgresJobs(queue_db.engine)
    with queue_db.transaction() as session:
        jobs.defer_push(session, 7, 3)
        jobs.defer_ask(session, 7, 2, 25)
        jobs.defer_inbox(session, 9)
        jobs.defer_pay(session, 5, 0)
        jobs.defer_ask_payout(session, 5, 1, 30)
        jobs.defer_arrival(session, 11, 1, 30)
        assert waiting(queue_db) == []
    assert waiting(queue_db) == [
        ("push_payment", {"payment_id": 7}, "todo"),
        ("ask_payment", {"payment_id": 7, "check": 2}, "todo"),
        ("handle_inbox", {"inbox_id": 9}, "todo"),
        ("pay_payout", {"payout_id": 5}, "todo"),
        ("ask_payout", {"payout_id": 5, "check": 1}, "todo"),
        ("ask_arrival", {"arrival_id": 11, "check": 1}, "todo"),
    ]


def test_no_job_exists_when_its_transaction_was_taken_back(queue_db: Database) -> None:
    jobs = PostgresJobs(queue_db.engine)

    def decide_and_take_back() -> None:
        with queue_db.transaction() as session:
            jobs.defer_push(session, 7, 3)
            raise Refused

    with pytest.raises(Refused):
        decide_and_take_back()
    assert waiting(queue_db) == []


def test_a_request_for_money_and_its_push_are_one_decision(queue_db: Database, vault: Vault, clock: Clock) -> None:
    world = World(queue_db, vault, clock)
    object.__setattr__(world.desk, "jobs", PostgresJobs(queue_db.engine))
    asked = world.payments.request(world.number, world.phone, Money.major(500), "k")
    world.payments.request(world.number, world.phone, Money.major(500), "k")
    assert waiting(queue_db) == [("push_payment", {"payment_id": world.row(asked.reference).id}, "todo")]
    with queue_db.reading() as connection:
        delay = connection.execute(text("SELECT scheduled_at - now() FROM procrastinate_jobs")).scalar_one()
    assert 0 < delay.total_seconds() <= world.settings.push_delay_seconds


def test_a_database_that_goes_away_while_deferring_is_try_later(queue_db: Database) -> None:
    jobs = PostgresJobs(queue_db.engine)

    def lose_the_connection() -> None:
        with queue_db.transaction() as session:
            backend = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with queue_db.reading() as other:
                other.execute(text("SELECT pg_terminate_backend(:p)"), {"p": backend})
            jobs.defer_push(session, 7, 3)

    with pytest.raises(TryLater):
        lose_the_connection()


def test_a_new_job_notifies_nobody(queue_url: str, queue_db: Database) -> None:
    def heard(after: str) -> bool:
        listener = psycopg2.connect(queue_url)
        listener.autocommit = True
        listener.cursor().execute(f'{after}; LISTEN "procrastinate_any_queue_v1"')
        with queue_db.transaction() as session:
            PostgresJobs(queue_db.engine).defer_push(session, 7, 3)
        select.select([listener], [], [], 0.5)
        listener.poll()
        told = bool(listener.notifies)
        listener.close()
        return told

    assert heard(QUIET.replace("DISABLE", "ENABLE")), "this test can hear"
    assert not heard(QUIET)


def test_every_job_we_defer_has_a_handler() -> None:
    app = worker_app("postgresql://nowhere", Recorder().work())
    assert {PUSH, ASK, INBOX, PAY, ASK_PAYOUT, ASK_ARRIVAL} <= set(app.tasks)


def test_every_chore_runs_by_the_clock() -> None:
    app = worker_app("postgresql://nowhere", Recorder().work())
    assert {name for name, _ in app.periodic_registry.periodic_tasks} == {
        "resume_payments",
        "resume_payouts",
        "retry_inbox",
        "check_books",
        "return_claims",
        "keep_promises",
        "checkpoint",
        "probe_rails",
        "reconcile",
        "look_for_alarms",
        "forget_requests",
        "resume_arrivals",
        "ask_balances",
        "requeue_stalled",
        "forget_old",
    }


def test_a_failed_job_is_tried_again_with_growing_waits_and_not_for_ever() -> None:
    def wait(attempts: int) -> float | None:
        job = Job(id=1, queue="q", lock=None, queueing_lock=None, task_name="t", attempts=attempts, task_kwargs={})
        decision = Patience().get_retry_decision(exception=TryLater(), job=job)
        if decision is None or decision.retry_at is None:
            return None
        return (decision.retry_at - utcnow()).total_seconds()

    waits = [wait(attempts) for attempts in range(20)]
    assert [round(seconds or 0) for seconds in waits[:10]] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert sum(seconds or 0 for seconds in waits) > 3600 * 0.9
    assert wait(20) is None


def run_requeue(url: str) -> int:
    async def main() -> int:
        app: App = worker_app(url, Recorder().work())
        async with app.open_async():
            return await requeue_stalled(app)

    return asyncio.run(main())


_DEAD = text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '2 minutes') RETURNING id")
_DOING = text("""INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, queueing_lock, worker_id)
                 VALUES ('mlango', :task, '{}', 'doing', :lock, :worker)""")


def test_the_jobs_of_a_dead_worker_are_given_to_others(queue_url: str, queue_db: Database) -> None:
    with queue_db.transaction() as session:
        dead = session.execute(_DEAD).scalar_one()
        session.execute(_DOING, {"task": "push_payment", "lock": None, "worker": dead})
    assert run_requeue(queue_url) == 1
    assert waiting(queue_db) == [("push_payment", {}, "todo")]


def test_the_jobs_of_a_living_worker_stay_where_they_are(queue_url: str, queue_db: Database) -> None:
    with queue_db.transaction() as session:
        alive = session.execute(text("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")).scalar_one()
        session.execute(_DOING, {"task": "push_payment", "lock": None, "worker": alive})
    assert run_requeue(queue_url) == 0
    assert waiting(queue_db) == [("push_payment", {}, "doing")]


def test_a_stalled_job_whose_twin_waits_is_closed_and_holds_up_no_other(queue_url: str, queue_db: Database) -> None:
    with queue_db.transaction() as session:
        dead = session.execute(_DEAD).scalar_one()
        for task, lock in (("check_books", "check_books"), ("push_payment", None)):
            session.execute(_DOING, {"task": task, "lock": lock, "worker": dead})
        session.execute(
            text("""INSERT INTO procrastinate_jobs (queue_name, task_name, args, queueing_lock)
                    VALUES ('mlango', 'check_books', '{}', 'check_books')""")
        )
    assert run_requeue(queue_url) == 2
    with queue_db.reading() as connection:
        query = text("SELECT task_name, status::text FROM procrastinate_jobs ORDER BY task_name")
        assert [tuple(row) for row in connection.execute(query)] == [("check_books", "todo"), ("push_payment", "todo")]


def test_a_chore_that_finds_the_database_away_is_left_to_the_next_one() -> None:
    asked: list[str] = []

    def away() -> bool:
        asked.append("books")
        raise TryLater

    app = worker_app("postgresql://nowhere", replace(Recorder().work(), check_books=away))
    app.tasks["check_books"].func(timestamp=0)
    assert asked == ["books"]
