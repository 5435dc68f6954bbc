"""How the simulated M-Pesa behaves; all but ``fate`` may be changed while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

OPENING_BALANCE = 10_000
ORGANISATION_BALANCE = 100_000

#: Chooses what happens to one request: an event's name in, the name of a fate out, ``None`` for an ordinary one.
#: Events: ``push`` (fates are the names in ``magic.Magic``), ``payout``, ``reversal``, ``status``, ``balance`` and
#: ``arrival`` (fates are the names in ``payees.Payee``; for all but a payout only how the request is answered, queued
#: and told counts). A repeated request draws again. A number with a fate of its own keeps that. Called by many threads.
Fate = Callable[[str], str | None]


@dataclass(slots=True)
class Options:
    """Times are in seconds, balances in shillings. ``organisation_balance`` is what the Utility account opened with."""

    auto_accept: bool = False
    prompt_seconds: float = 60.0
    answer_seconds: float = 1.0
    late_seconds: float = 5.0
    hang_seconds: float = 12.0
    opening_balance: int = OPENING_BALANCE
    organisation_balance: int = ORGANISATION_BALANCE
    validates: bool = True
    register_once: bool = False
    stk_also_confirms: bool = False
    fate: Fate | None = None
