"""What the simulated PayHero was asked to do, and how it behaves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from integrations.payhero.ledger import OPENING_BALANCE, Receipt
from integrations.payhero.magic import Fate, Play

V2 = "v2"
OLDER = "older"


@dataclass(slots=True)
class Options:
    """How the simulated PayHero behaves; times in seconds.

    ``contract`` is the form of all callbacks: ``v2``, ``older``, or empty for the contract of the request.
    """

    auto_accept: bool = False
    prompt_seconds: float = 60.0
    answer_seconds: float = 1.0
    payout_seconds: float = 1.0
    hang_seconds: float = 32.0
    opening_balance: int = OPENING_BALANCE
    contract: str = ""


@dataclass(slots=True)
class Prompt:
    """One request to pay. ``code`` is its result once there is one, ``told_by`` the contract of its callbacks."""

    checkout_id: str
    merchant_id: str
    payhero_reference: str
    transaction_id: str
    contract: str
    told_by: str
    phone: str
    amount: int
    reference: str
    callback_url: str
    shown_at: datetime
    play: Play | None
    code: str | None = None
    receipt: Receipt | None = None

    @property
    def description(self) -> str:
        """PayHero shows none on the phone."""
        return ""

    @property
    def status(self) -> str:
        return _status(self.code)


@dataclass(slots=True)
class Withdrawal:
    """One withdrawal. ``code`` is its result once there is one."""

    payhero_reference: str
    checkout_id: str
    phone: str
    amount: int
    reference: str
    callback_url: str
    sent_at: datetime
    fate: Fate
    code: str | None = None
    receipt: Receipt | None = None

    @property
    def status(self) -> str:
        return _status(self.code)


def _status(code: str | None) -> str:
    """As transaction-status calls it."""
    return "QUEUED" if code is None else "SUCCESS" if code == "0" else "FAILED"
