"""The hands of a worker for tests: jobs, chores and SMS by a clock that can be moved, one after the other.

What Procrastinate's own loop does beside this (fetching, retrying, stalled jobs) is tested in ``tests/worker``. A job
is taken, done and only then struck out, so whoever dies in between leaves it to the next (``take_over``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2

from gateway.domain.errors import TryLater
from gateway.jobs import worker_app
from gateway.parts import Parts
from gateway.preflight import libpq_address

#: A queue that never ends is an endless loop of ours.
_MOST_JOBS = 5_000

_TAKE = """
    UPDATE procrastinate_jobs SET status = 'doing' WHERE id = (
        SELECT id FROM procrastinate_jobs WHERE status = 'todo' AND coalesce(scheduled_at, %(now)s) <= %(now)s
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, task_name, args, attempts
"""
_PUT_BACK = """
    UPDATE procrastinate_jobs SET status = 'todo', attempts = attempts + 1, scheduled_at = %s WHERE id = %s
"""


def nothing(_: str) -> None:
    """Does nothing."""


class Hands:
    """Works on one database. ``at`` is told before and after every job, by name."""

    def __init__(self, parts: Parts, clock: Callable[[], datetime], at: Callable[[str], None] = nothing) -> None:
        self._parts = parts
        self._clock = clock
        self._at = at
        app = worker_app(parts.settings.database_url, parts.work)
        self._tasks = app.tasks
        self._chores = [each.task for each in app.periodic_registry.periodic_tasks.values()]
        self._line = psycopg2.connect(libpq_address(parts.settings.database_url))
        self._line.autocommit = True
        self.done: list[str] = []
        self.failed: list[str] = []

    def close(self) -> None:
        self._line.close()

    def take_over(self) -> None:
        """The jobs of the dead are anybody's again, as after a minute without their heartbeat."""
        self._run("UPDATE procrastinate_jobs SET status = 'todo' WHERE status = 'doing'")

    def work(self) -> None:
        """Every job that is due, and every SMS, until there is none."""
        self.jobs()
        while self._parts.messages.drain():
            continue

    def jobs(self) -> None:
        for _ in range(_MOST_JOBS):
            if not self._one():
                return
        raise AssertionError(f"the queue does not end: {self.done[-5:]}")

    def chores(self) -> None:
        """Everything that is done by the clock, once. What keeps the queue itself has nothing to do here."""
        for task in self._chores:
            if not inspect.iscoroutinefunction(task.func) and task.name != "checkpoint":
                with suppress(TryLater):
                    task.func(timestamp=0)

    def waiting(self) -> list[str]:
        """The names of jobs that are not done, due or not."""
        return [
            row[0] for row in self._run("SELECT task_name FROM procrastinate_jobs WHERE status IN ('todo','doing')")
        ]

    def _one(self) -> bool:
        taken = self._run(_TAKE, {"now": self._clock()})
        if not taken:
            return False
        job, name, args, attempts = taken[0]
        self._at(f"before the job {name}")
        newest = self._run("SELECT coalesce(max(id), 0) FROM procrastinate_jobs")[0][0]
        try:
            if not inspect.iscoroutinefunction(self._tasks[name].func):
                self._tasks[name].func(**args)
        except Exception as trouble:  # noqa: BLE001 - whatever it was, a worker tries the job again
            self.failed.append(f"{name}: {type(trouble).__name__}: {trouble}")
            again = self._clock() + timedelta(seconds=min(2**attempts, 300))
            self._run(_PUT_BACK, (again, job))
        else:
            self._at(f"after the job {name}")
            self._run("DELETE FROM procrastinate_jobs WHERE id = %s", (job,))
        self.done.append(name)
        self._move(newest)
        return True

    def _move(self, newest: int) -> None:
        """Jobs are put off by the database's clock; here they wait by ours."""
        ahead = self._clock() - datetime.now(UTC)
        later = (
            "UPDATE procrastinate_jobs SET scheduled_at = scheduled_at + %s WHERE id > %s AND scheduled_at IS NOT NULL"
        )
        if abs(ahead) > timedelta(seconds=1):
            self._run(later, (ahead, newest))

    def _run(self, sql: str, values: Any = None) -> list[Any]:
        with self._line.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall()) if cursor.description else []
