"""The servers under the gateway: those that are configured are used, those that are not are our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.laptop.children import Child
from gateway.laptop.embedded import EmbeddedPostgres, EmbeddedRedis


class Servers:
    """PostgreSQL and Redis of one run."""

    def __init__(self, data: Path) -> None:
        self._postgres = EmbeddedPostgres(data / "postgresql")
        self._redis = EmbeddedRedis(data / "redis")

    def start(self, env: Mapping[str, str]) -> dict[str, str]:
        """Start what ``env`` does not name; returns the addresses to add to it. Raises ``CannotStart``."""
        addresses: dict[str, str] = {}
        if not env.get("DATABASE_URL"):
            addresses["DATABASE_URL"] = self._postgres.start()
        if not env.get("REDIS_URL"):
            addresses["REDIS_URL"] = self._redis.start()
        return addresses

    def revive(self, say: Callable[[str], object]) -> None:
        """Start again, on the same address, what died; the gateway says "try later" meanwhile and comes back."""
        for child in self._children():
            if not child.running:
                say(f"{child.name} ended (exit code {child.exit_code}); starting it again.")
                child.start()

    def end(self) -> None:
        self._redis.stop()
        self._postgres.stop()

    def _children(self) -> list[Child]:
        return [child for child in (self._postgres.child, self._redis.child) if child is not None]
