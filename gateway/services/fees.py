"""What sending costs: a table of steps from the settings."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from gateway.domain.money import Money


class Fees:
    """``table``: up to this amount (major units) -> the fee (major units). Above the last step its fee stays."""

    def __init__(self, table: Mapping[int, int], currency: str = "KES") -> None:
        steps = sorted(table.items())
        self._up_to = [Money.major(up_to, currency).minor for up_to, _ in steps]
        self._fees = [Money.major(fee, currency) for _, fee in steps]
        self._free = Money(0, currency)

    def of(self, amount: Money) -> Money:
        """The fee for sending ``amount``."""
        if not self._fees:
            return self._free
        return self._fees[min(bisect_left(self._up_to, amount.minor), len(self._fees) - 1)]
