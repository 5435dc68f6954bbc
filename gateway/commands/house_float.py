"""``flask float``: the house's own money at the rails, as it was moved by hand."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import click

from gateway.commands.answers import refusals_in_words
from gateway.domain.money import MINOR_UNITS, Money
from gateway.parts import Parts

#: Nobody moves as much.
_MOST_MINOR = 10**15


def house_float(parts: Parts) -> click.Command:
    @click.group("float")
    def group() -> None:
        """The house's own money at the rails."""

    @group.command("record", context_settings={"ignore_unknown_options": True})
    @click.argument("rail", type=click.Choice(sorted(parts.providers.rails)))
    @click.argument("amount")
    @click.option("--because", required=True, help="What the bank's slip says.")
    @click.option("--currency", default="KES", show_default=True, type=click.Choice(["KES", "NGN"]))
    @click.option("--key", help="The same key again books nothing more.")
    def record(rail: str, amount: str, because: str, currency: str, key: str | None) -> None:
        """AMOUNT was moved from the bank to our account at RAIL; -AMOUNT, the other way. Only the books are told."""
        with refusals_in_words(parts):
            reference = parts.house_money.record(rail, _money(amount, currency), because, key)
        click.echo(f"Booked as {reference}.")

    return group


def _money(typed: str, currency: str) -> Money:
    try:
        minor = Decimal(typed.replace(",", "")) * MINOR_UNITS[currency]
    except InvalidOperation:
        raise click.BadParameter("an amount like 50000 or -1500.50") from None
    if not minor.is_finite() or abs(minor) >= _MOST_MINOR or minor != int(minor):
        raise click.BadParameter("an amount like 50000 or -1500.50")
    return Money(int(minor), currency)
