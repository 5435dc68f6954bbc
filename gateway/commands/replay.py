"""``flask replay``: what providers sent is handled again, by the same handlers, from the stored bodies."""

from __future__ import annotations

from datetime import datetime

import click

from gateway.commands.answers import TIME, utc
from gateway.models.inbox import Wanted
from gateway.parts import Parts


def replay(parts: Parts) -> click.Command:
    @click.command("replay")
    @click.option("--since", type=TIME, help="Received at or after, UTC.")
    @click.option("--until", type=TIME, help="Received before, UTC.")
    @click.option("--source", help="Only of this channel, such as mpesa.stk.")
    @click.option("--id", "number", type=int, help="Only this one.")
    @click.option("--dry-run", is_flag=True, help="Only count, by state.")
    def command(
        since: datetime | None, until: datetime | None, source: str | None, number: int | None, dry_run: bool
    ) -> None:
        """Handle stored callbacks again. What was settled stays as it is; what a bug missed is made good."""
        if since is None and number is None:
            raise click.UsageError("Say --since or --id: nobody replays everything by accident.")
        wanted = Wanted(utc(since), utc(until), source, number)
        counts = parts.callbacks.replay(wanted, dry_run=dry_run)
        for state, count in sorted(counts.items()):
            click.echo(f"{state:<12}{count:>8,}")
        click.echo(f"{counts.total()} would be handled again." if dry_run else f"{counts.total()} handled again.")

    return command
