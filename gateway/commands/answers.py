"""What commands share: a refusal in plain words, and times as operators type them (UTC)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click

from gateway.domain.errors import Refusal
from gateway.parts import Parts

TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


def utc(typed: datetime | None) -> datetime | None:
    """What was typed for a ``TIME``, with its zone."""
    return typed.replace(tzinfo=UTC) if typed else None


@contextmanager
def refusals_in_words(parts: Parts) -> Iterator[None]:
    """A refusal ends the command with its sentence and exit code 1."""
    try:
        yield
    except Refusal as refused:
        sentence = parts.texts(f"no.{refused.sentence}", "en", **refused.blanks())
        raise click.ClickException(sentence) from None
