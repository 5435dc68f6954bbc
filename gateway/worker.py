"""The worker: jobs and SMS in one process, any number of processes; it outlives restarts of its database."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import structlog
from procrastinate import exceptions
from sqlalchemy.exc import SQLAlchemyError

from gateway.domain.errors import TryLater
from gateway.jobs import QUEUE, STALLED_SECONDS, Work, worker_app

_log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.5
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 15.0
#: How long running jobs may take to end when the process is asked to stop. A call to a rail fits into it.
_GRACE_SECONDS = 40.0
_AWAY = (TryLater, exceptions.ConnectorException, psycopg.Error, SQLAlchemyError, OSError)


class _Stopped(Exception):
    """The job loop ended although nobody asked it to: it lost its database."""


def run_worker(database_url: str, work: Work, concurrency: int = 4) -> None:
    """Work until SIGTERM or SIGINT; running jobs are finished first. What ``flask worker`` calls."""

    async def main() -> None:
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        await work_until(stop, database_url, work, concurrency)

    asyncio.run(main())


async def work_until(stop: asyncio.Event, database_url: str, work: Work, concurrency: int = 4) -> None:
    """Run the job loop and the SMS loop side by side until ``stop`` is set."""
    # The pool's own complaints while the database is away would be a line every second; ours is one.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    _log.info("worker.started", concurrency=concurrency)
    await asyncio.gather(
        _keep_going("jobs", lambda: _run_jobs(stop, database_url, work, concurrency), stop),
        _keep_going("sms", lambda: _drain(stop, work.drain), stop),
    )
    _log.info("worker.stopped")


async def _keep_going(part: str, run: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Run one loop again whenever it ends, with growing waits while the database is away; says so once."""
    wait, loop = _FIRST_WAIT_SECONDS, asyncio.get_running_loop()
    while not stop.is_set():
        began = loop.time()
        try:
            await run()
        except (*_AWAY, _Stopped) as away:
            if loop.time() - began > STALLED_SECONDS:
                wait = _FIRST_WAIT_SECONDS
            if wait == _FIRST_WAIT_SECONDS:
                _log.warning("worker.database_away", part=part, error=type(away).__name__)
            await _pause(stop, wait)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)


async def _run_jobs(stop: asyncio.Event, database_url: str, work: Work, concurrency: int) -> None:
    """Procrastinate's worker, from connecting to closing; raises ``_Stopped`` when it ended by itself."""
    url = _libpq(database_url)
    # Fails at once when the database is away; the pool would try for half a minute.
    await (await psycopg.AsyncConnection.connect(url, connect_timeout=3)).close()
    app = worker_app(url, work)
    async with app.open_async():
        worker = asyncio.create_task(
            app.run_worker_async(
                queues=[QUEUE],
                concurrency=concurrency,
                listen_notify=False,
                fetch_job_polling_interval=_POLL_SECONDS,
                abort_job_polling_interval=60,
                shutdown_graceful_timeout=_GRACE_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
                delete_jobs="successful",
                install_signal_handlers=False,
                worker_middleware=[_counting(work)],
            )
        )
        await _first_of(worker, stop)
        if not worker.done():
            worker.cancel()
        try:
            await worker
        except asyncio.CancelledError:
            return
    if not stop.is_set():
        raise _Stopped


async def _drain(stop: asyncio.Event, drain: Callable[[], int]) -> None:
    """Send SMS as they become due: at once while there are some, else look twice a second."""
    while not stop.is_set():
        try:
            taken = await asyncio.to_thread(drain)
        except _AWAY:
            raise
        except Exception:
            # The one handler of this loop: a message that breaks the code must not stop every later one.
            logging.getLogger(__name__).exception("draining SMS failed")
            taken = 0
        if not taken:
            await _pause(stop, _POLL_SECONDS)


def _counting(work: Work) -> Any:
    """Counts every job by what became of it."""

    async def count(call_next: Callable[[], Awaitable[Any]], context: Any, worker: Any) -> Any:
        try:
            done = await call_next()
        except BaseException:
            work.metrics.job(context.job.task_name, "failed")
            raise
        work.metrics.job(context.job.task_name, "succeeded")
        return done

    return count


async def _first_of(worker: asyncio.Task[None], stop: asyncio.Event) -> None:
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({worker, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, unless asked to stop."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _libpq(url: str) -> str:
    """SQLAlchemy's way of naming its driver is not libpq's."""
    return url.replace("postgresql+psycopg2://", "postgresql://", 1).replace("postgres://", "postgresql://", 1)
