"""A database and a Redis that nobody else uses, so that both may be hurt."""

from __future__ import annotations

import secrets
from pathlib import Path
from types import TracebackType

import psycopg2

from gateway.laptop.embedded import EmbeddedPostgres, EmbeddedRedis
from gateway.schema_command import prepare_database
from tests.conftest import reachable_server, run_sql, sibling

_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


class Servers:
    """Made on entering, gone on leaving. The PostgreSQL that is there is used, else the embedded one is started."""

    def __init__(self, folder: Path, encryption_key: str) -> None:
        self._key = encryption_key
        self._postgres = EmbeddedPostgres(folder / "postgresql")
        self._redis = EmbeddedRedis(folder / "redis")
        self._name = f"mlango_badday_{secrets.token_hex(5)}"
        self._server = ""
        self.database_url = ""
        self.redis_url = ""

    def __enter__(self) -> Servers:
        self._server = reachable_server() or self._postgres.start()
        run_sql(self._server, f'CREATE DATABASE "{self._name}"')
        self.database_url = sibling(self._server, self._name)
        prepare_database(self.database_url, self._key)
        self.redis_url = self._redis.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None) -> None:
        self._redis.stop()
        run_sql(self._server, f'DROP DATABASE IF EXISTS "{self._name}" WITH (FORCE)')
        self._postgres.stop()

    def cut_connections(self) -> None:
        """Every connection to the database ends, whatever it was doing."""
        connection = psycopg2.connect(self._server)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(_CUT, (self._name,))
        finally:
            connection.close()
