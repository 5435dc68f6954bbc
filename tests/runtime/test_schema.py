"""schema.sql, the Alembic revisions and the models say the same."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

import gateway.models
from gateway.db import Database, psycopg2_address
from gateway.models.base import Base
from gateway.preflight import CannotStart
from gateway.schema_command import prepare_database
from gateway.schema_setup import ensure_pepper, init_db, load_schema, upgrade
from gateway.vault import Vault
from tests.runtime.catalog import catalog

MakeDatabase = Callable[[], str]
KEY = "a key for tests, long enough"


def test_an_empty_database_becomes_the_same_by_schema_sql_and_by_the_revisions(make_database: MakeDatabase) -> None:
    one, other = make_database(), make_database()
    load_schema(one)
    upgrade(other)
    loaded, upgraded = catalog(one), catalog(other)
    assert loaded["tables"]
    assert loaded["functions"]
    for kind in loaded:
        assert upgraded[kind] == loaded[kind], f"{kind} differ: `make freeze-schema` until the first release"


def test_the_comparison_sees_a_single_changed_default(make_database: MakeDatabase) -> None:
    one, other = make_database(), make_database()
    load_schema(one)
    load_schema(other)
    _run(other, "ALTER TABLE accounts ALTER COLUMN tier SET DEFAULT 'verified'")
    assert catalog(one) != catalog(other)


def test_every_model_is_a_table_of_the_schema_with_the_same_columns(make_database: MakeDatabase) -> None:
    url = make_database()
    load_schema(url)
    for module in pkgutil.iter_modules(gateway.models.__path__):
        importlib.import_module(f"gateway.models.{module.name}")
    engine = create_engine(psycopg2_address(url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _is_modelled})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def _is_modelled(thing: object, name: str, kind: str, _reflected: bool, _other: object) -> bool:
    """Tables without a model (the job queue's, the books') and what only the database knows (indexes, checks)."""
    if kind == "table":
        return name in Base.metadata.tables
    return kind == "column"


def test_a_database_is_loaded_once_and_then_only_brought_up_to_date(make_database: MakeDatabase) -> None:
    url = make_database()
    assert [init_db(url), init_db(url)] == ["loaded", "upgraded"]


def test_two_that_start_at_once_take_turns(make_database: MakeDatabase) -> None:
    url = make_database()
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: prepare_database(url, KEY), range(4)))
    assert sorted(done) == ["loaded", "upgraded", "upgraded", "upgraded"]


def test_a_load_that_fails_leaves_the_database_empty(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_database()
    monkeypatch.setattr("gateway.schema_setup.queue_schema", lambda: "CREATE TABLE broken (")
    with pytest.raises(psycopg2.errors.SyntaxError):
        init_db(url)
    monkeypatch.undo()
    assert init_db(url) == "loaded"


def test_tables_without_a_version_are_not_guessed_at(make_database: MakeDatabase) -> None:
    url = make_database()
    _run(url, "CREATE TABLE accounts ()")
    with pytest.raises(CannotStart, match="no version"):
        init_db(url)


def test_the_pepper_is_made_once_and_opens_with_its_key(make_database: MakeDatabase) -> None:
    url = make_database()
    prepare_database(url, KEY)
    db = Database(url)
    sealed = ensure_pepper(db, KEY)
    assert ensure_pepper(db, KEY) == sealed
    assert Vault(KEY, sealed).digest("any") == Vault(KEY, sealed).digest("any")
    db.close()


def _run(url: str, sql: str) -> None:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
    connection.close()
