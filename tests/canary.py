"""What the canary listens with: everything that is said or kept, and the marks that must stand in none of it."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable
from typing import Any

import redis
import structlog
from click.testing import Result

from tests.house import House
from tests.phone import OverWsgi

PIN, NEW_PIN, WRONG_PIN, WEAK_PIN, CODE = "917364", "864193", "917365", "222222", "640982"
SENDER, STRANGER, MEMBER, MOTHER, INVITED = "0719283746", "0727364518", "0731846297", "0722918375", "0735482916"
#: To this one every payout fails for sure: see ``integrations.mpesa.payees``.
UNPAYABLE = "0700000222"
SECRETS = (PIN, NEW_PIN, WRONG_PIN, CODE)
NUMBERS = (SENDER, STRANGER, MEMBER, MOTHER, INVITED, UNPAYABLE)

#: Settings that are secrets, each with a value that nothing else looks like.
KEYS = {
    "mpesa_initiator_password": "Canary-initiator-Qz7!",
    "mpesa_passkey": "canarypasskey5d1e9b07",
    "mpesa_consumer_secret": "canaryconsumer2c8f41",
    "flutterwave_secret_key": "FLWSECK-canary-60d2ab",
    "flutterwave_hash": "canary-flutterwave-hash-81e3",
    "stripe_secret_key": "sk_live_canary9e07d5",
    "stripe_webhook_secret": "whsec_canary3f6b20",
    "at_api_key": "atsk_canary7ba914",
}

#: Where a full number is meant to stand: Daraja makes its ids of the payer's number, and is asked by them.
MEANT = {("payments", "provider_id")}


class Ears(logging.Handler):
    """Everything that is said, with tracebacks, before anybody masks it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        said = f"{record.getMessage()} {record.args}"
        if record.name.startswith("sqlalchemy"):  # at DEBUG it prints rows: what is meant to stand in one is no news
            said = re.sub(r"ws_CO_\d+", "ws_CO_", said)
        self.heard.append(said)
        if record.exc_info and record.exc_info[1]:
            self.heard.append("".join(traceback.format_exception(record.exc_info[1])))

    def structured(self, _logger: object, name: str, event: dict[str, Any]) -> dict[str, Any]:
        failure = event.get("exc_info")
        if failure:
            self.heard.append("".join(traceback.format_exc()))
        self.heard.append(f"{name} {event}")
        raise structlog.DropEvent


class Recorder(OverWsgi):
    """A network that keeps every answer."""

    def __init__(self, application: Any, kept: list[str]) -> None:
        super().__init__(application)
        self._kept = kept

    def post(self, path: str, body: str, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        answer = super().post(path, body, headers)
        self._kept.append(f"{answer}")
        return answer


class Marks:
    """What must be nowhere: PINs, codes, full numbers, and ``keys``, whatever they are called."""

    def __init__(self, *keys: str) -> None:
        self._keys = keys

    def everywhere(self, house: House, ears: Ears, answers: list[str], client: redis.Redis) -> list[str]:
        """Every place in which something is remembered or shown."""
        return [
            *self.found("log", ears.heard),
            *self.found("answer", answers),
            *self.found("redis", all_of_redis(client)),
            *self.found("metrics", [house.parts.metrics.text()[0].decode()]),
            *self.in_tables(house),
        ]

    def found(self, where: str, texts: list[str]) -> list[str]:
        return [f"{where}: {mark} in {text[:300]}" for text in texts for mark in self._in(text)]

    def in_tables(self, house: House) -> list[str]:
        found: list[str] = []
        with house.parts.db.reading() as connection:
            columns = connection.exec_driver_sql(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
                " AND table_name IN (SELECT tablename FROM pg_tables WHERE schemaname = 'public')"
            ).all()
            for table, column in columns:
                if (table, column) in MEANT:
                    continue
                rows = connection.exec_driver_sql(
                    f'SELECT "{column}"::text FROM "{table}" WHERE "{column}" IS NOT NULL'
                )
                found += self.found(f"{table}.{column}", [row[0] for row in rows])
        assert len({table for table, _ in columns}) > 20
        return found

    def _in(self, text: str) -> list[str]:
        secrets = [mark for mark in SECRETS if re.search(rf"(?<![\d.]){mark}(?!\d)", text)]
        numbers = [number for number in NUMBERS if number[1:] in re.sub(r"(?<=\d)[ -](?=\d)", "", text)]
        return secrets + numbers + [key for key in self._keys if key in text]


def all_of_redis(client: redis.Redis) -> list[str]:
    readers: dict[bytes, Callable[[Any], Any]] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
    }
    return [f"{key!r} {readers[client.type(key)](key)!r}" for key in client.keys("*")]  # type: ignore[union-attr,index]


def printed(done: Result) -> str:
    """All that a command showed, and what it broke with."""
    broken = "".join(traceback.format_exception(done.exception)) if done.exception else ""
    return done.output + broken
