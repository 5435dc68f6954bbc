"""Work that remembers what it was asked to do, and a worker to run it for a while."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from gateway.db import Database
from gateway.jobs import Work
from gateway.worker import work_until


def nothing(*_: object) -> None:
    """Does nothing."""


@dataclass
class Recorder:
    """Everything the worker may call. ``on`` runs inside a call and may raise."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    on: Callable[..., None] = nothing
    drains: list[int | Exception] = field(default_factory=list)
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)

    def push(self, payment_id: int) -> None:
        self._call("push", payment_id)

    def ask(self, payment_id: int, check: int) -> None:
        self._call("ask", payment_id, check)

    def handle(self, item_id: int) -> None:
        self._call("inbox", item_id)

    def resume_lost(self) -> int:
        return 0

    def retry_due(self) -> int:
        return 0

    def drain(self) -> int:
        answer = self.drains.pop(0) if self.drains else 0
        self.calls.append(("drain", answer))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def job(self, task: str, outcome: str) -> None:
        self.counted[task, outcome] += 1

    def _call(self, *call: Any) -> None:
        self.calls.append(call)
        self.on(*call)

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [call for call in self.calls if call[0] == kind]

    def work(self) -> Work:
        return Work(
            payments=self,
            inbox=self,
            drain=self.drain,
            return_claims=lambda: 0,
            check_books=lambda: True,
            keep_promises=lambda: 0,
            checkpoint=lambda: None,
            probe_rails=lambda: 0,
            reconcile=lambda: 0,
            look_for_alarms=lambda: 0,
            metrics=self,
        )


def run_until(url: str, work: Work, done: Callable[[], bool], seconds: float = 30) -> None:
    """Run a worker until ``done``; fails when that takes too long. The worker ends as it would on SIGTERM."""

    async def main() -> None:
        stop = asyncio.Event()
        worker = asyncio.create_task(work_until(stop, url, work))
        until = time.monotonic() + seconds
        while not done() and time.monotonic() < until and not worker.done():
            await asyncio.sleep(0.05)
        stop.set()
        await worker
        assert done(), "the worker did not get there in time"

    asyncio.run(main())


def waiting(db: Database) -> list[tuple[str, dict[str, Any], str]]:
    """Jobs in the queue, but for the chores: name, arguments, status."""
    query = text("""SELECT task_name, args, status::text FROM procrastinate_jobs
                    WHERE task_name IN ('push_payment', 'ask_payment', 'handle_inbox') ORDER BY id""")
    with db.reading() as connection:
        return [tuple(row) for row in connection.execute(query)]
