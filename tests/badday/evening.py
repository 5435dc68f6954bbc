"""The evening: everybody behaves, time goes on, and one gateway in this process ends what the day has left."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType

from werkzeug.serving import make_server

from gateway.app import create_app
from gateway.parts import Parts
from tests.badday.clock import MovedClock
from tests.badday.desk import Desk
from tests.badday.tally import Tally
from tests.badday.town import Town
from tests.resilience.hands import Hands

#: How time goes on: every question is asked by then, every lease has run out, every gap is over.
_STEPS = [timedelta(minutes=minutes) for minutes in (0, 1, 1, 2, 4, 10, 10, 30, 60, 60, 180, 25 * 60)]
_MOST_ROUNDS = 4
#: A statement is not held against what has just happened.
_SETTLED = timedelta(hours=1)
_WEEK = timedelta(days=8)
#: A forged body is about nothing of ours, and is looked at again for ever; so is a report on an SMS that nobody knows.
OPEN = {
    "payments": "SELECT reference FROM payments WHERE state IN ('requested', 'prompted', 'unknown')",
    "payouts": "SELECT reference FROM payouts WHERE state IN ('held', 'submitted', 'unknown')",
    "arrivals": "SELECT receipt FROM arrivals WHERE state IN ('asking', 'suspended')",
    "SMS": "SELECT kind FROM messages WHERE state IN ('queued', 'sending')",
    "bodies": "SELECT source FROM inbox WHERE state = 'received'",
    "jobs": "SELECT task_name FROM procrastinate_jobs WHERE status IN ('todo', 'doing', 'failed')",
}


class Evening:
    """Use as a context manager; ``pass_by`` is the whole evening, ``parts`` what it is looked at with afterwards."""

    def __init__(self, town: Town, clock: MovedClock, tally: Tally) -> None:
        self._town, self._clock, self._tally = town, clock, tally
        town.mpesa_options.fate, town.mpesa_options.answer_seconds = None, 0.0
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # its lines hold addresses with tokens
        app = create_app(town.settings, clock=clock)
        self.parts: Parts = app.extensions["mlango"]
        self._server = make_server("127.0.0.1", town.port, app, threaded=True)
        self._hands = Hands(self.parts, clock)

    def __enter__(self) -> Evening:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._hands.close()
        self.parts.close()

    def pass_by(self) -> None:
        """Nothing is done by people until time alone has done what it can."""
        self._hands.take_over()
        desk = Desk(self.parts, self._town.simulators.mpesa.books, self._tally)
        for _ in range(_MOST_ROUNDS):
            self._calm()
            self._clock.move(_SETTLED)
            self._round()
            if not desk.work():
                break
        self._clock.move(_WEEK)  # what nobody claimed goes back to its sender
        self._calm()
        desk.work()
        self._calm()
        for job in self._hands.failed:
            self._tally.note("failed jobs", job)

    def open(self) -> dict[str, list[str]]:
        """What is not over, by kind."""
        return {what: found for what, sql in OPEN.items() if (found := self.names(sql))}

    def names(self, sql: str) -> list[str]:
        with self.parts.db.reading() as connection:
            return [str(row[0]) for row in connection.exec_driver_sql(sql)]

    def _calm(self) -> None:
        for step in _STEPS:
            self._clock.move(step)
            self._round()
            if not self._moving():
                return

    def _round(self) -> None:
        self._hands.chores()
        self._hands.work()
        _until(lambda: self._town.simulators.later.quiet)
        self._hands.work()

    def _moving(self) -> bool:
        """Whether time may still change something; what is suspended waits for a person."""
        waits = self.names("SELECT receipt FROM arrivals WHERE state = 'suspended'")
        return any(set(found) - set(waits) for found in self.open().values())


def _until(true: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "the simulators do not come to rest"
        time.sleep(0.02)
