"""A database with our schema and the queue's beside it, for one test at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg2
import pytest
from procrastinate import App, PsycopgConnector

from gateway.db import Database
from gateway.jobs import QUIET
from tests.conftest import ROOT


@pytest.fixture
def queue_url(make_database: Callable[[], str]) -> str:
    url = make_database()
    connection = psycopg2.connect(url)
    connection.autocommit = True
    connection.cursor().execute((ROOT / "schema.sql").read_text())
    with App(connector=PsycopgConnector(conninfo=url)).open() as app:
        app.schema_manager.apply_schema()
    connection.cursor().execute(QUIET)
    connection.close()
    return url


@pytest.fixture
def queue_db(queue_url: str) -> Iterator[Database]:
    database = Database(queue_url)
    yield database
    database.close()
