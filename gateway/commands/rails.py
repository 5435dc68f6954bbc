"""``flask rails``: asking a rail what became of a receipt and what our account holds, and telling it our addresses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from gateway.domain.errors import RailDown
from gateway.domain.money import Money
from gateway.parts import Parts
from gateway.services.lookup_answers import balance_of
from gateway.services.lookups import Asked
from integrations.protocols import Outcome

_POLL_SECONDS = 0.5


def rails(parts: Parts) -> click.Command:
    @click.group("rails")
    def group() -> None:
        """Questions to a rail."""

    @group.command("status")
    @click.argument("receipt")
    @click.option("--rail", default=parts.settings.collect_rail, show_default=True)
    @click.option("--wait", default=20, show_default=True, help="Seconds to wait for the answer.")
    def status(receipt: str, rail: str, wait: int) -> None:
        """What became of RECEIPT, says the rail."""
        with _able(parts, rail):
            _report(parts, parts.lookups.ask_receipt(rail, receipt), wait, _receipt_in_words)

    @group.command("balance")
    @click.option("--rail", default=parts.settings.collect_rail, show_default=True)
    @click.option("--wait", default=20, show_default=True, help="Seconds to wait for the answer.")
    def balance(rail: str, wait: int) -> None:
        """What our accounts at the rail hold, says the rail."""
        with _able(parts, rail):
            _report(parts, parts.lookups.ask_balance(rail), wait, _balance_in_words)
            last = parts.lookups.latest_balance(rail)
        if last is not None:
            click.echo(f"Last told at {last[1]:%Y-%m-%d %H:%M} UTC.")

    @group.command("register")
    @click.option("--rail", default=parts.settings.collect_rail, show_default=True)
    def register(rail: str) -> None:
        """Tell the rail our addresses for money that comes without being asked for."""
        with _able(parts, rail):
            outcome, said = parts.lookups.register(rail, parts.settings.callback_token)
        if outcome is not Outcome.ACCEPTED:
            raise click.ClickException(f"{rail} did not take our addresses ({outcome}): {said}")
        click.echo(f"{rail} has our addresses: {said}")

    return group


@contextmanager
def _able(parts: Parts, rail: str) -> Iterator[None]:
    """Not every rail can be asked everything, nor is every name a rail."""
    if rail not in parts.providers.rails:
        raise click.ClickException(f"There is no rail {rail}, only {', '.join(sorted(parts.providers.rails))}.")
    try:
        yield
    except RailDown:
        raise click.ClickException(f"{rail} cannot be asked that.") from None


def _report(parts: Parts, asked: Asked, wait: int, in_words: Callable[[Mapping[str, Any]], str]) -> None:
    """Print the answer when it comes in time; who handles it is the worker."""
    if asked.outcome == Outcome.REJECTED:
        raise click.ClickException(f"{asked.rail} refused the question.")
    until = time.monotonic() + wait
    while asked.answer is None and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        asked = parts.lookups.answer_of(asked.id)
    if asked.answer is None:
        click.echo(f"{asked.rail} has not answered yet. The worker will keep the answer when it comes.")
    else:
        click.echo(in_words(asked.answer))


def _receipt_in_words(answer: Mapping[str, Any]) -> str:
    if answer["verdict"] != "paid":
        return f"No such money: {answer['status'] or 'not completed'} ({answer['code']})."
    amount = Money(*answer["amount"]) if answer["amount"] else "an amount that was not told"
    return f"Completed: {amount}" + (f", at {answer['occurred_at']}." if answer["occurred_at"] else ".")


def _balance_in_words(answer: Mapping[str, Any]) -> str:
    return "\n".join(f"{name:<32}{money!s:>18}" for name, money in balance_of(answer).items())
