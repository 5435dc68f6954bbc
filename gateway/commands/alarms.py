"""``flask alarms`` and ``flask figures``: what is wrong now, and what was counted."""

from __future__ import annotations

import sys
from datetime import timedelta

import click

from gateway.parts import Parts

_PENDING = timedelta(minutes=5)


def alarms(parts: Parts) -> click.Command:
    @click.command("alarms")
    def command() -> None:
        """List what is wrong at this moment; exits with 1 when anything is."""
        standing = parts.alarms.standing()
        for one in standing:
            click.echo(f"{one.since:%Y-%m-%d %H:%M}  {one.name:<22}{one.subject:<22}{one.detail}")
        if not standing:
            click.echo("Nothing is wrong.")
        sys.exit(1 if standing else 0)

    return command


def figures(parts: Parts) -> click.Command:
    @click.command("figures")
    @click.option("--days", default=1, show_default=True, type=click.IntRange(1, 366), help="How far back to count.")
    def command(days: int) -> None:
        """Payments and payouts by rail and state: how many, for how much; and what waits."""
        now = parts.clock()
        for one in parts.figures.tallies(now - timedelta(days=days)):
            click.echo(f"{one.kind:<10}{one.rail:<14}{one.state:<12}{one.count:>10,}{one.total!s:>24}")
        for waits in parts.figures.waiting(now):
            minutes = (now - waits.oldest) // timedelta(minutes=1)
            late = "  over 5 minutes" if now - waits.oldest > _PENDING else ""
            click.echo(f"waiting   {waits.rail:<14}{waits.what:<16}{waits.count:>6,}  oldest {minutes} min{late}")
        for account, held in parts.figures.between().items():
            click.echo(f"held      {account:<30}{held!s:>20}")

    return command
