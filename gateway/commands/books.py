"""``flask books``: what is in which account, and whether it adds up."""

from __future__ import annotations

import sys

import click

from gateway.parts import Parts


def books(parts: Parts) -> click.Command:
    @click.command("books")
    def command() -> None:
        """Print the books; exits with 1 when they are not right."""
        with parts.db.hot() as cursor:
            rows, check = parts.ledger.books(cursor), parts.ledger.check(cursor)
        for row in rows:
            click.echo(f"{row.kind:<12}{row.account_class:<12}{row.accounts:>12,}{row.balance!s:>28}")
        wrong = {name: count for name, count in check.items() if count}
        click.echo("The books are right." if not wrong else f"THE BOOKS ARE WRONG: {wrong}")
        sys.exit(1 if wrong else 0)

    return command
