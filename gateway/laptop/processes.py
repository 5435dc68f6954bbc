"""The gateway's own processes: simulators, web and worker, each started again when it dies."""

from __future__ import annotations

import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.environment import TOP
from gateway.laptop.children import Child, free_port
from gateway.preflight import CannotStart
from gateway.settings import Settings

_LONG_LIFE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass(slots=True)
class _Watched:
    """A child, when it was started, and when it is due again if it died (seconds of the monotonic clock)."""

    child: Child
    started_at: float
    pause_seconds: float = 0.5
    due_at: float | None = None


class Processes:
    """Simulators (when they are on), web and worker. ``env`` is what they see."""

    def __init__(self, settings: Settings, env: dict[str, str], port: int, *, say: Callable[[str], object]) -> None:
        self._settings = settings
        self._env = env
        self._port = port
        self._say = say
        self._watched: list[_Watched] = []

    def start_simulators(self) -> None:
        """The providers' stand-ins, on a loopback port that web and worker find as ``SIMULATORS_URL``."""
        if not self._settings.simulators_on or self._settings.simulators_url:
            return
        port = free_port()
        gateway = f"http://127.0.0.1:{self._port}"
        self._start("simulators", "integrations.simulators", "--port", str(port), "--gateway", gateway)
        self._wait_for_port("simulators", port)
        self._env["SIMULATORS_URL"] = f"http://127.0.0.1:{port}"

    def start_gateway(self) -> None:
        self._start("web", "gunicorn", "--no-control-socket", "--bind", f"127.0.0.1:{self._port}", "wsgi:app")
        self._start("worker", "flask", "--app", "wsgi", "worker")

    def _start(self, name: str, module: str, *arguments: str) -> None:
        child = Child(name, [sys.executable, "-m", module, *arguments], env=dict(self._env), folder=TOP)
        child.start()
        self._watched.append(_Watched(child, time.monotonic()))

    def _wait_for_port(self, name: str, port: int, patience_seconds: float = 20) -> None:
        until = time.monotonic() + patience_seconds
        while time.monotonic() < until:
            self.must_all_run()
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.05)
        raise CannotStart([f"The {name} process does not answer on port {port}."])

    def must_all_run(self) -> None:
        """While starting: a process that is gone ends the start. Raises ``CannotStart``."""
        for each in self._watched:
            if not each.child.running:
                raise CannotStart([_ended_at_once(each.child)])

    def revive(self) -> None:
        """Start again what died, after a pause that doubles up to half a minute. Never gives up: the trouble may be
        a database that is away, and the others go on answering meanwhile."""
        now = time.monotonic()
        for each in self._watched:
            if each.child.running:
                continue
            if each.due_at is None:
                self._schedule(each, now)
            elif now >= each.due_at:
                each.child.start()
                each.started_at, each.due_at = now, None

    def _schedule(self, each: _Watched, now: float) -> None:
        lived_long = now - each.started_at > _LONG_LIFE_SECONDS
        each.pause_seconds = 1.0 if lived_long else min(2 * each.pause_seconds, _LONGEST_PAUSE_SECONDS)
        each.due_at = now + each.pause_seconds
        ended = f"The {each.child.name} process ended (exit code {each.child.exit_code})"
        self._say(f"{ended}; starting it again in {each.pause_seconds:.0f} s.")

    def end(self) -> None:
        """Ask all at once, then wait for each and kill what is left."""
        for each in self._watched:
            each.child.ask_to_stop()
        for each in reversed(self._watched):
            each.child.end(grace_seconds=12)


def _ended_at_once(child: Child) -> str:
    return f"The {child.name} process ended at once (exit code {child.exit_code}): its own words are above."


def wait_until_ready(port: int, processes: Processes, patience_seconds: float = 90) -> None:
    """Until /ready says that every part is up; raises ``CannotStart``."""
    until = time.monotonic() + patience_seconds
    said = "no answer"
    while time.monotonic() < until:
        processes.must_all_run()
        ready, said = _ask(f"http://127.0.0.1:{port}/ready")
        if ready:
            return
        time.sleep(0.2)
    raise CannotStart([f"The gateway is not ready after {patience_seconds:.0f} seconds: {said}"])


def _ask(url: str) -> tuple[bool, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            return True, answer.read().decode(errors="replace").strip()
    except urllib.error.HTTPError as refused:
        return False, refused.read(500).decode(errors="replace").strip()
    except OSError as away:
        return False, str(away)


def clean_metrics(data: Path) -> Path:
    """An empty folder for the counters that all processes of one run share."""
    folder = data / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
