"""``flask payments refund``: giving a confirmed deposit back."""

from __future__ import annotations

import click

from gateway.commands.answers import refusals_in_words
from gateway.parts import Parts


def refund(parts: Parts) -> click.Command:
    @click.command("refund")
    @click.argument("reference")
    @click.option("--because", required=True, help="Why it goes back.")
    def give_back(reference: str, because: str) -> None:
        """A confirmed deposit goes from its owner's wallet back to who paid it."""
        with refusals_in_words(parts):
            back = parts.payment_refunds.give_back(reference.strip().upper(), because)
        click.echo(f"{reference.strip().upper()} goes back as {back}.")

    return give_back
