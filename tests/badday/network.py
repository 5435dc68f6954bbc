"""The mobile network: hops over HTTP to a web that may be gone at any moment."""

from __future__ import annotations

import time
import urllib.error
import urllib.request

from tests.badday.tally import Tally

#: A network waits about so long for a hop.
_PATIENCE_SECONDS = 12
_GONE_SECONDS = 20


class NoConnection(Exception):
    """The call broke off: what the caller sees is *connection problem*."""


class Network:
    """What ``tests.phone.Phone`` talks to."""

    def __init__(self, url: str, tally: Tally) -> None:
        self._url = url
        self._tally = tally

    def post(self, path: str, body: str, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        """One hop; raises ``NoConnection``."""
        asked = urllib.request.Request(self._url + path, body.encode(), headers)
        try:
            with urllib.request.urlopen(asked, timeout=_PATIENCE_SECONDS) as answer:
                self._tally.note("done", "hops")
                return answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as refused:
            self._tally.note("wrong", f"the web answered {refused.code}")
            raise NoConnection from None
        except (OSError, EOFError, ValueError) as broken:
            self._tally.note("injected", "a hop without an answer")
            raise NoConnection from broken

    def wait(self) -> None:
        """Until somebody listens again, or the caller has had enough."""
        until = time.monotonic() + _GONE_SECONDS
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"{self._url}/health", timeout=2).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.2)
