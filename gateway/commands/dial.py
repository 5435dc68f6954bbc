"""``flask dial``: a phone in the terminal."""

from __future__ import annotations

import click

from gateway.dial import run_dial
from gateway.parts import Parts


def dial(parts: Parts) -> click.Command:
    @click.command("dial")
    @click.argument("number")
    def command(number: str) -> None:
        """A phone in the terminal, on the simulators: flask dial 0712345678."""
        if not parts.settings.simulators_url:
            raise click.ClickException("There are no simulators here: providers are configured.")
        settings = parts.settings
        run_dial(number, settings.simulators_url, settings.shortcode, input, click.echo, settings.collect_rail)

    return command
