"""``flask payments``: what a person must look at, close or give back."""

from __future__ import annotations

import click

from gateway.commands.answers import refusals_in_words
from gateway.parts import Parts


def payments(parts: Parts) -> click.Command:
    @click.group("payments")
    def group() -> None:
        """Money that comes in: look at it, close what never came, give it back."""

    for make in (_review, _close, _refund):
        group.add_command(make(parts))
    return group


def _review(parts: Parts) -> click.Command:
    @click.command("review")
    def review() -> None:
        """List the payments a person must look at, oldest first."""
        for row in parts.payments.to_review():
            came = f"{row.received} came" if row.received else "nothing came"
            click.echo(
                f"{row.reference}  {row.at:%Y-%m-%d %H:%M}  {row.state:<10}{row.amount!s:>14}  {came}  {row.reason}"
            )

    return review


def _close(parts: Parts) -> click.Command:
    @click.command("close")
    @click.argument("reference")
    @click.option("--because", required=True, help="What the rail's own books say.")
    def close(reference: str, because: str) -> None:
        """The rail's books have no money for an open payment: it expires, and its owner is told."""
        with refusals_in_words(parts):
            parts.payments.close(reference, because)

    return close


def _refund(parts: Parts) -> click.Command:
    @click.command("refund")
    @click.argument("reference")
    @click.option("--because", required=True, help="Why it goes back.")
    def refund(reference: str, because: str) -> None:
        """A confirmed deposit goes from its owner's wallet back to who paid it."""
        with refusals_in_words(parts):
            back = parts.payment_refunds.give_back(reference.strip().upper(), because)
        click.echo(f"{reference.strip().upper()} goes back as {back}.")

    return refund
