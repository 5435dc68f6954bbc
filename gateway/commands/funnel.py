"""``flask funnel``: where callers stop."""

from __future__ import annotations

from datetime import timedelta

import click

from gateway.parts import Parts


def funnel(parts: Parts) -> click.Command:
    @click.command("funnel")
    @click.option("--days", default=7, show_default=True, type=click.IntRange(1, 366), help="How far back to look.")
    def command(days: int) -> None:
        """Where callers stop, by network and screen, and what it costs."""
        until = parts.clock()
        click.echo(
            f"{'network':<9}{'screen':<20}{'seen':>7}{'ended':>7}{'dropped':>9}{'hops':>7}{'seconds':>9}{'cost':>8}"
        )
        for row in parts.session_events.funnel(until - timedelta(days=days), until):
            click.echo(
                f"{row.network_code:<9}{row.screen:<20}{row.seen:>7}{row.ended:>7}{row.dropped:>9}"
                f"{row.median_hops:>7.1f}{row.median_seconds:>9.1f}{row.median_cost:>8.2f}"
            )

    return command
