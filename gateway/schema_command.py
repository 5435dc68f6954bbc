"""``flask init-db``: brings the database to today's tables, before there is anything else to start."""

from __future__ import annotations

import sys

import click
from flask import Flask

from gateway.db import Database
from gateway.preflight import CannotStart
from gateway.schema_setup import ensure_pepper, init_db
from gateway.settings import Settings

_SAID = {"loaded": "The database was empty: all tables are made.", "upgraded": "The database is up to date."}


def schema_app(settings: Settings) -> Flask:
    """An application whose only command is ``init-db``."""
    app = Flask("mlango")
    app.cli.add_command(init_db_command(settings))
    return app


def init_db_command(settings: Settings) -> click.Command:
    @click.command("init-db")
    def make_tables() -> None:
        """Load schema.sql into an empty database, or bring an older one up to date."""
        try:
            click.echo(_SAID[prepare_database(settings.database_url, settings.encryption_key)])
        except CannotStart as reason:
            click.echo(str(reason), err=True)
            sys.exit(1)

    return make_tables


def prepare_database(url: str, encryption_key: str) -> str:
    """Tables and pepper; returns ``loaded`` or ``upgraded``. Raises ``CannotStart``."""
    if not encryption_key:
        raise CannotStart(["ENCRYPTION_KEY is not set: the pepper of the phone index and the PINs is sealed under it."])
    done = init_db(url)
    db = Database(url, pool_size=1)
    try:
        ensure_pepper(db, encryption_key)
    finally:
        db.close()
    return done
