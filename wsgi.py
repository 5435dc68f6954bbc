"""The application as a WSGI server finds it: ``wsgi:app``, built from the environment."""

from __future__ import annotations

import sys

from flask import Flask

from gateway.app import create_app
from gateway.environment import read_environment
from gateway.observability import configure_logging
from gateway.preflight import CannotStart, check, sentences
from gateway.schema_command import schema_app
from gateway.settings import BadSettings, load_settings


def build() -> Flask:
    """The whole gateway; for ``init-db`` only what makes the tables the whole gateway needs."""
    read_environment()
    configure_logging()
    settings = load_settings()
    if "init-db" in sys.argv[1:]:
        check(settings, schema=False)
        return schema_app(settings)
    check(settings)
    return create_app(settings)


try:
    app = build()
except (BadSettings, CannotStart) as reason:
    sys.stderr.writelines(f"{sentence}\n" for sentence in sentences(reason))
    sys.exit(1)
