"""``flask api-key``: keys of the REST API."""

from __future__ import annotations

import click

from gateway.domain.scopes import ALLOWS, Scope
from gateway.parts import Parts
from gateway.services.api_keys import ApiKeys

_SCOPES = "What it may do; again for more, none for everything: " + "; ".join(
    f"{scope}: {allows}" for scope, allows in ALLOWS.items()
)


def api_key(parts: Parts) -> click.Command:
    @click.group("api-key")
    def group() -> None:
        """Keys of the REST API."""

    for command in (_create(parts.api_keys), _revoke(parts.api_keys), _list(parts.api_keys)):
        group.add_command(command)
    return group


def _create(keys: ApiKeys) -> click.Command:
    @click.command("create")
    @click.argument("name")
    @click.option("--scope", "scopes", multiple=True, type=click.Choice([str(s) for s in Scope]), help=_SCOPES)
    def create(name: str, scopes: tuple[str, ...]) -> None:
        """Make a key for NAME and print it: it is never shown again."""
        if not 0 < len(name) <= 60:
            raise click.ClickException("A name has 1 to 60 characters.")
        click.echo(keys.create(name, [Scope(scope) for scope in scopes] or list(Scope)).secret)

    return create


def _revoke(keys: ApiKeys) -> click.Command:
    @click.command("revoke")
    @click.argument("name_or_prefix")
    def revoke(name_or_prefix: str) -> None:
        """Let a key, or all keys of a name, open nothing any more."""
        revoked = keys.revoke(name_or_prefix)
        if not revoked:
            raise click.ClickException("No key that opens anything is called that.")
        click.echo("Revoked: " + ", ".join(revoked))

    return revoke


def _list(keys: ApiKeys) -> click.Command:
    @click.command("list")
    def show() -> None:
        """All keys, oldest first; never the keys themselves."""
        for key in keys.every():
            used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
            state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "open"
            click.echo(f"{key.prefix}  {key.name:<24}{state:<20}used {used:<18}{' '.join(key.scopes)}")

    return show
