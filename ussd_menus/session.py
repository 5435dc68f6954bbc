"""What one caller has told us so far: frozen, plain JSON, no secrets and no full phone numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.domain.money import Money

Fact = str | int | bool


@dataclass(frozen=True, slots=True)
class Caller:
    """The account somebody is using, as it was when they dialled or signed in."""

    number: str
    name: str
    language: str
    frozen: bool = False
    has_pin: bool = True

    @property
    def first_name(self) -> str:
        return self.name.split()[0]


@dataclass(frozen=True, slots=True)
class Session:
    """Where a caller is and what is known. Every change makes a new one.

    ``draft`` is an earlier session of this phone, dropped in the middle, that may be gone on with.
    """

    screen: str
    language: str = "en"
    caller: Caller | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    page: int = 0
    draft: Mapping[str, Any] | None = None

    def go(self, screen: str, **facts: Fact) -> Session:
        """Move to another screen, remembering ``facts``."""
        return replace(self, screen=screen, page=0, facts={**self.facts, **facts} if facts else self.facts)

    def forget(self) -> Session:
        """Drop what was said for one errand, before another begins."""
        return replace(self, facts={}, page=0)

    def text(self, name: str) -> str:
        return str(self.facts[name])

    def money(self, name: str) -> Money:
        """A fact ``<name>`` kept in minor units of shillings."""
        return Money(int(self.facts[name]))

    def to_json(self) -> dict[str, Any]:
        caller = self.caller
        return {
            "s": self.screen,
            "l": self.language,
            "c": caller and [caller.number, caller.name, caller.language, caller.frozen, caller.has_pin],
            "f": dict(self.facts),
            "p": self.page,
            "d": self.draft,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Session:
        """Raises ``KeyError`` or ``TypeError`` for what ``to_json`` did not make."""
        caller = Caller(*value["c"]) if value["c"] else None
        return cls(value["s"], value["l"], caller, value["f"], value["p"], value["d"])

    @classmethod
    def or_none(cls, value: Mapping[str, Any]) -> Session | None:
        """The session, or ``None`` when an older or newer version of the menus wrote it."""
        try:
            return cls.from_json(value)
        except (KeyError, TypeError, AttributeError):
            return None
