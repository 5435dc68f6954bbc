"""How much an account may send: per transfer and per day, by its tier, less for a day after a changed PIN."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.domain.clock import Clock
from gateway.domain.errors import AmountTooLarge, AmountTooSmall
from gateway.domain.money import Money
from gateway.services.ledger import Cap
from gateway.settings import Settings

#: A thief who got hold of the PIN changes it first: a changed one sends little for a day.
COOLING = timedelta(hours=24)
_DAY = ZoneInfo("Africa/Nairobi")


@dataclass(frozen=True, slots=True)
class Standing:
    """What limits depend on. ``pin_changed_at`` (aware UTC) is null while the PIN is the account's first."""

    tier: str
    pin_changed_at: datetime | None = None


class Limits:
    """The limits of the settings, in money."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._least = Money.major(settings.least_transfer)
        self._per_transfer = {tier: Money.major(most) for tier, most in settings.limit_per_transfer.items()}
        self._per_day = {tier: Money.major(most) for tier, most in settings.limit_per_day.items()}
        self._claims_per_day = settings.most_claims_per_day
        self._clock = clock

    def tier(self, standing: Standing) -> str:
        """The tier whose limits hold now."""
        changed = standing.pin_changed_at
        return "cooling" if changed is not None and self._clock() - changed < COOLING else standing.tier

    def check(self, standing: Standing, amount: Money) -> None:
        """Raises ``AmountTooSmall`` or ``AmountTooLarge``, each with the limit."""
        if amount < self._least:
            raise AmountTooSmall(self._least)
        if amount > self.most(standing):
            raise AmountTooLarge(self.most(standing))

    def most(self, standing: Standing) -> Money:
        """What may leave at once."""
        return self._per_transfer[self.tier(standing)]

    def day_cap(self, standing: Standing, account: str, amount: Money) -> Cap:
        """What ``amount`` leaving the ledger account ``account`` counts against: the calendar day in Nairobi."""
        return Cap(account, "day", self._today(), amount.minor, self._per_day[self.tier(standing)].minor)

    def claims_cap(self, account: str) -> Cap:
        """What one more sending to a number without an account counts against, on the same day."""
        return Cap(account, "claims", self._today(), 1, self._claims_per_day)

    def _today(self) -> str:
        return self._clock().astimezone(_DAY).date().isoformat()
