"""The time of the town: today's during the day, moved on in the evening."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class MovedClock:
    """Call it for the time, aware and in UTC."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def move(self, by: timedelta) -> None:
        self._ahead += by
