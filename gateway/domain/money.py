"""Money is an integer number of minor units with a currency, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

#: Minor units in one major unit, by ISO 4217 code. Only listed currencies exist here.
#: ``credits`` are prepaid units of our own: no money, but counted in the same books.
MINOR_UNITS = {"KES": 100, "NGN": 100, "credits": 1}


class CurrencyMismatch(TypeError):
    """Two currencies met in one sum; that is a bug in the caller, never a user's mistake."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount of one currency in minor units: ``Money(150_000, "KES")`` is KES 1,500."""

    minor: int
    currency: str = "KES"

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError("money is counted in whole minor units")
        if self.currency not in MINOR_UNITS:
            raise ValueError(f"unknown currency {self.currency!r}")

    @classmethod
    def major(cls, units: int, currency: str = "KES") -> Money:
        """Whole shillings (or other major units) as money."""
        return cls(units * MINOR_UNITS[currency], currency)

    @property
    def is_whole(self) -> bool:
        """Whether there are no cents: M-Pesa moves whole shillings only."""
        return self.minor % MINOR_UNITS[self.currency] == 0

    @property
    def whole_units(self) -> int:
        """Major units of a whole amount; raises ``ValueError`` when there are cents."""
        if not self.is_whole:
            raise ValueError(f"{self} is not a whole amount")
        return self.minor // MINOR_UNITS[self.currency]

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other)

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency}")
        return other.minor

    def __str__(self) -> str:
        """As people read it: ``KES 1,500``, ``KES 1,500.50``, ``KES -5``, ``25 credits``."""
        if MINOR_UNITS[self.currency] == 1:
            return f"{self.minor:,} {self.currency}"
        sign = "-" if self.minor < 0 else ""
        units, cents = divmod(abs(self.minor), MINOR_UNITS[self.currency])
        tail = f".{cents:02d}" if cents else ""
        return f"{self.currency} {sign}{units:,}{tail}"
