"""``flask worker``: the process that acts on what web decided."""

from __future__ import annotations

import click

from gateway.parts import Parts
from gateway.worker import run_worker


def worker(parts: Parts) -> click.Command:
    @click.command("worker")
    @click.option("--concurrency", default=4, show_default=True, help="Jobs at a time.")
    def command(concurrency: int) -> None:
        """Send SMS, push payments, pay out, handle what providers sent, keep the books. Run as many as you like."""
        if parts.settings.metrics_port:
            parts.metrics.serve(parts.settings.metrics_port, host="0.0.0.0")  # noqa: S104 asked for by the setting
        run_worker(parts.settings.database_url, parts.work, concurrency)

    return command
