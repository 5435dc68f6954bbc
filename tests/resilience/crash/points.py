"""The points at which a process may die: around every statement and commit, and around every request to a provider."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import psycopg2.extensions
import requests
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import Engine, event

#: Enough of a statement to find it.
_SHOWN = 100


class Points:
    """Counts from ``arm`` on, and kills the process at the point ``fatal`` (never, when that is 0)."""

    def __init__(self, fatal: int, last_words: Callable[[str], None]) -> None:
        self._fatal = fatal
        self._last_words = last_words
        self._lock = threading.RLock()
        self._armed = False
        self.passed: list[str] = []
        #: Told of every request that was answered, before its answer is used.
        self.answered: Callable[[str], None] = lambda path: None

    def arm(self) -> None:
        self._armed = True

    def reach(self, where: str) -> None:
        """One more point. The lock is held by who dies, so nobody gets past."""
        if not self._armed:
            return
        with self._lock:
            self.passed.append(where)
            if len(self.passed) == self._fatal:
                self._last_words(where)
                os.kill(os.getpid(), signal.SIGKILL)

    @property
    def undecided(self) -> list[str]:
        """The points since the last commit."""
        since = list(itertools.takewhile(lambda where: where != "after COMMIT", reversed(self.passed)))
        return since[::-1]

    def watch_database(self, engine: Engine) -> None:
        """Every connection the engine opens from now on is counted, the bare ones too."""
        engine.dispose()

        @event.listens_for(engine, "do_connect")
        def connect(_dialect: Any, _record: Any, _args: Any, values: dict[str, Any]) -> None:
            values["connection_factory"] = _counted(self)
            values["application_name"] = f"crash {os.getpid()}"

    def watch_requests(self) -> None:
        """Every HTTP request of this process is counted. For a process that ends soon: nothing is put back."""
        really = requests.Session.send

        def send(session: requests.Session, request: requests.PreparedRequest, **more: Any) -> requests.Response:
            path = urlsplit(request.url or "").path
            self.reach(f"before the request {request.method} {path}")
            answer = really(session, request, **more)
            self.reach(f"after the answer to {request.method} {path}")
            self.answered(str(path))
            return answer

        requests.Session.send = send  # type: ignore[method-assign]


def _counted(points: Points) -> type[psycopg2.extensions.connection]:
    class Cursor(psycopg2.extensions.cursor):
        def execute(self, sql: Any, values: Any = None) -> None:
            shown = " ".join(str(sql).split())[:_SHOWN]
            points.reach(f"before {shown}")
            super().execute(sql, values)
            # Inside a transaction to die now is to die before the next statement: nothing of it stands yet.
            if self.connection.autocommit:
                points.reach(f"after {shown}")

    class Line(psycopg2.extensions.connection):
        def cursor(self, *given: Any, **named: Any) -> Any:
            return super().cursor(*given, **{"cursor_factory": Cursor, **named})

        def commit(self) -> None:
            changes = self.info.transaction_status != TRANSACTION_STATUS_IDLE
            if changes:
                points.reach("before COMMIT")
            super().commit()
            if changes:
                points.reach("after COMMIT")

    return Line
