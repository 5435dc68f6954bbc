"""What is counted, in one place: made once, passed to who counts, shown at /metrics in Prometheus' text."""

from __future__ import annotations

import os

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import start_http_server as serve_http
from prometheus_client.multiprocess import MultiProcessCollector

_HOP_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5)
_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30)


#: What the worker counts by the clock: name, what it is, labels. See ``gateway.services.alarms``.
_FIGURES = {
    "waiting": ("mlango_waiting", "How many wait: for a result, a person, a choice", ["what", "rail"]),
    "oldest_seconds": ("mlango_waiting_oldest_seconds", "How long the oldest of them has waited", ["what", "rail"]),
    "day": ("mlango_money_moves_in_a_day", "Payments and payouts begun in the last day", ["kind", "rail", "state"]),
    "failing_percent": ("mlango_failing_percent", "Share of failures in a quarter of an hour", ["kind", "rail"]),
    "held_minor": ("mlango_held_minor", "What lies in suspense and in clearing, in minor units", ["account"]),
    "alarm": ("mlango_alarm", "How many alarms of this name stand", ["name"]),
}


class Metrics:
    """The gateway's counters. With ``PROMETHEUS_MULTIPROC_DIR`` set, all processes that share it are shown as one."""

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        self._hops = Counter("mlango_hops", "USSD hops answered", ["screen", "outcome"], registry=own)
        self._hop_seconds = Histogram(
            "mlango_hop_seconds", "Seconds a hop took", ["screen"], buckets=_HOP_SECONDS, registry=own
        )
        self._jobs = Counter("mlango_jobs", "Jobs the worker finished", ["task", "outcome"], registry=own)
        self._calls = Counter(
            "mlango_provider_calls", "Calls to providers", ["provider", "operation", "outcome"], registry=own
        )
        self._call_seconds = Histogram(
            "mlango_provider_call_seconds",
            "Seconds a provider took",
            ["provider", "operation"],
            buckets=_CALL_SECONDS,
            registry=own,
        )
        self._ledger_check = Gauge(
            "mlango_ledger_check",
            "Zero while the books are right",
            ["check"],
            multiprocess_mode="mostrecent",
            registry=own,
        )
        self._from_elsewhere = Counter(
            "mlango_callbacks_from_elsewhere",
            "Callbacks from outside their rail's networks",
            ["rail"],
            registry=own,
        )
        self._figures = {
            key: Gauge(name, about, labels, multiprocess_mode="mostrecent", registry=own)
            for key, (name, about, labels) in _FIGURES.items()
        }

    def hop(self, screen: str, outcome: str, seconds: float) -> None:
        """``screen`` is a screen's name, never what was typed; ``outcome``: see ``gateway.calls.Reply``."""
        self._hops.labels(screen, outcome).inc()
        self._hop_seconds.labels(screen).observe(seconds)

    def job(self, task: str, outcome: str) -> None:
        """``outcome``: succeeded, failed."""
        self._jobs.labels(task, outcome).inc()

    def provider_call(self, provider: str, operation: str, outcome: str, seconds: float) -> None:
        """``outcome``: an HTTP status, ``not_sent`` or ``no_answer``."""
        self._calls.labels(provider, operation, outcome).inc()
        self._call_seconds.labels(provider, operation).observe(seconds)

    def ledger_check(self, check: str, wrong: int) -> None:
        """``wrong``: the figure of one column of the view ``ledger_check``; zero is right."""
        self._ledger_check.labels(check).set(wrong)

    def from_elsewhere(self, rail: str) -> None:
        """A callback for a rail came from outside its networks."""
        self._from_elsewhere.labels(rail).inc()

    def show(self, gauge: str, value: int, *labels: str) -> None:
        """Set one of the figures by its short name, with its labels in order."""
        self._figures[gauge].labels(*labels).set(value)

    def text(self) -> tuple[bytes, str]:
        """The page for Prometheus, and its content type."""
        return generate_latest(self._shown()), CONTENT_TYPE_LATEST

    def serve(self, port: int, host: str = "127.0.0.1") -> None:
        """Show the same page on a port of its own: for a worker that shares no folder with the web processes."""
        serve_http(port, addr=host, registry=self._shown())

    def _shown(self) -> CollectorRegistry:
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return self._registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry
