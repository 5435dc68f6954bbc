"""``flask arrivals``: money that came without being asked for, and waits for a person."""

from __future__ import annotations

import click

from gateway.commands.answers import refusals_in_words
from gateway.masking import mask_text
from gateway.parts import Parts


def arrivals(parts: Parts) -> click.Command:
    @click.group("arrivals")
    def group() -> None:
        """Money that came by itself and waits for a person."""

    @group.command("list")
    def waiting() -> None:
        """List it, oldest first: receipt, amount, what was typed as the account, and why it waits."""
        for row in parts.arrivals.waiting():
            typed = mask_text(row.typed).encode("ascii", "replace").decode()
            click.echo(
                f"{row.receipt:<14}{row.at:%Y-%m-%d %H:%M}  {row.rail:<12}{row.state:<12}{row.amount!s:>14}"
                f"  {typed!r}  {row.because}"
            )

    @group.command("assign")
    @click.argument("receipt")
    @click.argument("number")
    @click.option("--because", required=True, help="How you know whose it is.")
    @click.option("--rail", help="When two rails have the same receipt.")
    def assign(receipt: str, number: str, because: str, rail: str | None) -> None:
        """It is the money of account NUMBER (ML-XXXXXX): to their wallet, with an SMS."""
        with refusals_in_words(parts):
            parts.arrivals.assign(receipt, number.strip().upper(), because, rail=rail)
        click.echo(f"{receipt} is in the wallet of {number.strip().upper()}.")

    @group.command("return")
    @click.argument("receipt")
    @click.option("--because", required=True, help="Why it goes back.")
    @click.option("--rail", help="When two rails have the same receipt.")
    def give_back(receipt: str, because: str, rail: str | None) -> None:
        """Send it back to who paid it."""
        with refusals_in_words(parts):
            reference = parts.arrivals.give_back(receipt, because, rail=rail)
        click.echo(f"{receipt} goes back as {reference}.")

    return group
