"""An empty database gets schema.sql, an older one gets the Alembic revisions it lacks.

Everything happens in one transaction under one lock: two that start at once take turns, and a start that dies
half-way leaves the database as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from gateway.db import Database, psycopg2_address
from gateway.preflight import CannotStart
from gateway.vault import Vault

_TOP = Path(__file__).resolve().parent.parent
_LOCK = 0x4D4C414E474F  # "MLANGO"

Done = Literal["loaded", "upgraded"]


def init_db(url: str) -> Done:
    """Bring the database at ``url`` to today's catalog, whatever is in it; raises ``CannotStart``."""
    with locked(url) as connection:
        if _has(connection, "alembic_version"):
            _upgrade(connection)
            return "upgraded"
        if _has(connection, "accounts"):
            raise CannotStart([_UNKNOWN_VERSION])
        _load(connection)
        return "loaded"


_UNKNOWN_VERSION = (
    "The database has tables but no version: if schema.sql of this very version was loaded by hand, load it with "
    "`flask --app wsgi init-db` into an empty database instead."
)


def load_schema(url: str) -> None:
    """schema.sql, the job queue's tables and the newest revision's stamp, into an empty database."""
    with locked(url) as connection:
        _load(connection)


def upgrade(url: str) -> None:
    """Run the revisions the database lacks; on an empty database that is all of them."""
    with locked(url) as connection:
        _upgrade(connection)


def ensure_pepper(db: Database, encryption_key: str) -> str:
    """The database's sealed pepper, for ``Vault``: made now if it is the first time, also when two race."""
    with db.transaction() as session:
        fresh = {"sealed": Vault.new_pepper(encryption_key)}
        session.execute(
            text("INSERT INTO vault (name, sealed) VALUES ('pepper', :sealed) ON CONFLICT (name) DO NOTHING"), fresh
        )
        sealed: str = session.execute(text("SELECT sealed FROM vault WHERE name = 'pepper'")).scalar_one()
    return sealed


def schema() -> str:
    return (_TOP / "schema.sql").read_text(encoding="utf-8")


def queue_schema() -> str:
    """The tables of the installed Procrastinate."""
    return SchemaManager.get_schema()


@contextmanager
def locked(url: str) -> Iterator[Connection]:
    """One transaction that holds the schema's lock (released at its end, so a transaction pooler may stand between)."""
    engine = create_engine(psycopg2_address(url), poolclass=NullPool, hide_parameters=True)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            yield connection
    finally:
        engine.dispose()


def _has(connection: Connection, table: str) -> bool:
    return bool(connection.execute(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": table}).scalar())


def _load(connection: Connection) -> None:
    # The driver's own cursor: a file may hold many statements, and % signs that are no blanks.
    cursor = connection.connection.cursor()
    cursor.execute(schema())
    cursor.execute(queue_schema())
    cursor.close()
    command.stamp(_alembic(connection), "head")


def _upgrade(connection: Connection) -> None:
    command.upgrade(_alembic(connection), "head")


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_TOP / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
