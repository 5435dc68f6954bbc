"""``flask payouts``: stop and start money out, and look after what a person must decide."""

from __future__ import annotations

from collections.abc import Iterator

import click

from gateway.commands.answers import refusals_in_words
from gateway.parts import Parts
from gateway.services.payouts import Dossier, Summary
from gateway.services.stops import PAYOUTS


def payouts(parts: Parts) -> click.Command:
    """All commands about money that goes out."""

    @click.group("payouts")
    def group() -> None:
        """Money that goes out: stop it, look at it, decide what nobody answered."""

    for make in (_review, _pause, _resume, _settle, _retry, _show):
        group.add_command(make(parts))
    return group


def _review(parts: Parts) -> click.Command:
    @click.command("review")
    def review() -> None:
        """List the payouts a person must look at, oldest first."""
        for one in parts.payouts.to_review():
            click.echo(_line(one))
        because = parts.stops.why(PAYOUTS)
        if because is not None:
            click.echo(f"Payouts are stopped: {because}", err=True)

    return review


def _pause(parts: Parts) -> click.Command:
    @click.command("pause")
    @click.option("--because", required=True, help="Why; whoever resumes reads it.")
    def pause(because: str) -> None:
        """Stop payouts. What is held waits; nothing new is taken; deposits go on."""
        stopped = parts.stops.stop(PAYOUTS, because)
        click.echo("Payouts are stopped." if stopped else f"They were stopped: {parts.stops.why(PAYOUTS)}")

    return pause


def _resume(parts: Parts) -> click.Command:
    @click.command("resume")
    def resume() -> None:
        """Let payouts go on. What was held goes out within a minute or so."""
        lifted = parts.stops.lift(PAYOUTS)
        click.echo("Payouts go on." if lifted else "They were not stopped.")

    return resume


def _settle(parts: Parts) -> click.Command:
    @click.command("settle")
    @click.argument("reference")
    @click.option("--paid", is_flag=True, help="The rail's own books have it.")
    @click.option("--returned", is_flag=True, help="They do not: the money goes back to where it came from.")
    @click.option("--because", required=True, help="Where you saw it.")
    @click.option("--receipt", help="The rail's receipt, when it was paid.")
    def settle(reference: str, paid: bool, returned: bool, because: str, receipt: str | None) -> None:
        """End a payout that nobody answered for, after looking at the rail's own books. Its owner is told."""
        if paid is returned:
            raise click.UsageError("Say either --paid or --returned.")
        with refusals_in_words(parts):
            parts.payouts.settle(reference.strip().upper(), paid=paid, because=because, receipt=receipt)

    return settle


def _retry(parts: Parts) -> click.Command:
    @click.command("retry")
    @click.argument("reference")
    def retry(reference: str) -> None:
        """Go on with an open payout now: pay what is held, ask again about the rest. Never pays twice."""
        with refusals_in_words(parts):
            parts.payouts.retry(reference.strip().upper())

    return retry


def _show(parts: Parts) -> click.Command:
    @click.command("show")
    @click.argument("reference")
    def show(reference: str) -> None:
        """A payout with its attempts and everything that happened to it."""
        found = parts.payouts.dossier(reference.strip().upper())
        if found is None:
            raise click.ClickException("No payout has this reference.")
        for line in _told(found):
            click.echo(line)

    return show


def _line(one: Summary) -> str:
    to = one.to or "back to its payer"
    return (
        f"{one.reference}  {one.created_at:%Y-%m-%d %H:%M}  {one.state:<10}{one.amount!s:>14}  {one.rail}  {to}"
        f"  {one.reason}"
    ).rstrip()


def _told(found: Dossier) -> Iterator[str]:
    yield _line(found.summary)
    yield f"fee {found.summary.fee}, receipt {found.summary.receipt or 'none'}"
    for call in found.calls:
        ids = f"{call.own_id}  {call.provider_id or 'no id of the rail'}"
        yield f"  {call.at:%Y-%m-%d %H:%M:%S}  {ids}  {call.state}  {call.calls}x  {call.code} {call.receipt}".rstrip()
    for event in found.history:
        yield f"  {event.at:%Y-%m-%d %H:%M:%S}  {event.state:<10}{event.because}"
