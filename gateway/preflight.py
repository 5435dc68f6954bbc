"""What must be true before anything starts: a clear sentence for each reason why it cannot."""

from __future__ import annotations

import psycopg2
import redis

from gateway.settings import BadSettings, Settings
from gateway.vault import Unreadable, Vault
from integrations.registry import rail_problems

_CONNECT_SECONDS = 3


class CannotStart(Exception):
    """The gateway cannot start; ``sentences`` says why, one reason each, for a person to read."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


def check(settings: Settings, *, schema: bool = True) -> None:
    """Raise ``CannotStart`` with every reason at once.

    ``schema=False`` asks nothing about tables: for the command that makes them.
    """
    problems = rail_problems(settings) + _redis_problems(settings) + _database_problems(settings, schema)
    if problems:
        raise CannotStart(problems)


def sentences(reason: CannotStart | BadSettings) -> list[str]:
    """What to print, one line each, whichever of the two stopped the start."""
    return reason.sentences if isinstance(reason, CannotStart) else reason.problems


def _redis_problems(settings: Settings) -> list[str]:
    if not settings.redis_url:
        return ["REDIS_URL is not set: `make run` brings a Redis of its own, everything else needs the address of one."]
    client = redis.Redis.from_url(
        settings.redis_url, socket_connect_timeout=_CONNECT_SECONDS, socket_timeout=_CONNECT_SECONDS
    )
    try:
        client.ping()
    except (redis.RedisError, OSError, ValueError) as away:
        return [f"Redis at REDIS_URL cannot be used: {_first_line(away)}"]
    finally:
        client.close()
    return []


def _database_problems(settings: Settings, schema: bool) -> list[str]:
    if not settings.database_url:
        return [
            "DATABASE_URL is not set: `make run` brings a PostgreSQL of its own, "
            "everything else needs the address of one."
        ]
    try:
        connection = psycopg2.connect(libpq_address(settings.database_url), connect_timeout=_CONNECT_SECONDS)
    except psycopg2.Error as away:
        return [f"PostgreSQL at DATABASE_URL cannot be used: {_first_line(away)}"]
    try:
        return _schema_problems(connection, settings.encryption_key) if schema else []
    except psycopg2.Error as trouble:
        return [f"PostgreSQL at DATABASE_URL cannot be used: {_first_line(trouble)}"]
    finally:
        connection.close()


def _schema_problems(connection: psycopg2.extensions.connection, encryption_key: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('vault') IS NOT NULL AND to_regclass('procrastinate_jobs') IS NOT NULL")
        row = cursor.fetchone()
        if row is None or not row[0]:
            return ["The database has no tables yet: run `flask --app wsgi init-db`."]
        cursor.execute("SELECT sealed FROM vault WHERE name = 'pepper'")
        pepper = cursor.fetchone()
    return _key_problems(encryption_key, pepper[0]) if pepper else []


def _key_problems(encryption_key: str, sealed_pepper: str) -> list[str]:
    if not encryption_key:
        return ["ENCRYPTION_KEY is not set."]
    try:
        Vault(encryption_key, sealed_pepper)
    except (Unreadable, ValueError):
        return ["ENCRYPTION_KEY is not the one this database was made with: its pepper cannot be read."]
    return []


def libpq_address(url: str) -> str:
    """The same address without SQLAlchemy's driver name, as libpq reads it."""
    return url.replace("postgresql+psycopg2://", "postgresql://", 1)


def _first_line(trouble: Exception) -> str:
    """A driver's first line: it names host and port, never the password."""
    lines = str(trouble).strip().splitlines()
    return lines[0].strip() if lines else type(trouble).__name__
