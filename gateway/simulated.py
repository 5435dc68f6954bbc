"""Talking to the simulated world, for the phone in the browser and the one in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.http import Http, NoAnswer, NotSent, Patience

SAFARICOM = "63902"
#: The network waits ten seconds for a hop, after a delay that may be asked for; answers come after both.
MOST_DELAY_SECONDS = 15
_PATIENCE = Patience(timeout_seconds=MOST_DELAY_SECONDS + 15)
_WRONG_CODE = "Connection problem or invalid MMI code."


class SimulatorsAway(Exception):
    """Nobody answers at the simulators' address."""


class ControlRefused(Exception):
    """The simulators, or the network they play, do not do that; the message says why."""


class SimulatedWorld:
    """The control API of ``integrations.simulators`` at ``url``; every call raises ``SimulatorsAway`` in silence.

    ``rail`` is the one whose prompts come to the phones: ``prompt/accept`` and the like are its controls.
    """

    def __init__(self, url: str, rail: str = "mpesa") -> None:
        self._http = Http("simulators", url, _PATIENCE)
        self._rail = rail

    def ask(self, path: str, **query: str) -> dict[str, Any]:
        """``GET``; raises ``ControlRefused``."""
        return self._call("GET", path, params=query)

    def do(self, path: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """``POST``, once; raises ``ControlRefused``."""
        part, slash, control = path.partition("/")
        return self._call("POST", f"{self._rail if part == 'prompt' else part}{slash}{control}", json=dict(fields))

    def dial(self, phone: str, dialled: str, service_code: str, network_code: str = SAFARICOM) -> dict[str, Any]:
        """Dial what was typed: the service's code, or a longer one that answers the first screens by itself."""
        fields = {"phone": phone, "service_code": service_code, "network_code": network_code or SAFARICOM}
        return self.do("at/dial", fields | {"text": beyond(dialled, service_code)})

    def news(self, phone: str) -> dict[str, Any]:
        """What waits on a phone: ``messages`` (oldest first), M-Pesa ``prompts`` and ``balance`` in shillings."""
        return self.ask("at/inbox", phone=phone) | self.ask(f"{self._rail}/prompts", phone=phone)

    def _call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            answer = self._http.send(method, f"/control/{path}", **request)
        except (NoAnswer, NotSent) as silence:
            raise SimulatorsAway("The simulators do not answer. Is the simulators' process running?") from silence
        if not answer.ok:
            raise ControlRefused(str(answer.fields.get("error", f"The simulators answered {answer.status}.")))
        return dict(answer.fields)


def beyond(dialled: str, service_code: str) -> str:
    """What a long code adds: ``1*2`` of ``*384*123*1*2#``. Raises ``ControlRefused`` for another service's code."""
    typed, own = dialled.replace(" ", "").removesuffix("#"), service_code.removesuffix("#")
    if typed == own:
        return ""
    if not typed.startswith(own + "*"):
        raise ControlRefused(_WRONG_CODE)
    return typed[len(own) + 1 :]
