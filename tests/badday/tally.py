"""What happened, counted by name; many threads count at once."""

from __future__ import annotations

import threading
from collections import Counter


class Tally:
    """Counters by heading: what was injected, what people did, what an operator had to do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {}

    def note(self, heading: str, what: str, times: int = 1) -> None:
        with self._lock:
            self._counts.setdefault(heading, Counter())[what] += times

    def of(self, heading: str) -> Counter[str]:
        with self._lock:
            return Counter(self._counts.get(heading, Counter()))
