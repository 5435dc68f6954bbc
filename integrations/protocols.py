"""What we need of the outside world, one small protocol per need, and the three outcomes.

An outcome is **accepted, rejected or unknown**. Unknown means that we did not hear: it is asked
about later and never retried blindly. Adapters turn provider codes into these words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from gateway.domain.money import Money
from gateway.domain.phone import Phone


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PromptAnswer:
    """The rail's answer to a request to prompt a payer.

    ``provider_id`` is what later results carry (Daraja: CheckoutRequestID). ``retry_safe`` is true
    only when the answer proves that nothing was started (bad token, spike arrest, 400).
    """

    outcome: Outcome
    provider_id: str | None = None
    request_id: str | None = None
    code: str = ""
    reason: str = ""
    retry_safe: bool = False


class PaymentVerdict(StrEnum):
    PAID = "paid"
    FAILED = "failed"
    PENDING = "pending"
    NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class PaymentResult:
    """What a rail says of one payment: by callback (with receipt) or by query (without).

    ``reason`` is our word for a failure: ``cancelled``, ``no_money``, ``timeout``, ``wrong_pin``,
    ``limit``, ``busy``, ``config``, ``other``. ``amount`` and ``payer`` are ``None`` when not told.
    ``occurred_at`` is aware UTC.
    """

    verdict: PaymentVerdict
    provider_id: str | None = None
    request_id: str | None = None
    receipt: str | None = None
    amount: Money | None = None
    payer: Phone | None = None
    code: str = ""
    reason: str = ""
    occurred_at: datetime | None = None


class Collects(Protocol):
    """A rail that can ask a person's phone to pay us."""

    name: str

    def prompt(
        self, *, phone: Phone, amount: Money, reference: str, description: str, callback_url: str
    ) -> PromptAnswer:
        """Ask once. Never raises for provider trouble: that is ``Outcome.UNKNOWN`` or ``REJECTED``."""

    def ask(self, provider_id: str) -> PaymentResult:
        """What became of a prompt; ``NO_ANSWER`` when the rail does not say."""

    def read_callback(self, body: bytes) -> PaymentResult | None:
        """A raw callback in our words, or ``None`` when it is not a payment result of this rail."""


@dataclass(frozen=True, slots=True)
class SmsReceipt:
    """One recipient's row of a send. ``cost`` is what the provider charges, e.g. 0.8 of ``KES``."""

    outcome: Outcome
    provider_id: str | None = None
    code: int | None = None
    reason: str = ""
    retry: bool = False
    cost: Decimal | None = None
    cost_currency: str | None = None


class DeliveryStatus(StrEnum):
    ON_ITS_WAY = "on_its_way"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A provider's report on one SMS. ``final`` reports are never overwritten."""

    provider_id: str
    status: DeliveryStatus
    final: bool
    reason: str = ""


class SendsSms(Protocol):
    """A provider that delivers text messages."""

    name: str

    def send(self, text: str, phones: Sequence[Phone]) -> Mapping[Phone, SmsReceipt]:
        """Send one text; every phone has a row in the answer, whatever happened."""

    def read_report(self, form: Mapping[str, str]) -> DeliveryReport | None:
        """A delivery report in our words, or ``None`` when it is none."""


@dataclass(frozen=True, slots=True)
class Keypair:
    """A chain account: the public key in clear, the secret only to be encrypted at once."""

    public_key: str
    secret: str = field(repr=False)


class MakesKeypairs(Protocol):
    """A chain on which every account gets a wallet."""

    def new_keypair(self) -> Keypair: ...


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """How a session ended: ``Success``, ``Incomplete`` or ``Failed``, what it cost and took, and its screens.

    ``metadata`` are the values we sent with each hop, in order. ``ended_at`` is aware UTC, ``None`` if not told.
    """

    session_id: str
    phone: Phone | None
    network_code: str
    service_code: str
    status: str
    cost: Decimal = Decimal(0)
    cost_currency: str | None = None
    duration_ms: int = 0
    hops: int = 0
    metadata: tuple[str, ...] = ()
    error: str | None = None
    ended_at: datetime | None = None

    @property
    def cost_micros(self) -> int:
        """Millionths of the currency."""
        return int(self.cost * 1_000_000)
