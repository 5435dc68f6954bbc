"""``make run``: everything the gateway needs, started in order, watched, and ended together.

A module, not a flask command: a flask command loads the application first, and the application needs the database
this is about to start.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO

import psycopg2

from gateway.environment import TOP, data_dir, kept_secrets, read_environment, write_private
from gateway.laptop.children import port_is_free
from gateway.laptop.processes import Processes, clean_metrics, wait_until_ready
from gateway.laptop.servers import Servers
from gateway.preflight import CannotStart, check, sentences
from gateway.schema_command import prepare_database
from gateway.settings import BadSettings, Settings, load_settings

#: What a second terminal's commands need to reach this run.
_SHARED = ("DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "SIMULATORS_URL", "ENCRYPTION_KEY", "CALLBACK_TOKEN")


class Stopped(BaseException):
    """Ctrl-C, or a signal that asks us to end."""


class Supervisor:
    """One run. Use as a context manager: leaving it ends everything that was started, whatever happened."""

    def __init__(self, data: Path, port: int, say: Callable[[str], object]) -> None:
        """``say`` takes one line for the person in front of the terminal."""
        self._data = data
        self._port = port
        self._say = say
        self._lock: IO[str] | None = None
        self._servers = Servers(data)
        self._processes: Processes | None = None

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None) -> None:
        for one in _ENDING:
            signal.signal(one, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the ending
        if self._processes:
            self._processes.end()
        self._servers.end()
        if self._lock:
            (self._data / "running.env").unlink(missing_ok=True)
            self._lock.close()

    def run(self) -> None:
        """Start everything, say where it is, watch until ``Stopped``; raises ``CannotStart``, ``BadSettings``."""
        if not port_is_free(self._port):
            raise CannotStart([f"Port {self._port} is in use: choose another one with `make run PORT=5001`."])
        self._lock = _take(self._data)
        settings = self._prepare()
        env = dict(os.environ)
        self._processes = Processes(settings, env, self._port, say=self._say)
        self._processes.start_simulators()
        write_private(self._data / "running.env", {name: env[name] for name in _SHARED if name in env})
        self._processes.start_gateway()
        wait_until_ready(self._port, self._processes)
        self._greet(settings)
        while True:
            self._processes.revive()
            self._servers.revive(self._say)
            time.sleep(0.5)

    def _prepare(self) -> Settings:
        """Complete the environment, start what is missing, bring the database up to date."""
        self._complete_environment()
        load_settings()  # a wrong setting is said before anything is started
        self._say("Starting PostgreSQL and Redis ...")
        os.environ.update(self._servers.start(os.environ))
        settings = load_settings()
        check(settings, schema=False)
        prepare_database(settings.database_url, settings.encryption_key)
        check(settings)
        return settings

    def _complete_environment(self) -> None:
        for name, value in kept_secrets(self._data).items():
            if not os.environ.get(name):
                os.environ[name] = value
        if not any(os.environ.get(name) for name in ("PUBLIC_URL", "CALLBACK_URL_BASE", "BACKEND_URL")):
            os.environ["PUBLIC_URL"] = f"http://127.0.0.1:{self._port}"
        os.environ["PORT"] = str(self._port)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(clean_metrics(self._data))

    def _greet(self, settings: Settings) -> None:
        address = f"http://127.0.0.1:{self._port}"
        if settings.simulators_on:
            self._say(f"\n  Mlango is up. The phone is at {address}/simulator\n  Ctrl-C ends everything.\n")
        else:
            self._say(f"\n  Mlango is up at {address}/ussd\n  Ctrl-C ends everything.\n")


def _take(data: Path) -> IO[str]:
    """The lock of this data folder, for as long as the file is open; raises ``CannotStart``."""
    data.mkdir(parents=True, exist_ok=True)
    lock = (data / "lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise CannotStart(
            [f"Another `make run` uses {data}: end it first, or set DATA_DIR to another folder."]
        ) from None
    return lock


_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run until told to end. Returns the exit code: 0 when told to, 1 when it could not start or go on."""
    for one in _ENDING:
        signal.signal(one, _stop)
    os.chdir(TOP)
    read_environment(join=False)
    try:
        with Supervisor(data_dir(), _port(), _say) as supervisor:
            supervisor.run()
    except Stopped:
        _say("Ended.")
        return 0
    except (BadSettings, CannotStart) as reason:
        sys.stderr.writelines(f"{sentence}\n" for sentence in sentences(reason))
    except psycopg2.Error as trouble:
        sys.stderr.write(f"PostgreSQL: {str(trouble).splitlines()[0]}\n")
    return 1


def _port() -> int:
    typed = os.environ.get("PORT") or "5000"
    if not typed.isdigit() or not 0 < int(typed) < 65_536:
        raise CannotStart([f"PORT: {typed!r} is not a port number."])
    return int(typed)


if __name__ == "__main__":
    sys.exit(main())
