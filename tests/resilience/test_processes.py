"""The real processes under ``make run``: killed without warning in the middle of the story, and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.environment import TOP
from tests.house import PIN
from tests.phone import Phone
from tests.runtime.conftest import quiet_port

JANE, FRIEND = "+254719000021", "+254719000022"
Json = dict[str, Any]


class Town:
    """One ``make run`` on a folder of its own, reached only over its ports."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = quiet_port()
        self.start()

    def start(self) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        env = {**kept, "PORT": str(self._port), "DATA_DIR": str(self._folder), "WEB_CONCURRENCY": "2"}
        self._log = (self._folder / "output").open("w")
        self._run = subprocess.Popen(
            [sys.executable, "-m", "gateway.laptop.supervisor"], cwd=TOP, env=env, stdout=self._log, stderr=self._log
        )
        self.until(lambda: self._get("/ready")[0] == 200, 90)

    def end(self) -> None:
        self._run.send_signal(signal.SIGINT)
        assert self._run.wait(40) == 0
        self._log.close()

    def kill(self, *words: str) -> None:
        """``kill -9`` for the newest process with these words, and all that it started."""
        found = [p for p in psutil.Process(self._run.pid).children(recursive=True) if _has(p, words)]
        assert found, words
        for process in (*found[0].children(recursive=True), found[0]) if "--bind" not in words else found[1:2]:
            process.kill()

    def post(self, path: str, body: str, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        asked = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", body.encode(), headers)
        with urllib.request.urlopen(asked, timeout=15) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)

    def phone(self, number: str) -> Phone:
        return Phone(self, number)

    def dials(self, number: str) -> Phone:
        """Dial until somebody answers: a process that was killed takes a moment to be back."""
        return self.until(lambda: self._dialled(number))

    def control(self, path: str, **said: object) -> Json:
        port = dict(line.split("=", 1) for line in (self._folder / "running.env").read_text().splitlines())
        url = port["SIMULATORS_URL"].strip("'") + path
        body = json.dumps(said).encode() if said else None
        asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            found: Json = json.loads(answer.read())
            return found

    def prompts(self) -> list[Json]:
        found = self.control("/control/mpesa/prompts")
        return next(value for value in found.values() if isinstance(value, list))

    def books(self) -> str:
        env = {**os.environ, "DATA_DIR": str(self._folder), "PORT": str(self._port)}
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", "books"],
            cwd=TOP, env=env, capture_output=True, text=True, timeout=40, check=False,
        )  # fmt: skip
        return done.stdout

    def until(self, true: Callable[[], Any], seconds: float = 40) -> Any:
        end = time.monotonic() + seconds
        while not (found := _calmly(true)):
            assert time.monotonic() < end, (self._folder / "output").read_text()[-3000:]
            time.sleep(0.2)
        return found

    def _dialled(self, number: str) -> Phone | None:
        phone = self.phone(number).dials()
        return phone if phone.goes_on else None

    def _get(self, path: str) -> tuple[int, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()


def _calmly(true: Callable[[], Any]) -> Any:
    try:
        return true()
    except OSError:
        return None


def _has(process: psutil.Process, words: tuple[str, ...]) -> bool:
    try:
        return all(word in " ".join(process.cmdline()) for word in words)
    except psutil.Error:
        return False


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    if town._run.poll() is None:
        town.end()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_story_goes_on_whichever_process_is_killed_and_a_second_run_keeps_the_accounts(town: Town) -> None:
    jane = town.phone(JANE).dials().types("1", "1", "Jane Mwangi", PIN)
    town.kill("gunicorn", "--bind")  # one web worker: the other goes on with the call
    town.until(lambda: jane.types(PIN).page if jane.goes_on else jane.again().page)
    assert "Welcome, Jane" in jane.page

    town.kill("flask", "worker")
    town.dials(JANE).chooses("Deposit").types("1,000").hears_goodbye()
    prompt = town.until(town.prompts)[0]
    town.kill("gunicorn", "--bind")
    town.control("/control/mpesa/accept", id=prompt["id"])
    town.until(lambda: "PAID: KES 1,000" in town.dials(JANE).page or None, 90)

    town.kill("integrations.simulators")
    sending = town.dials(JANE).chooses("Send money").types(FRIEND, "500").sees("Enter PIN")
    town.kill("flask", "worker")
    sending.types(PIN).sees("Sent KES 500", "Balance KES 495")
    town.until(lambda: town.control("/control/health"))
    assert "The books are right." in town.books()

    town.end()
    town.start()
    friend = town.dials(FRIEND).types("1", "1", "John Otieno", PIN, PIN).sees("Balance KES 500")
    assert friend.page.startswith("END ")
    town.dials(JANE).chooses("Balance and statement").types(PIN).sees("Balance KES 495", "+1,000 M-Pesa")
    assert "The books are right." in town.books()
    town.end()
