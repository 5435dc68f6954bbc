"""What is compared in a reconciliation, as values: our rows, a period of a rail's statement, and what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.domain.money import Money
from integrations.protocols import StatementLine

#: How far the rail's clock may be from ours.
_SKEW = timedelta(minutes=5)


class Kind(StrEnum):
    MISSING_HERE = "missing_here"  # the rail moved money that we have not booked
    MISSING_THERE = "missing_there"  # we booked what the rail does not have
    AMOUNT_DIFFERS = "amount_differs"
    UNKNOWN_PAYMENT = "unknown_payment"  # open here, paid there
    UNKNOWN_PAYOUT = "unknown_payout"  # open here, paid there or not there at all
    PAID_TWICE = "paid_twice"
    FLOAT_DIFFERS = "float_differs"


class Action(StrEnum):
    """What to do about a difference."""

    APPLY_TO_PAYMENT = "apply_to_payment"
    BOOK_IN_SUSPENSE = "book_in_suspense"
    PAYOUT_IS_PAID = "payout_is_paid"
    PAYOUT_IS_ABSENT = "payout_is_absent"
    FIND_SENDER = "find_sender"
    ASK_RAIL = "ask_rail"
    COMPARE = "compare"
    RECOVER = "recover"
    FIND_GAP = "find_gap"


@dataclass(frozen=True, slots=True)
class Period:
    """Of ``[since, until)`` what happened before ``settled_until`` is judged."""

    since: datetime
    until: datetime
    settled_until: datetime

    def judges(self, at: datetime) -> bool:
        return self.since <= at < self.settled_until

    def holds(self, first: datetime, last: datetime) -> bool:
        """Whether all the time in which something may have happened lies in it."""
        return self.since <= first - _SKEW and last + _SKEW < self.settled_until


@dataclass(frozen=True, slots=True)
class Booked:
    """A movement at the rail that we have booked; ``amount`` is negative when it went out.

    ``names`` are our ids that the rail may have printed; the first is what people quote. The rail moved it at some
    time from ``began_at`` to ``booked_at``.
    """

    receipt: str | None
    amount: Money
    names: tuple[str, ...]
    began_at: datetime
    booked_at: datetime
    payment_id: int | None = None
    payout_id: int | None = None


@dataclass(frozen=True, slots=True)
class OurPayment:
    """A payment that a line may name. ``received`` is what came for it, ``None`` while nothing did."""

    id: int
    reference: str
    is_open: bool
    amount: Money
    received: Money | None
    receipt: str | None


@dataclass(frozen=True, slots=True)
class OurPayout:
    """A payout that a line may name. The rail was called first at ``first_at`` and last at ``called_at``."""

    id: int
    reference: str
    names: tuple[str, ...]
    state: str
    amount: Money
    receipt: str | None
    first_at: datetime
    called_at: datetime

    @property
    def is_waiting(self) -> bool:
        """The rail was called, and nobody knows yet."""
        return self.state in ("submitted", "unknown")


@dataclass(frozen=True, slots=True)
class Ours:
    """What we know about a period and about what its lines name; payments and payouts by each of their ids."""

    booked: Sequence[Booked] = ()
    payments: Mapping[str, OurPayment] = field(default_factory=dict)
    payouts: Mapping[str, OurPayout] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference, as it is seen now."""

    kind: Kind
    subject: str
    action: Action
    at: datetime
    ours: Money | None = None
    theirs: Money | None = None
    payment_id: int | None = None
    payout_id: int | None = None
    named: str | None = None


@dataclass(slots=True)
class Compared:
    """``completions`` are receipts of payments that a query had confirmed without one: payment id and its line.

    ``judged`` are the subjects of our own side that were looked for in the statement.
    """

    findings: list[Finding] = field(default_factory=list)
    completions: list[tuple[int, StatementLine]] = field(default_factory=list)
    payout_completions: list[tuple[int, StatementLine]] = field(default_factory=list)
    judged: set[str] = field(default_factory=set)
