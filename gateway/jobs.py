"""The job queue: Procrastinate on our own PostgreSQL, so that a job exists exactly when its decision committed.

Deferring is one statement on the decision's own transaction. Procrastinate also sends a NOTIFY for every new job; its
lock at commit lets all deferring transactions pass one by one (measured with 8 clients: 1,100 to 1,800 a second with
it, 2,700 to 3,000 without, at 16 clients a third). Nothing of ours is in such a hurry, so ``QUIET`` switches it off
and the worker polls; this also needs no LISTEN, which a transaction pooler does not carry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from procrastinate import App, BaseRetryStrategy, JobContext, PsycopgConnector, RetryDecision, exceptions
from procrastinate.contrib.sqlalchemy import SQLAlchemyPsycopg2Connector
from procrastinate.jobs import Job, Status
from procrastinate.utils import utcnow
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from gateway.domain.errors import TryLater

_log = structlog.get_logger(__name__)

#: After Procrastinate's schema: no NOTIFY for new jobs.
QUIET = "ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1"

PUSH, ASK, INBOX = "push_payment", "ask_payment", "handle_inbox"
PAY, ASK_PAYOUT = "pay_payout", "ask_payout"
ASK_ARRIVAL = "ask_arrival"
QUEUE = "mlango"
_MOST_ATTEMPTS = 20
_LONGEST_WAIT_SECONDS = 300
#: A worker whose heart has not beaten for this long is dead; its jobs are given to others.
STALLED_SECONDS = 60
_KEEP_FAILED_HOURS = 30 * 24


class PostgresJobs:
    """Defers jobs on the transaction of a session; see ``gateway.services.later.Jobs``."""

    def __init__(self, engine: Engine) -> None:
        self._app = App(connector=SQLAlchemyPsycopg2Connector())
        self._app.open(engine)

    def defer_push(self, session: Session, payment_id: int, after_seconds: int) -> None:
        self._defer(session, PUSH, after_seconds, payment_id=payment_id)

    def defer_ask(self, session: Session, payment_id: int, check: int, after_seconds: int) -> None:
        self._defer(session, ASK, after_seconds, payment_id=payment_id, check=check)

    def defer_inbox(self, session: Session, inbox_id: int) -> None:
        self._defer(session, INBOX, 0, inbox_id=inbox_id)

    def defer_pay(self, session: Session, payout_id: int, after_seconds: int) -> None:
        self._defer(session, PAY, after_seconds, payout_id=payout_id)

    def defer_ask_payout(self, session: Session, payout_id: int, check: int, after_seconds: int) -> None:
        self._defer(session, ASK_PAYOUT, after_seconds, payout_id=payout_id, check=check)

    def defer_arrival(self, session: Session, arrival_id: int, check: int, after_seconds: int) -> None:
        self._defer(session, ASK_ARRIVAL, after_seconds, arrival_id=arrival_id, check=check)

    def _defer(self, session: Session, task: str, after_seconds: int, **ids: int) -> None:
        when: Any = {"schedule_in": {"seconds": after_seconds}} if after_seconds else {}
        deferrer = self._app.configure_task(task, queue=QUEUE, connection=session.connection(), **when)
        try:
            deferrer.defer(**ids)
        except exceptions.ConnectorException as failed:
            # The database's own error, so that whoever opened the transaction sees what happened.
            raise failed.__cause__ or failed from failed


class Patience(BaseRetryStrategy):
    """Whatever went wrong, try again: soon, then every five minutes, for more than an hour."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if job.attempts >= _MOST_ATTEMPTS:
            return None
        _log.warning("job.retry", task=job.task_name, job=job.id, attempt=job.attempts, error=type(exception).__name__)
        return RetryDecision(retry_in={"seconds": min(1 << job.attempts, _LONGEST_WAIT_SECONDS)})


class MovesPayments(Protocol):
    def push(self, payment_id: int) -> None: ...
    def ask(self, payment_id: int, check: int) -> None: ...
    def resume_lost(self) -> int: ...


class MovesPayouts(Protocol):
    def pay(self, payout_id: int) -> None: ...
    def ask(self, payout_id: int, check: int) -> None: ...
    def resume_lost(self) -> int: ...


class HandlesInbox(Protocol):
    def handle(self, item_id: int) -> None: ...
    def retry_due(self) -> int: ...


class AsksArrivals(Protocol):
    def ask(self, arrival_id: int, check: int) -> None: ...
    def resume_lost(self) -> int: ...


class CountsJobs(Protocol):
    def job(self, task: str, outcome: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Work:
    """All that the worker does. ``drain`` sends SMS that are due and returns how many it took."""

    payments: MovesPayments
    payouts: MovesPayouts
    inbox: HandlesInbox
    arrivals: AsksArrivals
    drain: Callable[[], int]
    return_claims: Callable[[], int]
    keep_promises: Callable[[], int]
    check_books: Callable[[], bool]
    checkpoint: Callable[[], None]
    probe_rails: Callable[[], int]
    reconcile: Callable[[], int]
    look_for_alarms: Callable[[], int]
    forget_requests: Callable[[], int]
    ask_balances: Callable[[], int]
    metrics: CountsJobs


def worker_app(url: str, work: Work) -> App:
    """The queue as the worker sees it, with every task. ``url`` is a libpq address."""
    # Prepared statements would outlive their transaction, which a transaction pooler does not carry.
    connecting = {"prepare_threshold": None, "connect_timeout": 3}
    app = App(connector=PsycopgConnector(conninfo=url, min_size=1, max_size=4, kwargs=connecting))
    tasks: dict[str, Callable[..., None]] = {
        PUSH: lambda payment_id: work.payments.push(payment_id),
        ASK: lambda payment_id, check: work.payments.ask(payment_id, check),
        INBOX: lambda inbox_id: work.inbox.handle(inbox_id),
        PAY: lambda payout_id: work.payouts.pay(payout_id),
        ASK_PAYOUT: lambda payout_id, check: work.payouts.ask(payout_id, check),
        ASK_ARRIVAL: lambda arrival_id, check: work.arrivals.ask(arrival_id, check),
    }
    for name, task in tasks.items():
        app.task(name=name, queue=QUEUE, retry=Patience())(task)
    for name, (cron, chore) in _chores(work).items():
        _every(app, name, cron, chore)
    _housekeeping(app)
    return app


def _chores(work: Work) -> dict[str, tuple[str, Callable[[], object]]]:
    """What is done by the clock."""
    return {
        "resume_payments": ("* * * * *", work.payments.resume_lost),
        "resume_payouts": ("* * * * *", work.payouts.resume_lost),
        "retry_inbox": ("* * * * *", work.inbox.retry_due),
        "check_books": ("* * * * *", work.check_books),
        "return_claims": ("*/5 * * * *", work.return_claims),
        "keep_promises": ("* * * * *", work.keep_promises),
        "checkpoint": ("17 * * * *", work.checkpoint),
        "probe_rails": ("* * * * *", work.probe_rails),
        "look_for_alarms": ("* * * * *", work.look_for_alarms),
        "reconcile": ("37 * * * *", work.reconcile),
        "forget_requests": ("23 4 * * *", work.forget_requests),
        "resume_arrivals": ("* * * * *", work.arrivals.resume_lost),
        "ask_balances": ("5 * * * *", work.ask_balances),
    }


def _every(app: App, name: str, cron: str, chore: Callable[[], object]) -> None:
    """At most one waits at a time (``queueing_lock``). Not retried: the next one comes anyway."""

    def run(timestamp: int) -> None:
        try:
            chore()
        except TryLater:
            _log.warning("chore.skipped", chore=name)

    app.periodic(cron=cron)(app.task(name=name, queue=QUEUE, queueing_lock=name)(run))


def _housekeeping(app: App) -> None:
    """Procrastinate requeues no stalled jobs and forgets no failed ones by itself."""

    @app.periodic(cron="* * * * *")
    @app.task(name="requeue_stalled", queue=QUEUE, queueing_lock="requeue_stalled", pass_context=True)
    async def requeue_stalled_jobs(context: JobContext, timestamp: int) -> None:
        await requeue_stalled(context.app)

    @app.periodic(cron="43 3 * * *")
    @app.task(name="forget_old", queue=QUEUE, queueing_lock="forget_old", pass_context=True)
    async def forget_old(context: JobContext, timestamp: int) -> None:
        await context.app.job_manager.delete_old_jobs(
            nb_hours=_KEEP_FAILED_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
        )


async def requeue_stalled(app: App) -> int:
    """Give the jobs of dead workers to living ones; returns how many.

    One whose twin is waiting already, by its queueing lock, cannot be requeued (procrastinate-org/procrastinate#1446):
    its twin will do the work, so it is closed.
    """
    manager = app.job_manager
    stalled = list(await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS))
    for job in stalled:
        try:
            await manager.retry_job(job=job, retry_at=utcnow())
        except exceptions.UniqueViolation:
            await manager.finish_job(job=job, status=Status.FAILED, delete_job=True)
        _log.warning("job.stalled", task=job.task_name, job=job.id)
    return len(stalled)
