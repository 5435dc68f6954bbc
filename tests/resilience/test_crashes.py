"""kill -9 between every two statements: at every point of every scene nothing is lost and nothing happens twice."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import psycopg2
import pytest

from gateway.laptop.embedded import EmbeddedRedis
from gateway.schema_command import prepare_database
from gateway.settings import Settings
from integrations.africastalking.simulator import Options as SmsOptions
from integrations.mpesa.prompts import Options as MpesaOptions
from integrations.simulators import Options, serve
from tests.conftest import ENCRYPTION_KEY
from tests.resilience.crash.office import Office
from tests.resilience.crash.scenes import SCENES
from tests.resilience.crash.town import Town

#: A scene with fewer points is not lived, or not counted.
_LEAST_POINTS = 10


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Nobody else empties it."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("crashes") / "redis")
    yield server.start()
    server.stop()


@pytest.fixture(scope="module")
def town(make_database: Callable[[], str], own_redis: str) -> Iterator[Town]:
    url = make_database()
    prepare_database(url, ENCRYPTION_KEY)
    _hasten(url)
    lots = {"basic": 100_000_000, "verified": 100_000_000, "cooling": 100_000_000}
    settings = Settings(
        app_env="test",
        database_url=url,
        redis_url=own_redis,
        encryption_key=ENCRYPTION_KEY,
        callback_token="0123456789abcdef",
        push_delay_seconds=0,
        ussd_budget_seconds=8,
        limit_per_day=lots,
        limit_per_transfer=lots,
        most_claims_per_day=100_000,
    )
    mpesa = MpesaOptions(answer_seconds=0, hang_seconds=0, auto_accept=True, opening_balance=10_000_000)
    office = Office()
    with serve(options=Options(sms=SmsOptions(report_seconds=0), rails={"mpesa": mpesa})) as simulators:
        town = Town(settings, simulators, office)
        yield town
        town.close()
    office.close()


def _hasten(url: str) -> None:
    """A process that dies loses nothing that the server has; only a server that dies needs the disk."""
    line = psycopg2.connect(url)
    line.autocommit = True
    with line.cursor() as cursor:
        cursor.execute("SELECT format('ALTER DATABASE %I SET synchronous_commit = off', current_database())")
        cursor.execute(cursor.fetchone()[0])  # type: ignore[index]
    line.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SCENES)
def test_dying_at_every_point_loses_nothing_and_doubles_nothing(town: Town, name: str) -> None:
    began, fatal = time.monotonic(), 1
    while _dies(town, name, fatal):
        fatal += 1
    sys.stdout.write(f"{name}: {fatal - 1} points, {time.monotonic() - began:.0f} s\n")
    assert fatal > _LEAST_POINTS


def _dies(town: Town, name: str, fatal: int) -> bool:
    """One death and what follows; false when the scene has no such point, and was lived to its end."""
    scene = SCENES[name]
    facts, fate = town.lives(scene, fatal)
    where = f"{name}, point {fatal}: {fate.at or 'lived on'}"
    try:
        town.calm()
        scene.check(town, facts, once=not fate.at)
        town.again(facts)
        scene.check(town, facts, once=True)
        town.books_are_right()
        unsure = any("messaging" in each for each in fate.undecided)  # sent perhaps: once more is better than never
        assert unsure or town.repeated(facts) == []
    except AssertionError as lost:
        raise AssertionError(where) from lost
    return bool(fate.at)
