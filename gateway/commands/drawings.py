"""``flask menus`` and ``flask states``: the maps of the documents, drawn from the code."""

from __future__ import annotations

import sys

import click

from gateway.domain.states import MACHINES
from gateway.parts import Parts
from ussd_menus.flows import all_screens
from ussd_menus.map import page, problems


def menus(parts: Parts) -> click.Command:
    @click.command("menus")
    @click.option("--language", default="en", show_default=True)
    def command(language: str) -> None:
        """Check the menus and draw their map (Mermaid); exits with 1 when something is wrong."""
        found = problems(all_screens(), parts.texts)
        for problem in found:
            click.echo(problem, err=True)
        click.echo(page(all_screens(), parts.texts, language), nl=False)
        sys.exit(1 if found else 0)

    return command


def states(_: Parts) -> click.Command:
    @click.command("states")
    def command() -> None:
        """Draw the state machines (Mermaid)."""
        for machine in MACHINES:
            click.echo(machine.mermaid())

    return command
