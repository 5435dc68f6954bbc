"""What is down or missing at the start is one clear line and exit code 1, for every way to start."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.laptop.embedded import EmbeddedRedis
from gateway.preflight import CannotStart, check
from gateway.schema_command import prepare_database
from gateway.settings import Settings
from tests.runtime.conftest import House

KEY = "a key for tests, long enough"
NO_DATABASE = "postgresql://me:hunter2@127.0.0.1:1/none"
NO_REDIS = "redis://:hunter2@127.0.0.1:1/0"


@pytest.fixture(scope="module")
def ready_url(make_database: Callable[[], str]) -> str:
    url = make_database()
    prepare_database(url, KEY)
    return url


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"), program="")
    yield server.start()
    server.stop()


def _sentences(*, schema: bool = True, **settings: str) -> list[str]:
    try:
        check(Settings(encryption_key=settings.pop("encryption_key", KEY), **settings), schema=schema)  # type: ignore[arg-type]
    except CannotStart as reason:
        return reason.sentences
    return []


def test_nothing_to_say_when_everything_is_there(ready_url: str, redis_url: str) -> None:
    assert _sentences(database_url=ready_url, redis_url=redis_url) == []


def test_everything_that_is_down_is_told_at_once_without_passwords() -> None:
    told = _sentences(database_url=NO_DATABASE, redis_url=NO_REDIS)
    assert [line.split(" cannot")[0] for line in told] == ["Redis at REDIS_URL", "PostgreSQL at DATABASE_URL"]
    assert "hunter2" not in "".join(told)
    assert all("\n" not in line for line in told)


def test_addresses_that_are_not_set_are_told() -> None:
    told = _sentences(database_url="", redis_url="")
    assert [line.split(" is not set")[0] for line in told] == ["REDIS_URL", "DATABASE_URL"]


def test_an_empty_database_is_told_except_to_who_fills_it(make_database: Callable[[], str], redis_url: str) -> None:
    url = make_database()
    assert _sentences(database_url=url, redis_url=redis_url) == [
        "The database has no tables yet: run `flask --app wsgi init-db`."
    ]
    assert _sentences(database_url=url, redis_url=redis_url, schema=False) == []


def test_another_encryption_key_than_the_databases_is_told(ready_url: str, redis_url: str) -> None:
    told = _sentences(database_url=ready_url, redis_url=redis_url, encryption_key="another key, as long")
    assert told == ["ENCRYPTION_KEY is not the one this database was made with: its pepper cannot be read."]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("-m", "gunicorn", "wsgi:app"),
        ("-m", "flask", "--app", "wsgi", "worker"),
        ("-m", "flask", "--app", "wsgi", "init-db"),
    ],
    ids=["gunicorn", "worker", "init-db"],
)
def test_every_command_says_it_in_lines_and_ends(house: House, command: tuple[str, ...]) -> None:
    down = house.once(*command, DATABASE_URL=NO_DATABASE, REDIS_URL=NO_REDIS, ENCRYPTION_KEY=KEY)
    assert down.returncode == 1
    assert "PostgreSQL at DATABASE_URL cannot be used" in down.stderr
    assert "Redis at REDIS_URL cannot be used" in down.stderr
    assert "Traceback" not in down.stderr
    assert "hunter2" not in down.stderr
    wrong = house.once(*command, CLAIM_DAYS="0")
    assert wrong.returncode == 1
    assert "CLAIM_DAYS: " in wrong.stderr
    assert "Traceback" not in wrong.stderr


@pytest.mark.slow
def test_init_db_makes_the_tables_everything_else_asks_for(
    house: House, make_database: Callable[[], str], redis_url: str
) -> None:
    where = {"DATABASE_URL": make_database(), "REDIS_URL": redis_url, "ENCRYPTION_KEY": KEY}
    assert "no tables" in house.once("-c", "import wsgi", **where).stderr
    assert house.once("-m", "flask", "--app", "wsgi", "init-db", **where).returncode == 0
    assert house.once("-c", "import wsgi", **where).returncode == 0
