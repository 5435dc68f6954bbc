"""Trouble: every second or so something dies, is emptied, or lies."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress

import psutil
import psycopg2
import redis

from integrations.simulation import Request
from tests.badday.forger import Forger
from tests.badday.servers import Servers
from tests.badday.tally import Tally
from tests.badday.town import Town

_OFTEN = {"web worker": 3, "web": 1, "worker": 3, "flush": 3, "cut": 2, "tokens": 2, "forger": 20}
_NAMES = {
    "web worker": "kill -9 of a web process", "web": "kill -9 of the whole web", "worker": "kill -9 of a worker",
    "flush": "FLUSHALL", "cut": "all database connections cut", "tokens": "access tokens refused",
}  # fmt: skip


class Trouble:
    """``stir`` runs in a thread of its own until ``over``."""

    def __init__(self, town: Town, servers: Servers, seed: int, tally: Tally) -> None:
        self._chance = random.Random(f"trouble {seed}")
        self._tally = tally
        self._forger = Forger(town, servers.database_url, random.Random(f"forger {seed}"), tally)
        line = redis.Redis.from_url(servers.redis_url)
        expire = town.simulators.mpesa.controls["POST", "/expire-tokens"]
        self._acts: dict[str, Callable[[], object]] = {
            "web worker": lambda: town.kill_web_worker(self._chance.randrange(100)),
            "web": town.kill_web,
            "worker": lambda: town.kill_worker(self._chance.randrange(100)),
            "flush": line.flushall,
            "cut": servers.cut_connections,
            "tokens": lambda: expire(Request("POST", "/expire-tokens")),
            "forger": self._forger.strike,
        }

    def stir(self, over: threading.Event) -> None:
        while not over.wait(self._chance.uniform(0.1, 0.7)):
            act = self._chance.choices(list(_OFTEN), list(_OFTEN.values()))[0]
            with suppress(psutil.Error, psycopg2.Error, redis.RedisError):
                self._acts[act]()
                if act in _NAMES:
                    self._tally.note("injected", _NAMES[act])
