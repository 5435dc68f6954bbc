"""Every state a piece of money can be in, and every move between them, as tables on one page.

A payment is money coming in from a rail. ``unknown`` means that we did not hear: it is committed before the rail is
called (so that a crash cannot lead to a second prompt), and again when nobody answers our questions. ``failed`` and
``expired`` are final for everything except money itself: when the rail shows later that the payer did pay, the money
wins, because it is really there.

A payout is money going out by a rail. Before a call it is ``held``; that the rail is being called is committed as
``unknown``, and ``unknown`` it stays until somebody knows. Only a definite failure leads back to ``held`` (a new
attempt under a new id) or to ``returned``. An arrival is money that came without being asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class IllegalMove(Exception):
    """A state was asked to become one that the table does not allow; that is a bug, never a user's mistake."""


class PaymentState(StrEnum):
    REQUESTED = "requested"
    PROMPTED = "prompted"
    UNKNOWN = "unknown"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    EXPIRED = "expired"
    REFUNDED = "refunded"


class PayoutState(StrEnum):
    HELD = "held"
    SUBMITTED = "submitted"
    UNKNOWN = "unknown"
    PAID = "paid"
    RETURNED = "returned"


class ArrivalState(StrEnum):
    ASKING = "asking"
    CREDITED = "credited"
    SUSPENDED = "suspended"
    DISBELIEVED = "disbelieved"
    RETURNED = "returned"


class ClaimState(StrEnum):
    WAITING = "waiting"
    CLAIMED = "claimed"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Machine:
    """A table of allowed moves. ``by_money`` lists those that only evidence of money may make."""

    name: str
    start: str
    moves: Mapping[str, frozenset[str]]
    by_money: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    @property
    def states(self) -> frozenset[str]:
        return frozenset(self.moves)

    def allows(self, source: str, target: str, *, money: bool = False) -> bool:
        """Whether ``source`` may become ``target``; ``money`` says that a rail or a person showed the money."""
        return target in self.moves[source] or (money and (source, target) in self.by_money)

    def check(self, source: str, target: str, *, money: bool = False) -> None:
        """Raises ``IllegalMove`` when the table does not allow it."""
        if not self.allows(source, target, money=money):
            raise IllegalMove(f"{self.name}: {source} cannot become {target}")

    def is_final(self, state: str) -> bool:
        """Nothing but evidence of money moves it on."""
        return not self.moves[state]

    def mermaid(self) -> str:
        """The machine as a Mermaid state diagram; moves by evidence of money are labelled."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield "stateDiagram-v2"
        yield f"    [*] --> {self.start}"
        for source, targets in self.moves.items():
            yield from (f"    {source} --> {target}" for target in sorted(targets))
            yield from (f"    {a} --> {b} : money came" for a, b in sorted(self.by_money) if a == source)
            if self.is_final(source) and not any(a == source for a, _ in self.by_money):
                yield f"    {source} --> [*]"


def _table(moves: Mapping[StrEnum, tuple[StrEnum, ...]]) -> Mapping[str, frozenset[str]]:
    return MappingProxyType({str(a): frozenset(map(str, bs)) for a, bs in moves.items()})


_P = PaymentState

PAYMENT = Machine(
    name="payment",
    start=_P.REQUESTED,
    moves=_table(
        {
            _P.REQUESTED: (_P.UNKNOWN, _P.FAILED, _P.EXPIRED),  # unknown: the rail is being called
            _P.UNKNOWN: (_P.PROMPTED, _P.REQUESTED, _P.CONFIRMED, _P.FAILED, _P.EXPIRED),
            _P.PROMPTED: (_P.CONFIRMED, _P.FAILED, _P.EXPIRED, _P.UNKNOWN),
            _P.CONFIRMED: (_P.REFUNDED,),
            _P.FAILED: (),
            _P.EXPIRED: (),
            _P.REFUNDED: (),
        }
    ),
    by_money=frozenset(
        {
            (str(_P.REQUESTED), str(_P.CONFIRMED)),  # the rail refused our call, we believed it, and the payer paid
            (str(_P.FAILED), str(_P.CONFIRMED)),
            (str(_P.EXPIRED), str(_P.CONFIRMED)),
        }
    ),
)

#: A second prompt is refused while one of these stands.
OPEN_PAYMENTS = frozenset({_P.REQUESTED, _P.PROMPTED, _P.UNKNOWN})

CLAIM = Machine(
    name="claim",
    start=ClaimState.WAITING,
    moves=_table(
        {
            ClaimState.WAITING: (ClaimState.CLAIMED, ClaimState.RETURNED),
            ClaimState.CLAIMED: (),
            ClaimState.RETURNED: (),
        }
    ),
)

_O = PayoutState

PAYOUT = Machine(
    name="payout",
    start=_O.HELD,
    moves=_table(
        {
            _O.HELD: (
                _O.UNKNOWN,
                _O.PAID,
                _O.RETURNED,
            ),  # unknown: being called; paid: an attempt called failed was not
            _O.UNKNOWN: (_O.SUBMITTED, _O.HELD, _O.PAID, _O.RETURNED),
            _O.SUBMITTED: (_O.UNKNOWN, _O.HELD, _O.PAID, _O.RETURNED),  # held: it failed for sure, and is tried anew
            _O.PAID: (),
            _O.RETURNED: (),
        }
    ),
)

#: Money of these is on its way: it is in ``clearing`` and in nobody's hand.
OPEN_PAYOUTS = frozenset({_O.HELD, _O.SUBMITTED, _O.UNKNOWN})

_A = ArrivalState

ARRIVAL = Machine(
    name="arrival",
    start=_A.ASKING,
    moves=_table(
        {
            _A.ASKING: (_A.CREDITED, _A.SUSPENDED, _A.DISBELIEVED),
            _A.SUSPENDED: (_A.CREDITED, _A.RETURNED),
            _A.DISBELIEVED: (),
            _A.CREDITED: (),
            _A.RETURNED: (),
        }
    ),
    by_money=frozenset(
        {
            (str(_A.DISBELIEVED), str(_A.CREDITED)),
            (str(_A.DISBELIEVED), str(_A.SUSPENDED)),
            (str(_A.RETURNED), str(_A.SUSPENDED)),  # the way back failed: it is here again
        }
    ),
)

MACHINES = (PAYMENT, PAYOUT, ARRIVAL, CLAIM)
