"""Fixtures for all tests: a database of one's own, a Redis of one's own, and a clock that can be moved.

The database is a real PostgreSQL: the one on the loopback port (or at ``DATABASE_URL``) when it answers, else the
embedded one. Redis likewise, else fakeredis. Every test process has its own database and its own key space.
"""

from __future__ import annotations

import itertools
import os
import random
import secrets
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fakeredis
import psycopg2
import pytest
import redis

from gateway.db import Database
from gateway.laptop.embedded import EmbeddedPostgres
from gateway.schema_command import prepare_database
from gateway.settings import Settings
from gateway.vault import Vault
from integrations.africastalking.simulator import Options as SmsOptions
from integrations.mpesa.prompts import Options as MpesaOptions
from integrations.simulators import Options, serve
from tests.house import House

ROOT = Path(__file__).resolve().parent.parent
ENCRYPTION_KEY = "a key for tests, long enough"


class Clock:
    """A clock for tests: call it for the time (aware UTC), ``move`` it to another."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server on which databases may be made."""
    url = reachable_server()
    if url:
        yield url
        return
    server = EmbeddedPostgres(tmp_path_factory.mktemp("servers") / "postgresql")
    yield server.start()
    server.stop()


def reachable_server() -> str | None:
    """The PostgreSQL that is configured, or is on its usual port; ``None`` when none answers."""
    urls = (os.environ.get("DATABASE_URL"), "postgresql://postgres@127.0.0.1:5432/postgres")
    return next((url for url in urls if url and _answers(url)), None)


def _answers(url: str) -> bool:
    try:
        psycopg2.connect(url, connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


def run_sql(url: str, sql: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(sql)
    connection.close()


def sibling(url: str, name: str) -> str:
    """The same server's other database, for both ``/name`` and ``/name?host=/socket`` addresses."""
    address, _, query = url.partition("?")
    base = address.rsplit("/", 1)[0]
    return f"{base}/{name}" + (f"?{query}" if query else "")


@pytest.fixture(scope="session")
def make_database(server_url: str) -> Iterator[object]:
    """Make an empty database and return its address; all are dropped at the end."""
    made: list[str] = []

    def make() -> str:
        name = f"mlango_test_{secrets.token_hex(5)}"
        run_sql(server_url, f'CREATE DATABASE "{name}"')
        made.append(name)
        return sibling(server_url, name)

    yield make
    for name in made:
        run_sql(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def database_url(make_database) -> str:  # type: ignore[no-untyped-def]
    """A database with our schema, shared by the tests of this process: make your own people in it."""
    url: str = make_database()
    run_sql(url, (ROOT / "schema.sql").read_text())
    return url


@pytest.fixture(scope="session")
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def vault() -> Vault:
    return Vault(ENCRYPTION_KEY, Vault.new_pepper(ENCRYPTION_KEY))


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis on the loopback port (a database per test process), else fakeredis over TCP."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    url = f"redis://127.0.0.1:6379/{15 - worker % 8}"
    try:
        redis.Redis.from_url(url, socket_connect_timeout=1).ping()
    except redis.ConnectionError:
        server = fakeredis.TcpFakeServer(("127.0.0.1", 0), server_type="redis")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        server.shutdown()
        return
    yield url


@pytest.fixture(scope="session")
def redis_server(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


@pytest.fixture(scope="session")
def settings(make_database: Callable[[], str], redis_url: str) -> Settings:
    """A gateway's settings over a database and a Redis of this process, with everything in it that a start needs."""
    url = make_database()
    prepare_database(url, ENCRYPTION_KEY)
    return Settings(
        app_env="test",
        database_url=url,
        redis_url=redis_url,
        encryption_key=ENCRYPTION_KEY,
        callback_token="0123456789abcdef",
        push_delay_seconds=0,
        ussd_budget_seconds=8,
    )


@pytest.fixture(scope="session")
def house(settings: Settings) -> Iterator[House]:
    """The whole gateway on simulators, shared by the tests of this process: take numbers of your own."""
    options = Options(sms=SmsOptions(report_seconds=0), rails={"mpesa": MpesaOptions(answer_seconds=0)})
    with serve(options=options) as simulators:
        gateway = House(settings, simulators)
        yield gateway
        gateway.close()


@pytest.fixture(scope="session")
def numbers() -> Iterator[str]:
    """Phone numbers that nobody has yet: ``next(numbers)``."""
    return (f"07{number}" for number in itertools.count(random.randrange(11_000_000, 45_000_000)))
