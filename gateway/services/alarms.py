"""What is wrong now, looked for every minute: shown as figures, and said once when it comes and once when it goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.states import PaymentState, PayoutState
from gateway.models.alarms import Alarm, clear_alarms, raise_alarm, standing_alarms
from gateway.services.figures import Ended, Figures, Waiting
from gateway.services.stops import PAYOUTS

_log = structlog.get_logger(__name__)

#: Said by the check of the books, not by looking here.
BOOKS_WRONG = "books_wrong"
_FAILING = "failing"
_LATELY, _DAY = timedelta(minutes=15), timedelta(days=1)

#: What waits, and the alarm that it is when it waits too long.
_NAMES = {
    "payment": "stuck_payments",
    "payout": "stuck_payouts",
    "unknown_payout": "unknown_payouts",
    "suspense": "suspense_old",
    "payment_review": "payments_to_review",
    "payout_review": "payouts_to_review",
    "difference": "differences",
    "rail_down": "rail_down",
    "stop": "stopped",
    "sms": "sms_late",
    "callback": "callbacks_unsettled",
}
#: What waits for no rail.
_ELSEWHERE = {("sms", ""): (0, 0), ("callback", "sms"): (0, 0), ("stop", PAYOUTS): (0, 0)}
_STATES: dict[str, Iterable[str]] = {"payments": PaymentState, "payouts": PayoutState}
#: Every alarm there is.
ALARMS = frozenset({*_NAMES.values(), _FAILING, BOOKS_WRONG})


class Patience(Protocol):
    """From when on waiting is an alarm; settings."""

    @property
    def alarm_payment_minutes(self) -> int: ...
    @property
    def alarm_payout_minutes(self) -> int: ...
    @property
    def alarm_unknown_payout_minutes(self) -> int: ...
    @property
    def alarm_suspense_hours(self) -> int: ...
    @property
    def alarm_sms_minutes(self) -> int: ...
    @property
    def alarm_callback_minutes(self) -> int: ...
    @property
    def alarm_failing_percent(self) -> int: ...
    @property
    def alarm_failing_least(self) -> int: ...


class ShowsFigures(Protocol):
    """Where the figures are shown: the gauge's name, its value, and its labels in order."""

    def show(self, gauge: str, value: int, *labels: str) -> None: ...


class Alarms:
    """Looks, shows and says."""

    def __init__(self, db: Database, figures: Figures, patience: Patience, metrics: ShowsFigures, clock: Clock) -> None:
        self._db = db
        self._figures = figures
        self._metrics = metrics
        self._clock = clock
        self._patience = patience
        self._after = _limits(patience)

    def look(self) -> int:
        """The chore: count everything, raise what is wrong and clear what is not; returns how many stand."""
        now = self._clock()
        waiting, ended = self._figures.waiting(now), self._figures.ended(now - _LATELY)
        self._show(now, waiting, ended)
        found: dict[str, dict[str, str]] = {name: {} for name in ALARMS - {BOOKS_WRONG}}
        for name, subject, detail in [*self._too_long(now, waiting), *self._failing(ended)]:
            found[name][subject] = detail
        for name, subjects in found.items():
            self.say(name, subjects)
        return self._show_standing()

    def say(self, name: str, found: Mapping[str, str]) -> None:
        """All that is wrong of one name now: detail by subject. What stood before and is not here is over."""
        with self._db.transaction() as session:
            now = self._clock()
            new = [subject for subject, detail in found.items() if raise_alarm(session, name, subject, detail, now)]
            over = clear_alarms(session, name, frozenset(found))
        for subject in new:
            _log.error("alarm.raised", alarm=name, subject=subject, detail=found[subject])
        for subject in over:
            _log.warning("alarm.cleared", alarm=name, subject=subject)

    def standing(self) -> list[Alarm]:
        """Longest first."""
        with self._db.transaction() as session:
            return standing_alarms(session)

    def _too_long(self, now: datetime, waiting: Sequence[Waiting]) -> Iterator[tuple[str, str, str]]:
        for one in waiting:
            if now - one.oldest >= self._after.get(one.what, timedelta(0)):
                yield _NAMES[one.what], one.rail, f"{one.count}, the oldest since {one.oldest:%Y-%m-%d %H:%M} UTC"

    def _failing(self, ended: Sequence[Ended]) -> Iterator[tuple[str, str, str]]:
        for one in ended:
            enough = one.ended >= self._patience.alarm_failing_least
            if enough and one.percent >= self._patience.alarm_failing_percent:
                yield _FAILING, f"{one.kind} {one.rail}", f"{one.failed} of {one.ended} in a quarter of an hour"

    def _show(self, now: datetime, waiting: Sequence[Waiting], ended: Sequence[Ended]) -> None:
        """Every figure, also the noughts: a gauge that is not set again keeps its last value."""
        rails = self._figures.rails
        counts = {(what, rail): (0, 0) for what in _NAMES for rail in rails} | _ELSEWHERE
        counts |= {(one.what, one.rail): (one.count, _seconds(now - one.oldest)) for one in waiting}
        for labels, (count, seconds) in counts.items():
            self._metrics.show("waiting", count, *labels)
            self._metrics.show("oldest_seconds", seconds, *labels)
        shares = {(kind, rail): 0 for kind in _STATES for rail in rails}
        for labels, percent in (shares | {(one.kind, one.rail): one.percent for one in ended}).items():
            self._metrics.show("failing_percent", percent, *labels)
        self._show_day(now)
        for account, held in self._figures.between().items():
            self._metrics.show("held_minor", held.minor, account)

    def _show_day(self, now: datetime) -> None:
        rails = self._figures.rails
        day = {(kind, rail, str(state)): 0 for kind, states in _STATES.items() for rail in rails for state in states}
        for tally in self._figures.tallies(now - _DAY):
            labels = (tally.kind, tally.rail, tally.state)
            day[labels] = day.get(labels, 0) + tally.count
        for labels, count in day.items():
            self._metrics.show("day", count, *labels)

    def _show_standing(self) -> int:
        standing: defaultdict[str, int] = defaultdict(int)
        for alarm in self.standing():
            standing[alarm.name] += 1
        for name in ALARMS:
            self._metrics.show("alarm", standing[name], name)
        return sum(standing.values())


def _limits(patience: Patience) -> dict[str, timedelta]:
    """What is not here is an alarm at once."""
    return {
        "payment": timedelta(minutes=patience.alarm_payment_minutes),
        "payout": timedelta(minutes=patience.alarm_payout_minutes),
        "unknown_payout": timedelta(minutes=patience.alarm_unknown_payout_minutes),
        "suspense": timedelta(hours=patience.alarm_suspense_hours),
        "sms": timedelta(minutes=patience.alarm_sms_minutes),
        "callback": timedelta(minutes=patience.alarm_callback_minutes),
    }


def _seconds(age: timedelta) -> int:
    return max(0, int(age.total_seconds()))
