"""``flask reconcile``: our rows against the rails' own statements, and what to do about each difference."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import click

from gateway.commands.answers import TIME, utc
from gateway.domain.errors import Refusal
from gateway.models.differences import Difference
from gateway.parts import Parts
from gateway.services.reconciliation_values import Action
from integrations.protocols import Rail, StatementLine

#: What an operator reads beside a difference.
DO = {
    Action.APPLY_TO_PAYMENT: "the rail has this money: apply it to the payment (--apply)",
    Action.BOOK_IN_SUSPENSE: "nobody here knows it: book it as an arrival in suspense (--apply)",
    Action.PAYOUT_IS_PAID: "the rail has paid it: apply the receipt to the payout (--apply)",
    Action.PAYOUT_IS_ABSENT: "the rail never made it: let the payout fail (--apply)",
    Action.FIND_SENDER: "no payout of ours sent it: find out who did, then close it",
    Action.ASK_RAIL: "we booked it and the rail does not have it: ask the rail by this receipt, then close it",
    Action.COMPARE: "compare with the rail by hand: no rule decides this, then close it",
    Action.RECOVER: "the rail paid more than we decided: ask the rail to reverse this receipt, then close it",
    Action.FIND_GAP: "no line explains it: look for charges and entries by hand, then close it",
}


def reconcile(parts: Parts) -> click.Command:
    @click.group("reconcile", invoke_without_command=True)
    @click.option("--rail", type=click.Choice(sorted(parts.providers.rails)), help="Only this one.")
    @click.option("--since", type=TIME, help="UTC; two days ago unless said.")
    @click.option("--until", type=TIME, help="UTC; now unless said.")
    @click.option("--csv", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A statement.")
    @click.option("--apply", "apply", is_flag=True, help="Carry out what is suggested, where the statement proves it.")
    @click.pass_context
    def command(
        context: click.Context,
        rail: str | None,
        since: datetime | None,
        until: datetime | None,
        file: Path | None,
        apply: bool,
    ) -> None:
        """Compare payments, arrivals and payouts with the rails' statements; exits with 1 when something is open."""
        if context.invoked_subcommand:
            return
        names = [rail] if rail else sorted(parts.providers.rails)
        told = None
        if file:
            owner, told = _lines_of(file, [parts.providers.rails[name] for name in names])
            names = [owner]
        period = (utc(since), utc(until))
        found = [one for name in names for one in parts.reconciliation.run(name, *period, told)]
        if apply and found:
            _apply(parts, found)
            found = [one for name in names for one in parts.reconciliation.run(name, *period, told)]
        _show(found)
        sys.exit(1 if found else 0)

    @command.command("close")
    @click.argument("number", type=int)
    @click.option("--because", required=True, help="What you found out.")
    def close(number: int, because: str) -> None:
        """It may stay as it is: a person has looked. It opens again when its figures change."""
        try:
            parts.reconciliation.close(number, because)
        except Refusal:
            raise click.ClickException(f"No difference {number} is open. Nothing was changed.") from None

    return command


def _lines_of(file: Path, rails: Sequence[Rail]) -> tuple[str, Sequence[StatementLine]]:
    """The rail whose file it is, and the file's lines."""
    readers = [(rail.name, rail.reads_csv) for rail in rails if rail.reads_csv]
    if len(readers) != 1:
        raise click.ClickException("Say with --rail whose statement this is: one rail that comes as a file.")
    name, read = readers[0]
    try:
        return name, read(file.read_bytes())
    except ValueError as wrong:
        raise click.ClickException(f"This is no statement of {name}: {wrong}") from None


def _apply(parts: Parts, found: Iterable[Difference]) -> None:
    for one in found:
        effect = parts.reconciliation.apply(one.id)
        if effect is not None:
            click.echo(f"{one.id}: {one.subject} {effect}")


def _show(found: Sequence[Difference]) -> None:
    for one in found:
        ours, theirs = one.ours or "nothing", one.theirs or "nothing"
        click.echo(
            f"{one.id:>6}  {one.rail:<12}{one.occurred_at:%Y-%m-%d %H:%M}  {one.kind:<16}{one.subject:<22}"
            f"here {ours!s:<16}there {theirs!s:<16}{DO[Action(one.action)]}"
        )
    click.echo(f"{len(found)} open." if found else "Our rows and the rails agree.")
