"""PostgreSQL: one pool, short transactions, and a clear word when it is away."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2.errors
import psycopg2.extensions
from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url, text
from sqlalchemy.orm import Session

from gateway.domain.errors import TryLater

#: Sent at start-up. A transaction pooler may refuse or drop them: set them on the database role then.
_OPTIONS = "-c statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=15000"


_CONNECTING = {
    "connect_timeout": 3,
    "options": _OPTIONS,
    # A server that vanished without a word is noticed within seconds, not by the kernel's two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 8000,
}


def psycopg2_address(url: str) -> URL:
    """The address with its driver named: unnamed, SQLAlchemy 2.1 takes psycopg 3, whose prepared statements outlive a
    transaction and whose errors are other classes."""
    return make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+psycopg2")


_AWAY = (
    exc.OperationalError,
    exc.TimeoutError,
    exc.InterfaceError,
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
    psycopg2.errors.ReadOnlySqlTransaction,  # a standby that still thinks it is one
)


class Database:
    """One engine for the whole process. Every way in turns an unreachable server into ``TryLater``."""

    def __init__(self, url: str, pool_size: int = 8) -> None:
        self.url = url
        self.engine: Engine = create_engine(
            psycopg2_address(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=2,
            pool_pre_ping=False,
            pool_recycle=1800,
            hide_parameters=True,  # an error's text ends in logs: the values stay out of it
            connect_args=_CONNECTING,
        )
        event.listen(self.engine, "checkout", _throw_away_dead)
        self._reads: Engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction: commits at the end, rolls back on any exception."""
        with self._reachable(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Reads without BEGIN and COMMIT around them: a transaction around one read costs more than the read."""
        with self._reachable(), self._reads.connect() as connection:
            yield connection

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """Every statement commits by itself: for a write that must stand whatever becomes of the request."""
        with self.reading() as connection:
            yield connection

    @contextmanager
    def hot(self) -> Iterator[psycopg2.extensions.cursor]:
        """A bare autocommit cursor from the same pool, for the few calls that must cost one round trip.

        Raises ``TryLater`` when no connection is to be had or it dies; its cause is then psycopg2's own error.
        """
        with self._reachable():
            pooled = self.engine.raw_connection()
            connection: Any = pooled.dbapi_connection
            try:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    yield cursor
            finally:
                if connection.closed:
                    pooled.invalidate()
                else:
                    connection.autocommit = False
                pooled.close()

    def is_up(self) -> bool:
        try:
            with self.reading() as connection:
                connection.execute(text("SELECT 1"))
        except TryLater:
            return False
        return True

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except _AWAY as away:
            raise TryLater from away
        except exc.DBAPIError as broken:
            if broken.connection_invalidated or isinstance(broken.orig, psycopg2.errors.ReadOnlySqlTransaction):
                raise TryLater from broken
            raise


def _throw_away_dead(connection: Any, _record: object, _proxy: object) -> None:
    """An idle connection on which something is to be read is one the server has ended: after a restart all are.

    Costs two microseconds where a ping costs a round trip; without it each stale connection fails somebody once.
    """
    idle = select.poll()
    idle.register(connection.fileno(), select.POLLIN)
    if idle.poll(0):
        raise exc.InvalidatePoolError
