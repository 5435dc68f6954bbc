"""What is counted, in one place: made once, passed to who counts, shown at /metrics in Prometheus' text."""

from __future__ import annotations

import os

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import start_http_server as serve_http
from prometheus_client.multiprocess import MultiProcessCollector

_HOP_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5)
_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30)


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
