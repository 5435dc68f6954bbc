"""A rail's statement of a period, as it is compared: read from the rail itself, or from a file an operator brings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.domain.money import Money
from gateway.services.reconciliation_values import Period
from integrations.protocols import KeepsStatement, StatementLine

#: What happened so recently may still be on its way to the other side.
SETTLING = timedelta(minutes=15)
_BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Statement:
    """A rail's movements of a period. ``names_payouts``: our ids of payouts are printed in it.

    ``sums``: what all its lines of all times come to, in minor units by currency, when that is known.
    """

    lines: Sequence[StatementLine]
    period: Period
    names_payouts: bool
    sums: Mapping[str, int]


def from_rail(rail: KeepsStatement, since: datetime, until: datetime, now: datetime) -> Statement | None:
    """The rail's own statement, read whole, because its sum is what the rail holds; ``None`` when it does not say."""
    told = rail.statement(_BEGINNING, max(until, now))
    if told is None:
        return None
    lines = [line for line in told if since <= line.occurred_at < until]
    # The same line twice is one. A currency without lines holds nothing, and shillings are held everywhere.
    sums = {"KES": 0} | by_currency(line.amount for line in set(told) if line.done)
    return Statement(lines, _period(since, until, now), names_payouts=True, sums=sums)


def from_file(
    lines: Sequence[StatementLine], since: datetime | None, until: datetime | None, now: datetime
) -> Statement | None:
    """A file tells of the time between its first and its last line, and does not print our ids of payouts."""
    if not lines:
        return None
    since = since or min(line.occurred_at for line in lines)
    until = until or max(line.occurred_at for line in lines) + timedelta(seconds=1)
    inside = [line for line in lines if since <= line.occurred_at < until]
    return Statement(inside, _period(since, until, now), names_payouts=False, sums={})


def nothing_told(now: datetime) -> Statement:
    """No statement: an empty period judges nothing."""
    return Statement((), Period(now, now, now), names_payouts=False, sums={})


def by_currency(amounts: Iterable[Money]) -> dict[str, int]:
    """Minor units."""
    sums: dict[str, int] = {}
    for amount in amounts:
        sums[amount.currency] = sums.get(amount.currency, 0) + amount.minor
    return sums


def _period(since: datetime, until: datetime, now: datetime) -> Period:
    return Period(since, until, min(until, now - SETTLING))
