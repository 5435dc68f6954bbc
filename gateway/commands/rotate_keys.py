"""``flask rotate-keys``: everything sealed, under the newest key."""

from __future__ import annotations

import sys

import click

from gateway.parts import Parts
from gateway.services import rotation


def rotate_keys(parts: Parts) -> click.Command:
    @click.command("rotate-keys")
    def command() -> None:
        """Encrypt every secret again under the first key of ENCRYPTION_KEY; the others may be dropped then."""
        rotated = rotation.rotate_keys(parts.db, parts.vault)
        for column, count in rotated.resealed.items():
            click.echo(f"{column:<36}{count:>10,}")
        if not rotated.complete:
            click.echo(f"Not readable under any key: {rotated.unreadable}. Keep the old keys.", err=True)
        sys.exit(0 if rotated.complete else 1)

    return command
