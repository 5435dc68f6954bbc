"""What a rail's folder hands in: how the rail is built, and its stand-in. The registry has one line for each.

A folder's ``__init__`` says ``KIND = Kind("name", build, Simulator)``. See ``docs/adding-a-rail.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.domain.clock import Clock, utc_now
from integrations.http import Observer
from integrations.protocols import Rail
from integrations.simulation import Gateway, Handler, Later

#: The credential of everything that is simulated: the stand-ins accept it, the providers do not.
SIMULATED = "simulated"


class BadRail(Exception):
    """A rail's settings make no working rail. The message is one sentence by the setting's environment name."""


class TokenCache(Protocol):
    """Where access tokens are shared between workers. Must not raise when the store is away: ``get`` gives ``None``."""

    def get(self, key: str) -> str | None: ...

    def set(self, key: str, token: str, seconds: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What every rail is built with. Without ``tokens`` a rail keeps its own in memory."""

    clock: Clock = utc_now
    tokens: TokenCache | None = None
    observer: Observer | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """What every simulator is built with. ``environ`` has the gateway's settings by their environment names."""

    later: Later
    gateway: Gateway
    clock: Clock = utc_now
    options: Any = None
    environ: Mapping[str, str] = field(default_factory=dict)


class Simulator(Protocol):
    """A stand-in. ``routes`` are the provider's own addresses, ``controls`` those that drive it.

    Among the controls is ``GET /statement``, see ``integrations.statements``. ``magic`` lists the numbers (or cards)
    with a fate of their own: ``name``, ``phone`` (or ``card``) and ``meaning``.
    """

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]: ...
    @property
    def controls(self) -> Mapping[tuple[str, str], Handler]: ...

    def magic(self) -> list[dict[str, str]]: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """One rail's folder. ``build`` takes the settings and the simulator's address, empty for the provider's own."""

    name: str
    build: Callable[[Any, str, Tools], Rail]
    simulator: Callable[[Bench], Simulator]
