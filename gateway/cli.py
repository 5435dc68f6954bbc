"""The commands of ``flask --app wsgi``: the worker, the books, the menus, the phone in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta

import click
from flask import Flask

from gateway.commands.alarms import alarms, figures
from gateway.commands.api_key import api_key
from gateway.commands.arrivals import arrivals
from gateway.commands.house_float import house_float
from gateway.commands.payouts import payouts
from gateway.commands.rails import rails
from gateway.commands.reconcile import reconcile
from gateway.commands.refunds import refund
from gateway.commands.replay import replay
from gateway.dial import run_dial
from gateway.domain.errors import Refusal
from gateway.domain.states import MACHINES
from gateway.parts import Parts
from gateway.schema_command import init_db_command
from gateway.services.rotation import rotate_keys
from gateway.worker import run_worker
from ussd_menus.flows import all_screens
from ussd_menus.map import page, problems


def add_commands(app: Flask, parts: Parts) -> None:
    """Give ``app`` every command."""
    app.cli.add_command(init_db_command(parts.settings))
    for make in _COMMANDS:
        app.cli.add_command(make(parts))


def _worker(parts: Parts) -> click.Command:
    @click.command("worker")
    @click.option("--concurrency", default=4, show_default=True, help="Jobs at a time.")
    def worker(concurrency: int) -> None:
        """Send SMS, push payments, handle what providers sent, keep the books. Run as many as you like."""
        if parts.settings.metrics_port:
            parts.metrics.serve(parts.settings.metrics_port, host="0.0.0.0")  # noqa: S104 asked for by the setting
        run_worker(parts.settings.database_url, parts.work, concurrency)

    return worker


def _books(parts: Parts) -> click.Command:
    @click.command("books")
    def books() -> None:
        """Print the books; exits with 1 when they are not right."""
        with parts.db.hot() as cursor:
            rows, check = parts.ledger.books(cursor), parts.ledger.check(cursor)
        for row in rows:
            click.echo(f"{row.kind:<12}{row.account_class:<12}{row.accounts:>12,}{row.balance!s:>28}")
        wrong = {name: count for name, count in check.items() if count}
        click.echo("The books are right." if not wrong else f"THE BOOKS ARE WRONG: {wrong}")
        sys.exit(1 if wrong else 0)

    return books


def _menus(parts: Parts) -> click.Command:
    @click.command("menus")
    @click.option("--language", default="en", show_default=True)
    def menus(language: str) -> None:
        """Check the menus and draw their map (Mermaid); exits with 1 when something is wrong."""
        found = problems(all_screens(), parts.texts)
        for problem in found:
            click.echo(problem, err=True)
        click.echo(page(all_screens(), parts.texts, language), nl=False)
        sys.exit(1 if found else 0)

    return menus


def _states(_: Parts) -> click.Command:
    @click.command("states")
    def states() -> None:
        """Draw the state machines (Mermaid)."""
        for machine in MACHINES:
            click.echo(machine.mermaid())

    return states


def _funnel(parts: Parts) -> click.Command:
    @click.command("funnel")
    @click.option("--days", default=7, show_default=True, type=click.IntRange(1, 366), help="How far back to look.")
    def funnel(days: int) -> None:
        """Where callers stop, by network and screen, and what it costs."""
        until = parts.clock()
        click.echo(
            f"{'network':<9}{'screen':<20}{'seen':>7}{'ended':>7}{'dropped':>9}{'hops':>7}{'seconds':>9}{'cost':>8}"
        )
        for row in parts.session_events.funnel(until - timedelta(days=days), until):
            click.echo(
                f"{row.network_code:<9}{row.screen:<20}{row.seen:>7}{row.ended:>7}{row.dropped:>9}"
                f"{row.median_hops:>7.1f}{row.median_seconds:>9.1f}{row.median_cost:>8.2f}"
            )

    return funnel


def _payments(parts: Parts) -> click.Command:
    @click.group("payments")
    def payments() -> None:
        """Payments a person must look at."""

    @payments.command("review")
    def review() -> None:
        """List them, oldest first."""
        for row in parts.payments.to_review():
            came = f"{row.received} came" if row.received else "nothing came"
            click.echo(
                f"{row.reference}  {row.at:%Y-%m-%d %H:%M}  {row.state:<10}{row.amount!s:>14}  {came}  {row.reason}"
            )

    @payments.command("close")
    @click.argument("reference")
    @click.option("--because", required=True, help="What the rail's own books say.")
    def close(reference: str, because: str) -> None:
        """The rail's books have no money for an open payment: it expires, and its owner is told."""
        try:
            parts.payments.close(reference, because)
        except Refusal as refused:
            raise click.ClickException(parts.texts(f"no.{refused.sentence}", "en")) from None

    payments.add_command(refund(parts))
    return payments


def _freeze(parts: Parts) -> click.Command:
    @click.command("freeze")
    @click.argument("number")
    def freeze(number: str) -> None:
        """Let no money out of an account (ML-XXXXXX) any more; its owner is told, and can open it with the PIN."""
        try:
            parts.accounts.freeze(number.strip().upper())
        except Refusal as refused:
            raise click.ClickException(parts.texts(f"no.{refused.sentence}", "en")) from None

    return freeze


def _rotate_keys(parts: Parts) -> click.Command:
    @click.command("rotate-keys")
    def rotate() -> None:
        """Encrypt every secret again under the first key of ENCRYPTION_KEY; the others may be dropped then."""
        rotated = rotate_keys(parts.db, parts.vault)
        for column, count in rotated.resealed.items():
            click.echo(f"{column:<36}{count:>10,}")
        if not rotated.complete:
            click.echo(f"Not readable under any key: {rotated.unreadable}. Keep the old keys.", err=True)
        sys.exit(0 if rotated.complete else 1)

    return rotate


def _dial(parts: Parts) -> click.Command:
    @click.command("dial")
    @click.argument("number")
    def dial(number: str) -> None:
        """A phone in the terminal, on the simulators: flask dial 0712345678."""
        if not parts.settings.simulators_url:
            raise click.ClickException("There are no simulators here: providers are configured.")
        settings = parts.settings
        run_dial(number, settings.simulators_url, settings.shortcode, input, click.echo, settings.collect_rail)

    return dial


_COMMANDS: tuple[Callable[[Parts], click.Command], ...] = (
    _worker, _books, _menus, _states, _funnel, _payments, payouts, _freeze, _rotate_keys, _dial,
    arrivals, rails, house_float, reconcile, alarms, figures, replay, api_key,
)  # fmt: skip
