"""A process with everything imported that has a child for every order: the child lives one scene and may die in it.

``python -m tests.resilience.crash.nursery`` reads orders as JSON lines and answers each with a line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from base64 import b64decode
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import urlopen

from flask import Flask
from sqlalchemy.orm import configure_mappers
from werkzeug.test import Client

from gateway.app import create_app
from gateway.environment import TOP
from gateway.observability import configure_logging
from gateway.parts import Parts
from gateway.settings import Settings
from tests.phone import OverWsgi, Phone
from tests.resilience.crash.points import Points
from tests.resilience.crash.scenes import SCENES
from tests.resilience.hands import Hands

Json = dict[str, Any]


@dataclass(frozen=True)
class Fate:
    """What became of a child. ``points`` it has passed; ``at`` is where it died, empty when it did not.

    ``undecided`` are its points since it last committed.
    """

    points: int
    at: str
    undecided: list[str]
    trouble: str
    pid: int


class Nursery:
    """The parent's side."""

    def __init__(self, settings: Settings, office_url: str) -> None:
        self._told = {"settings": settings.model_dump(mode="json"), "office": office_url}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.resilience.crash.nursery"],
            cwd=TOP,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def live(self, scene: str, facts: Json, fatal: int) -> Fate:
        """A child lives ``scene`` and dies at its point ``fatal``; 0 lets it live to the end."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({**self._told, "scene": scene, "facts": facts, "fatal": fatal}) + "\n")
        self._process.stdin.flush()
        return Fate(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate()


class Moving:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Live:
    """The child's side: a whole gateway, and the ways a scene acts on it. Everything it does is counted."""

    def __init__(self, app: Flask, clock: Moving, office: str, points: Points) -> None:
        self._clock = clock
        self._office = office
        self.points = points
        self.page = ""
        self.app = app
        self.parts: Parts = app.extensions["mlango"]
        self.hands = Hands(self.parts, clock, points.reach)
        points.watch_database(self.parts.db.engine)
        points.watch_requests()

    def hop(self, facts: Json) -> str:
        """The caller's next answer, in a call that others have begun."""
        phone = Phone(OverWsgi(self.app), facts["phone"])
        phone.session, phone.text, phone.page = facts["session"], facts["text"], "CON "
        self.page = phone.types(facts["typed"]).page
        return self.page

    def later(self, seconds: float) -> None:
        self._clock.ahead += timedelta(seconds=seconds)

    def hears(self) -> None:
        """The rail calls back about what was asked of it."""
        with urlopen(f"{self._office}/next", timeout=10) as answer:
            letter = json.loads(answer.read())
        assert letter, f"nobody called back: {self.page!r}, {self.points.passed}"
        said = Client(self.app).post(letter["path"], data=b64decode(letter["body"]), content_type=letter["kind"])
        assert said.status_code == 200


def _child(app: Flask, clock: Moving, order: Json, words: int) -> None:
    """Never returns."""
    points = Points(order["fatal"], lambda where: _say(words, points, at=where))
    try:
        live = Live(app, clock, order["office"], points)
        points.arm()
        SCENES[order["scene"]].live(live, order["facts"])
        _say(words, points, trouble="; ".join(live.hands.failed))
    except BaseException:  # noqa: BLE001 - told to the parent, which fails with it
        _say(words, points, trouble=traceback.format_exc())
    os._exit(0)


def _say(words: int, points: Points, at: str = "", trouble: str = "") -> None:
    fate = Fate(len(points.passed), at, points.undecided, trouble[-4000:], os.getpid())
    os.write(words, json.dumps(asdict(fate)).encode())


def main() -> None:
    configure_logging(level="ERROR")  # and to stderr: what is said on stdout is said to the parent
    clock, app = Moving(), None
    for line in sys.stdin:
        order = json.loads(line)
        app = app or _gateway(order, clock)
        heard, words = os.pipe()
        child = os.fork()
        if child == 0:
            _child(app, clock, order, words)
        os.close(words)
        with os.fdopen(heard, "rb") as told:
            said = told.read()
        os.waitpid(child, 0)
        sys.stdout.write((said.decode() or "{}") + "\n")
        sys.stdout.flush()


def _gateway(order: Json, clock: Moving) -> Flask:
    """A gateway that is built and has touched nothing: no connection and no thread of its own, so it can be forked."""
    configure_mappers()
    app = create_app(Settings(**order["settings"]), clock=clock)
    app.extensions["mlango"].db.close()
    return app


if __name__ == "__main__":
    main()
