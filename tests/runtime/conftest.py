"""A copy of the house with a small stand-in for the application: what runs is tested without what it is for."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gateway.laptop.children import port_is_free

TOP = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent / "house"
_PLAIN = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


def quiet_port() -> int:
    """A free port the kernel gives to nobody by itself: it is used only seconds later."""
    return next(port for port in iter(lambda: random.randint(20_000, 32_000), 0) if port_is_free(port))


class House:
    """A folder with the gateway in it, where things can be started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = quiet_port()

    def env(self, **more: str) -> dict[str, str]:
        return {**_PLAIN, "PORT": str(self.port), "WEB_CONCURRENCY": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}

    def start(self, **more: str) -> Run:
        """``make run``, without make."""
        return Run(self, self._popen("-m", "gateway.laptop.supervisor", **more))

    def once(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A Python command that ends by itself."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.env(**more),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _popen(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        output = (self.folder / "output").open("a")
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.env(**more),
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )

    def get(self, path: str) -> tuple[int, str]:
        """Status (0: nobody answered) and text."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    @property
    def said(self) -> str:
        return (self.folder / "output").read_text()


class Run:
    """One run of the supervisor."""

    def __init__(self, house: House, process: subprocess.Popen[str]) -> None:
        self.house = house
        self.process = process

    def until(self, true: Callable[[], bool], what: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"not {what} after {seconds} s: {self.house.said}"
            time.sleep(0.1)

    def until_up(self) -> Run:
        self.until(lambda: "is up" in self.house.said or self.process.poll() is not None, "up")
        assert self.process.poll() is None, self.house.said
        return self

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, *words: str) -> psutil.Process | None:
        """The direct child with these words in its command line, if it is there."""
        direct = psutil.Process(self.process.pid).children()
        return next((each for each in direct if all(word in " ".join(_command(each)) for word in words)), None)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """The exit code, after the signal."""
        self.process.send_signal(how)
        return self.process.wait(40)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    folder = tmp_path / "house"
    for package in ("gateway", "integrations", "ussd_menus", "migrations"):
        shutil.copytree(TOP / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("schema.sql", "wsgi.py", "gunicorn.conf.py"):
        shutil.copy(TOP / file, folder / file)
    shutil.copy(HERE / "app.txt", folder / "gateway" / "app.py")
    shutil.copy(HERE / "simulators.txt", folder / "integrations" / "simulators.py")
    yield House(folder)
    for process in psutil.process_iter(["cwd"]):
        # none is left when the tests pass; when one fails, nothing of it stays behind
        if str(process.info["cwd"]).startswith(str(folder)):
            process.kill()
