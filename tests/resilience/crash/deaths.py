"""A town for a test module, and one scene after the other with a death at each of its points."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2

from gateway.laptop.embedded import EmbeddedRedis
from gateway.schema_command import prepare_database
from gateway.settings import Settings
from integrations.africastalking.simulator import Options as SmsOptions
from integrations.mpesa.options import Options as MpesaOptions
from integrations.simulators import Options, serve
from tests.resilience.crash.office import Office
from tests.resilience.crash.scenes import SCENES
from tests.resilience.crash.town import Town

_KEY = "a key for towns, long enough"
#: A scene with fewer points is not lived, or not counted.
_LEAST_POINTS = 10


@contextmanager
def a_town(database_url: str, folder: Path) -> Iterator[Town]:
    """On an empty database, and with a Redis that nobody else empties."""
    prepare_database(database_url, _KEY)
    _hasten(database_url)
    redis, mpesa = EmbeddedRedis(folder / "redis"), MpesaOptions(answer_seconds=0, hang_seconds=0, auto_accept=True)
    mpesa.opening_balance = 400_000
    options = Options(sms=SmsOptions(report_seconds=0), rails={"mpesa": mpesa})
    settings = _settings(database_url, redis.start())
    try:
        with (
            closing(Office()) as office,
            serve(options=options, environ=settings.shared_with_providers) as simulators,
            closing(Town(settings, simulators, office)) as town,
        ):
            yield town
    finally:
        redis.stop()


def dies_at_every_point(town: Town, name: str) -> None:
    """Live one scene to its first point, then to its second, and so on until it has no more."""
    began, fatal = time.monotonic(), 1
    while _dies(town, name, fatal):
        fatal += 1
    sys.stdout.write(f"{name}: {fatal - 1} points, {time.monotonic() - began:.0f} s\n")
    assert fatal > _LEAST_POINTS


def _dies(town: Town, name: str, fatal: int) -> bool:
    """One death and what follows; false when the scene has no such point, and was lived to its end."""
    scene = SCENES[name]
    facts, fate = town.lives(scene, fatal)
    try:
        town.calm()
        scene.check(town, facts, once=not fate.at)
        town.again(facts)
        scene.check(town, facts, once=True)
        town.books_are_right()
        unsure = any("messaging" in each for each in fate.undecided)  # sent perhaps: once more is better than never
        assert unsure or town.repeated(facts) == []
    except AssertionError as lost:
        raise AssertionError(f"{name}, point {fatal}: {fate.at or 'lived on'}") from lost
    return bool(fate.at)


def _settings(database_url: str, redis_url: str) -> Settings:
    lots = {"basic": 100_000_000, "verified": 100_000_000, "cooling": 100_000_000}
    return Settings(
        app_env="test",
        database_url=database_url,
        redis_url=redis_url,
        encryption_key=_KEY,
        callback_token="0123456789abcdef",
        push_delay_seconds=0,
        ussd_budget_seconds=8,
        limit_per_day=lots,
        limit_per_transfer=lots,
        most_claims_per_day=100_000,
    )


def _hasten(url: str) -> None:
    """A process that dies loses nothing that the server has; only a server that dies needs the disk."""
    line = psycopg2.connect(url)
    line.autocommit = True
    with line.cursor() as cursor:
        cursor.execute("SELECT format('ALTER DATABASE %I SET synchronous_commit = off', current_database())")
        cursor.execute(cursor.fetchone()[0])  # type: ignore[index]
    line.close()
