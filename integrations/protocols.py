"""What we need of the outside world, one small protocol per need, and the three outcomes.

An outcome is **accepted, rejected or unknown**. Unknown means that we did not hear: it is asked
about later and never retried blindly. Adapters turn provider codes into these words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Protocol

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

    ``reference`` is our own, when the rail echoes it. ``reason`` is our word for a failure: ``cancelled``,
    ``no_money``, ``timeout``, ``wrong_pin``, ``limit``, ``busy``, ``declined``, ``config``, ``other``. ``amount`` and
    ``payer`` are ``None`` when not told. ``occurred_at`` is aware UTC.
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
    reference: str | None = None


#: The address at which one of the rail's channels reaches this very request: its name in, the whole URL out.
Addresses = Callable[[str], str]


class Collects(Protocol):
    """A rail that can ask a person's phone to pay us."""

    name: str

    def prompt(
        self, *, phone: Phone, amount: Money, reference: str, description: str, addresses: Addresses
    ) -> PromptAnswer:
        """Ask once. Never raises for provider trouble: that is ``Outcome.UNKNOWN`` or ``REJECTED``."""

    def ask(self, provider_id: str) -> PaymentResult:
        """What became of a prompt; ``NO_ANSWER`` when the rail does not say."""


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who pays by link. Rails insist on an e-mail address; a person with a phone only gets one of ours."""

    name: str
    phone: Phone
    email: str


@dataclass(frozen=True, slots=True)
class LinkAnswer:
    """The rail's answer to a request for a payment page. ``provider_id`` is by what it is asked about."""

    outcome: Outcome
    url: str | None = None
    provider_id: str | None = None
    code: str = ""
    reason: str = ""
    retry_safe: bool = False


class MakesLinks(Protocol):
    """A rail that makes a page on which a person pays by card. ``currencies``: what its pages can ask for."""

    name: str
    currencies: frozenset[str]

    def make_link(
        self, *, reference: str, amount: Money, title: str, buyer: Buyer, return_url: str, expires_at: datetime
    ) -> LinkAnswer:
        """Make the page for our ``reference``. Never raises for provider trouble."""

    def ask(self, provider_id: str, receipt: str | None = None) -> PaymentResult:
        """What became of a link, with receipt and amount; ``PENDING`` while nobody has paid.

        ``provider_id`` is our own reference when the rail's answer was lost; ``NO_ANSWER`` where that says nothing to
        the rail. With ``receipt``, when a page was paid twice, it is about that one, if the rail can tell them apart.
        """


@dataclass(frozen=True, slots=True)
class PayoutAnswer:
    """The rail's answer to a request to pay somebody.

    ``provider_id`` is the rail's own id (Daraja: ConversationID). ``retry_safe`` is true only when the answer proves
    that nothing was started. ``duplicate`` says that the rail has this ``own_id`` already: the first call was taken.
    ``result`` is what became of it, from a rail that says so at once.
    """

    outcome: Outcome
    provider_id: str | None = None
    code: str = ""
    reason: str = ""
    retry_safe: bool = False
    duplicate: bool = False
    result: PayoutResult | None = None


@dataclass(frozen=True, slots=True)
class PayoutResult:
    """What a rail says of one payout (or reversal), by callback or by query.

    ``own_id`` is the id we gave, when it is told. ``reason`` is our word for a failure: ``no_float`` (our account at
    the rail is too low), ``not_registered`` (the phone has no wallet there), ``limit`` (of the recipient), ``busy``,
    ``config``, ``already`` (a reversal that was done before), ``other``.
    """

    verdict: PaymentVerdict
    own_id: str | None = None
    provider_id: str | None = None
    receipt: str | None = None
    amount: Money | None = None
    payee: Phone | None = None
    code: str = ""
    reason: str = ""
    occurred_at: datetime | None = None


class PaysOut(Protocol):
    """A rail that can pay to a person's phone. ``repeatable``: the same ``own_id`` twice is paid once, provably."""

    name: str
    repeatable: bool

    def pay(self, *, own_id: str, phone: Phone, amount: Money, remarks: str, addresses: Addresses) -> PayoutAnswer:
        """Pay once. Never raises for provider trouble."""

    def ask_payout(self, *, own_id: str, provider_id: str | None, addresses: Addresses) -> PayoutResult:
        """What became of it. ``PENDING`` also when the rail will say so at its address later."""


class GivesBack(Protocol):
    """A rail that can undo a payment that came in, by its receipt. ``repeatable``: twice is once, provably."""

    name: str
    repeatable: bool

    def give_back(self, *, own_id: str, receipt: str, amount: Money, addresses: Addresses) -> PayoutAnswer:
        """Ask once; what the rail says of it, now or later, is a ``PayoutResult``. Done before is ``already``."""


class TellsGivenBack(Protocol):
    """A rail that is asked what became of a payment it gave back, where ``PaysOut.ask_payout`` is not about these."""

    name: str

    def ask_given_back(self, *, own_id: str, provider_id: str | None) -> PayoutResult:
        """By the rail's id from the answer to ``give_back``; ``NO_ANSWER`` without one."""


@dataclass(frozen=True, slots=True)
class ArrivalNotice:
    """Money that came without being asked for. ``typed`` is what the payer typed as the account: untrusted text.

    ``payer`` is the number in clear, when the rail tells it; ``payer_told`` is what it told instead (a SHA-256 in
    hexadecimal digits, or a masked number).
    """

    receipt: str
    amount: Money
    typed: str
    payer: Phone | None = None
    payer_told: str = ""
    occurred_at: datetime | None = None


#: Why we do not want money that is about to arrive: ``unknown_account``, ``bad_amount`` or ``other``.
Refusal = Literal["unknown_account", "bad_amount", "other"]


class ChecksArrivals(Protocol):
    """A rail that asks before money arrives, at the address ``name``, and waits for the answer there and then."""

    name: str

    def read(self, body: bytes) -> ArrivalNotice | None:
        """What is about to arrive, ``None`` when the body is no such question. Never raises."""

    def answer(self, refusal: Refusal | None) -> Mapping[str, object]:
        """The JSON to answer with: take it, or refuse it for a reason."""


class RegistersAddresses(Protocol):
    """A rail that must be told once where to report money that arrives unasked."""

    name: str

    def register(self, addresses: Addresses) -> tuple[Outcome, str]:
        """Tell it; with the outcome a sentence for the operator. ``REJECTED`` also when it has addresses already."""


@dataclass(frozen=True, slots=True)
class LookupResult:
    """What a rail says of one receipt: ``verdict`` PAID (completed), FAILED (no such, or not completed), ..."""

    verdict: PaymentVerdict
    receipt: str | None = None
    amount: Money | None = None
    own_id: str | None = None
    code: str = ""
    status: str = ""
    occurred_at: datetime | None = None


class LooksUp(Protocol):
    """A rail that can be asked about a receipt; it answers at its address."""

    name: str

    def look_up(self, *, receipt: str, addresses: Addresses) -> Outcome:
        """Ask; ``ACCEPTED``: the answer comes by channel."""


@dataclass(frozen=True, slots=True)
class BalanceResult:
    """What our accounts at a rail hold, by the rail's names for them; empty when it did not say."""

    accounts: Mapping[str, Money]
    code: str = ""
    occurred_at: datetime | None = None


class TellsBalance(Protocol):
    """A rail that tells what our account there holds; it answers at once or at its address."""

    name: str

    def ask_balance(self, *, addresses: Addresses) -> BalanceResult | Outcome:
        """The balance, or ``ACCEPTED``: the answer comes by channel; or why not."""


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement on our account at a rail, as the rail's own statement has it.

    ``amount`` is positive when money came in, negative when it went out. ``reference`` is whatever of ours the rail
    printed (own id, account reference), ``kind`` a word for people. ``done`` is false for a failed or pending one.
    """

    receipt: str
    amount: Money
    reference: str
    kind: str
    done: bool
    occurred_at: datetime


class KeepsStatement(Protocol):
    """A rail whose statement can be read: simulators keep one, M-Pesa's comes as a file."""

    name: str

    def statement(self, since: datetime, until: datetime) -> Sequence[StatementLine] | None:
        """All movements of the period, oldest first; ``None`` when the rail does not say."""


class About(StrEnum):
    """What a channel tells of, and so who handles what comes by it."""

    PAYMENT = "payment"  # reads a PaymentResult
    PAYOUT = "payout"  # reads a PayoutResult
    ARRIVAL = "arrival"  # reads an ArrivalNotice
    LOOKUP = "lookup"  # reads a LookupResult
    BALANCE = "balance"  # reads a BalanceResult


@dataclass(frozen=True, slots=True)
class Channel:
    """One of a rail's addresses with us: ``/hooks/<token>/<name>``.

    ``read`` turns a raw body into our words, ``None`` when it is none of its kind; it never raises. ``signed``
    decides from headers (names in lower case) and raw body whether the rail itself sent it: what it does not accept is
    answered 401. ``proves`` says that such a signature covers the body, so that the body is believed. ``passes_to``
    names the rail's channel for what this one cannot read: some rails take one address for everything they tell.
    """

    name: str
    about: About
    read: Callable[[bytes], object | None]
    signed: Callable[[Mapping[str, str], bytes], bool] | None = None
    proves: bool = False
    passes_to: str = ""


@dataclass(frozen=True, slots=True)
class Rail:
    """One rail and what it can do; what it cannot do is ``None``.

    ``is_up`` asks something cheap that changes nothing, to see whether the rail is there. ``reads_csv`` reads the
    statement that an operator downloads as a file; it raises ``ValueError`` when the file is none.
    """

    name: str
    is_up: Callable[[], bool]
    channels: tuple[Channel, ...]
    collects: Collects | None = None
    links: MakesLinks | None = None
    pays_out: PaysOut | None = None
    gives_back: GivesBack | None = None
    tells_given_back: TellsGivenBack | None = None
    looks_up: LooksUp | None = None
    tells_balance: TellsBalance | None = None
    keeps_statement: KeepsStatement | None = None
    checks_arrivals: ChecksArrivals | None = None
    registers: RegistersAddresses | None = None
    reads_csv: Callable[[bytes], Sequence[StatementLine]] | None = None


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
