"""What commands share: a refusal in plain words, and an amount as people type it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from gateway.domain.errors import Refusal
from gateway.parts import Parts


@contextmanager
def refusals_in_words(parts: Parts) -> Iterator[None]:
    """A refusal ends the command with its sentence and exit code 1."""
    try:
        yield
    except Refusal as refused:
        sentence = parts.texts(f"no.{refused.sentence}", "en", **refused.blanks())
        raise click.ClickException(sentence) from None
