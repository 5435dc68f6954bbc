"""What operators count: what waits and since when, what became of payments and payouts, what lies in between.

Every query runs on an index that holds only what is looked for, so that counting every minute costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from gateway.db import Database
from gateway.domain.errors import AccountNotFound
from gateway.domain.money import MINOR_UNITS, Money
from gateway.services.ledger import Ledger
from gateway.services.ledger_entries import at_rail
from gateway.services.payment_desk import cursor_of

#: A forged body stays unmatched for ever; one that is older than this is nobody's news.
_INBOX_NEWS = timedelta(hours=24)

_WAITING = text("""
    SELECT 'payment' AS what, rail, count(*), min(created_at) AS oldest FROM payments
    WHERE state IN ('requested', 'prompted', 'unknown') AND way = 'prompt' GROUP BY rail
    UNION ALL SELECT 'payout', rail, count(*), min(created_at) FROM payouts
    WHERE state IN ('held', 'submitted', 'unknown') GROUP BY rail
    UNION ALL SELECT 'unknown_payout', rail, count(*), min(created_at) FROM payouts
    WHERE state IN ('held', 'submitted', 'unknown') AND state = 'unknown' GROUP BY rail
    UNION ALL SELECT 'suspense', rail, count(*), min(created_at) FROM (
        SELECT rail, created_at FROM arrivals WHERE state = 'suspended'
        UNION ALL SELECT rail, resolved_at FROM payments WHERE waiting_minor > 0) s GROUP BY rail
    UNION ALL SELECT 'payment_review', rail, count(*), min(created_at) FROM payments WHERE needs_review GROUP BY rail
    UNION ALL SELECT 'payout_review', rail, count(*), min(created_at) FROM payouts WHERE needs_review GROUP BY rail
    UNION ALL SELECT 'difference', rail, count(*), min(first_seen_at) FROM differences
    WHERE state = 'open' GROUP BY rail
    UNION ALL SELECT 'rail_down', name, 1, down_since FROM rails WHERE down_since IS NOT NULL
    UNION ALL SELECT 'stop', name, 1, created_at FROM stops
    UNION ALL SELECT 'sms', '', count(*), min(created_at) FROM messages
    WHERE state IN ('queued', 'sending') HAVING count(*) > 0
    UNION ALL SELECT 'callback', split_part(source, '.', 1), count(*), min(received_at) FROM inbox
    WHERE state IN ('received', 'unmatched') AND received_at > :news GROUP BY 2
""")
_TALLIES = text("""
    SELECT 'payments' AS kind, rail, state, currency, count(*), sum(amount_minor)::bigint AS minor FROM payments
    WHERE created_at >= :since GROUP BY 2, 3, 4
    UNION ALL SELECT 'payouts', rail, state, currency, count(*), sum(amount_minor)::bigint FROM payouts
    WHERE created_at >= :since GROUP BY 2, 3, 4 ORDER BY 1, 2, 3, 4
""")
#: What the payer decided, or the payer's purse, is no failure of ours or of the rail.
_ENDED = text("""
    SELECT 'payments' AS kind, rail, count(*) AS ended, count(*) FILTER (WHERE state IN ('failed', 'expired')
           AND coalesce(reason, '') NOT IN ('cancelled', 'no_money', 'wrong_pin', 'short')) AS failed
    FROM payments WHERE created_at >= :since AND resolved_at IS NOT NULL GROUP BY rail
    UNION ALL SELECT 'payouts', rail, count(*), count(*) FILTER (WHERE state = 'returned')
    FROM payouts WHERE created_at >= :since AND resolved_at IS NOT NULL GROUP BY rail
""")


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many of one kind wait at a rail, and since when the oldest does."""

    what: str
    rail: str
    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """Payments or payouts of one rail in one state: how many, and for how much."""

    kind: str
    rail: str
    state: str
    count: int
    total: Money


@dataclass(frozen=True, slots=True)
class Ended:
    """Of what was begun lately, how much has ended and how much of that failed."""

    kind: str
    rail: str
    ended: int
    failed: int

    @property
    def percent(self) -> int:
        return 100 * self.failed // self.ended if self.ended else 0


class Figures:
    """Counts. Holds nothing."""

    def __init__(self, db: Database, ledger: Ledger, rails: Iterable[str]) -> None:
        self._db = db
        self._ledger = ledger
        self.rails = tuple(rails)

    def waiting(self, now: datetime) -> list[Waiting]:
        with self._db.reading() as connection:
            rows = connection.execute(_WAITING, {"news": now - _INBOX_NEWS}).all()
        return [Waiting(what, rail, count, oldest or now) for what, rail, count, oldest in rows]

    def tallies(self, since: datetime) -> list[Tally]:
        """By kind, rail and state, of what was begun since then."""
        with self._db.reading() as connection:
            rows = connection.execute(_TALLIES, {"since": since}).all()
        return [Tally(kind, rail, state, count, Money(minor, cur)) for kind, rail, state, cur, count, minor in rows]

    def ended(self, since: datetime) -> list[Ended]:
        with self._db.reading() as connection:
            return [Ended(*row) for row in connection.execute(_ENDED, {"since": since}).all()]

    def between(self) -> Mapping[str, Money]:
        """What lies in suspense and in clearing, by ledger account."""
        held: dict[str, Money] = {}
        with self._db.transaction() as session:
            for code in self._accounts():
                try:
                    held[code] = self._ledger.balance(cursor_of(session), code)
                except AccountNotFound:
                    continue
        return held

    def _accounts(self) -> Iterable[str]:
        currencies = [currency for currency in MINOR_UNITS if currency != "credits"]
        kinds = ("suspense", "clearing")
        return (at_rail(kind, rail, currency) for kind in kinds for rail in self.rails for currency in currencies)
