"""A gateway whose wires to its database and its Redis can be cut."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import redis

from gateway.db import Database
from gateway.promises import Promises
from gateway.schema_command import prepare_database
from gateway.settings import Settings
from integrations.africastalking.simulator import Options as SmsOptions
from integrations.mpesa.prompts import Options as MpesaOptions
from integrations.simulators import Options, serve
from tests.conftest import ENCRYPTION_KEY
from tests.house import House
from tests.resilience.proxy import Wire

pytest.register_assert_rewrite("tests.resilience.crash", "tests.resilience.fuzz.judge")


@dataclass
class Frail:
    """A house on two wires."""

    house: House
    database: Wire
    redis: Wire

    def keeps_promises(self, after_seconds: float = 60) -> None:
        """What the worker does a while later."""
        parts = self.house.parts
        Promises(
            redis.Redis.from_url(parts.settings.redis_url),
            parts.db,
            parts.vault,
            parts.messages,
            parts.transfers,
            parts.payments,
            parts.payouts,
            parts.credits,
            parts.texts,
            shortcode=parts.settings.shortcode,
            now=lambda: time.time() + after_seconds,
        ).keep()


def _wire(url: str, default_port: int) -> tuple[Wire, str]:
    address = urlsplit(url)
    if address.hostname not in ("127.0.0.1", "localhost"):
        pytest.skip("the server listens on a socket file only: there is no wire to cut")
    wire = Wire(address.hostname, address.port or default_port)
    user = f"{address.username}@" if address.username else ""
    return wire, address._replace(netloc=f"{user}127.0.0.1:{wire.port}").geturl()


@pytest.fixture(scope="session")
def frail(make_database: Callable[[], str], redis_url: str) -> Iterator[Frail]:
    real = make_database()
    prepare_database(real, ENCRYPTION_KEY)
    database, database_url = _wire(real, 5432)
    remembers, redis_address = _wire(redis_url, 6379)
    settings = Settings(
        app_env="test",
        database_url=database_url,
        redis_url=redis_address,
        encryption_key=ENCRYPTION_KEY,
        callback_token="0123456789abcdef",
        push_delay_seconds=0,
        ussd_budget_seconds=8,  # on a busy machine too, a hop has given up before the wires are mended
    )
    options = Options(sms=SmsOptions(report_seconds=0), rails={"mpesa": MpesaOptions(answer_seconds=0)})
    with serve(options=options) as simulators:
        house = House(settings, simulators)
        yield Frail(house, database, remembers)
        house.close()
        database.close()
        remembers.close()


@pytest.fixture
def whole(frail: Frail) -> Iterator[Frail]:
    """The same, mended again after every test."""
    yield frail
    for wire in (frail.database, frail.redis):
        wire.cut()
        wire.mend()


def transfers_of(db: Database, number: str) -> int:
    """How many sends of an account were posted."""
    with db.reading() as connection:
        return int(
            connection.exec_driver_sql(
                "SELECT count(*) FROM ledger_transfers WHERE kind = 'send' AND refusal IS NULL AND scope = %s",
                (f"transfer:{number}",),
            ).scalar_one()
        )
