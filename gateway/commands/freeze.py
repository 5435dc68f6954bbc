"""``flask freeze``: an account whose phone or PIN is in the wrong hands."""

from __future__ import annotations

import click

from gateway.commands.answers import refusals_in_words
from gateway.parts import Parts


def freeze(parts: Parts) -> click.Command:
    @click.command("freeze")
    @click.argument("number")
    def command(number: str) -> None:
        """Let no money out of an account (ML-XXXXXX) any more; its owner is told, and can open it with the PIN."""
        with refusals_in_words(parts):
            parts.accounts.freeze(number.strip().upper())

    return command
