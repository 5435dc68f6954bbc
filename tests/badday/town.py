"""The processes of the town: web and workers as ``make run`` starts them, with simulators in this very process."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import psutil

from gateway.environment import TOP
from gateway.laptop.children import Child, free_port
from gateway.settings import Settings
from integrations.africastalking.simulator import Options as SmsOptions
from integrations.mpesa.options import Fate
from integrations.mpesa.options import Options as MpesaOptions
from integrations.simulators import Options, Simulators, serve
from tests.badday.clock import MovedClock
from tests.badday.servers import Servers

KEY, TOKEN = "a key for bad days, long enough", "0123456789abcdef01"
_PLENTY = {"basic": 100_000_000, "verified": 100_000_000, "cooling": 100_000_000}
_READY_SECONDS = 60
#: What differs from a laptop: prompts at once, no limits in the way, and large amounts that the rail is asked about.
_RULES = {"push_delay_seconds": 0, "limit_per_day": _PLENTY, "most_claims_per_day": 10_000, "ask_rail_above": 1_500}


class Town:
    """One web with two processes, two workers, and every provider's stand-in. Logs are files in ``folder``."""

    def __init__(self, folder: Path, servers: Servers, fate: Fate, clock: MovedClock) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.mpesa_options = MpesaOptions(
            fate=fate, prompt_seconds=4, answer_seconds=0.2, late_seconds=3, hang_seconds=1, opening_balance=50_000,
            organisation_balance=0,  # all that is there is people's: our books begin at nothing too
        )  # fmt: skip
        options = Options(sms=SmsOptions(report_seconds=0.2), rails={"mpesa": self.mpesa_options})
        self.simulators: Simulators = serve(
            gateway_url=self.url, environ={"CALLBACK_TOKEN": TOKEN}, options=options, clock=clock
        )
        self.simulators.sms.balance = Decimal(1_000_000)
        self.settings = Settings(
            database_url=servers.database_url, redis_url=servers.redis_url, encryption_key=KEY, callback_token=TOKEN,
            public_url=self.url, simulators_url=self.simulators.url, **_RULES,
        )  # fmt: skip
        self._changing = threading.Lock()
        self._web = self._child(
            "web", "gunicorn", "--no-control-socket", "--bind", f"127.0.0.1:{self.port}", "wsgi:app"
        )
        self._workers = [self._child(f"worker-{n}", "flask", "--app", "wsgi", "worker") for n in (1, 2)]

    def open(self) -> None:
        """Start all and wait until the web answers; raises ``AssertionError`` when it never does."""
        for each in (self._web, *self._workers):
            each.start()
        until = time.monotonic() + _READY_SECONDS
        while not self._is_ready():
            assert time.monotonic() < until, f"the web does not answer: see {self.folder}/web.log"
            time.sleep(0.1)

    def close(self) -> None:
        """Web and workers are asked to stop, as at a deployment. The simulators go on."""
        for each in (self._web, *self._workers):
            each.ask_to_stop()
        for each in (self._web, *self._workers):
            each.end(grace_seconds=15)

    def kill_web_worker(self, number: int) -> None:
        """``kill -9`` for one of gunicorn's processes; gunicorn makes another."""
        with suppress(psutil.Error), self._changing:
            found = psutil.Process(self._web.pid).children()
            if found:
                found[number % len(found)].kill()

    def kill_web(self) -> None:
        self._kill(self._web)

    def kill_worker(self, number: int) -> None:
        self._kill(self._workers[number % len(self._workers)])

    def _kill(self, child: Child) -> None:
        """``kill -9`` for it and all it started, and a new one at once."""
        with self._changing:
            if child.pid:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                psutil.Process(child.pid).wait(10)
            child.start()

    def _child(self, name: str, module: str, *arguments: str) -> Child:
        command = [sys.executable, "-m", module, *arguments]
        return Child(name, command, env=self._environment(), folder=TOP, log=self.folder / f"{name}.log")

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        names = (
            "database_url",
            "redis_url",
            "encryption_key",
            "callback_token",
            "public_url",
            "simulators_url",
            *_RULES,
        )
        said = {name.upper(): _written(getattr(self.settings, name)) for name in names}
        metrics = str(self.folder / "metrics")
        return kept | said | {"PORT": str(self.port), "WEB_CONCURRENCY": "2", "PROMETHEUS_MULTIPROC_DIR": metrics}

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
