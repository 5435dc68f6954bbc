"""PayHero's API v2: ask a phone to pay, ask what became of it, and what our wallets there hold.

The answer to a request has two ids. ``reference`` is PayHero's own and the only one that transaction-status takes, so
it is the ``provider_id``; it looks just like an M-Pesa receipt and is none. ``CheckoutRequestID`` is what callbacks
carry, so it is the ``request_id``; it contains the payer's number and is never logged here.
"""

from __future__ import annotations

from typing import Protocol

from requests.auth import HTTPBasicAuth

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.http import Patience
from integrations.payhero.callbacks import CHANNELS, PAID, read_status
from integrations.payhero.calls import NAME, Calls, Started
from integrations.payhero.older import build as build_older
from integrations.payhero.values import shillings, text, word
from integrations.payhero.withdrawals import Withdrawals
from integrations.protocols import (
    Addresses,
    BalanceResult,
    Outcome,
    PaymentResult,
    PromptAnswer,
    Rail,
)
from integrations.rails import SIMULATED, Tools

BASE_URL = "https://backend.payhero.co.ke/api/v2"

PAYMENTS = "/payments"
STATUS = "/transaction-status"
WALLETS = "/wallets"
WALLET_OF_CHANNEL = "/payment_channels"

#: What PayHero calls our accounts: the fees it takes come from the first, withdrawals from the second.
SERVICE_WALLET = "service_wallet"
PAYMENT_WALLET = "payment_wallet"

_SIMULATED_CHANNEL = 1


class PayHeroSettings(Protocol):
    """What is read of the settings."""

    @property
    def payhero_api_key(self) -> str: ...
    @property
    def payhero_username(self) -> str: ...
    @property
    def payhero_password(self) -> str: ...
    @property
    def payhero_channel_id(self) -> int: ...
    @property
    def payhero_base_url(self) -> str: ...


def build(settings: PayHeroSettings, simulator_url: str, tools: Tools) -> Rail:
    """PayHero by the contract that the settings have credentials for, v2 before the older one; or on its simulator."""
    if not simulator_url and settings.payhero_api_key and not _speaks_v2(settings):
        older = build_older(settings.payhero_base_url, settings.payhero_api_key, tools)
        return Rail(NAME, is_up=older.is_up, channels=CHANNELS, collects=older)
    login = HTTPBasicAuth(
        SIMULATED if simulator_url else settings.payhero_username,
        SIMULATED if simulator_url else settings.payhero_password,
    )
    calls = Calls(simulator_url or settings.payhero_base_url or BASE_URL, login, Patience(), tools.observer)
    channel_id = settings.payhero_channel_id or _SIMULATED_CHANNEL
    payhero = PayHero(calls, channel_id)
    return Rail(
        NAME,
        is_up=payhero.is_up,
        channels=CHANNELS,
        collects=payhero,
        pays_out=Withdrawals(calls, channel_id),
        tells_balance=payhero,
    )


def _speaks_v2(settings: PayHeroSettings) -> bool:
    return bool(settings.payhero_username and settings.payhero_password and settings.payhero_channel_id)


class PayHero:
    """One payment channel by v2. Safe to share between threads."""

    name = NAME

    def __init__(self, calls: Calls, channel_id: int) -> None:
        self._calls = calls
        self._channel_id = channel_id

    def prompt(
        self, *, phone: Phone, amount: Money, reference: str, description: str, addresses: Addresses
    ) -> PromptAnswer:
        """Ask ``phone`` for whole shillings, once. Raises ``ValueError`` for cents: that is a bug of the caller."""
        request = {
            "amount": amount.whole_units,
            "phone_number": phone.national,
            "channel_id": self._channel_id,
            "provider": "m-pesa",
            "external_reference": reference,
            "callback_url": addresses(PAID),
        }
        return _answer(self._calls.start(PAYMENTS, request))

    def ask(self, provider_id: str) -> PaymentResult:
        """What became of the payment with PayHero's ``reference``: a receipt, but neither amount nor payer."""
        return read_status(provider_id, self._calls.fields(STATUS, reference=provider_id))

    def ask_balance(self, *, addresses: Addresses) -> BalanceResult | Outcome:
        """What our wallets hold; a wallet that was not told is not listed."""
        told = {SERVICE_WALLET: self._wallet(SERVICE_WALLET), PAYMENT_WALLET: self._payment_wallet()}
        accounts = {name: held for name, held in told.items() if held is not None}
        return BalanceResult(accounts) if accounts else Outcome.UNKNOWN

    def is_up(self) -> bool:
        """Whether a wallet is told: that costs nothing and shows that our credentials are taken."""
        answer = self._calls.ask(WALLETS, wallet_type=SERVICE_WALLET)
        return answer is not None and answer.ok

    def _payment_wallet(self) -> Money | None:
        """By its channel, or by the address it had before."""
        balance = self._calls.fields(f"{WALLET_OF_CHANNEL}/{self._channel_id}").get("balance_plain")
        told = shillings(balance.get("balance")) if isinstance(balance, dict) else None
        return told if told is not None else self._wallet(PAYMENT_WALLET)

    def _wallet(self, name: str) -> Money | None:
        fields = self._calls.fields(WALLETS, wallet_type=name)
        in_shillings = fields.get("currency") in (None, "KES")
        return shillings(fields.get("available_balance")) if in_shillings else None


def _answer(started: Started) -> PromptAnswer:
    """``QUEUED`` only means that the prompt was queued. What does not even say that is unknown."""
    fields, outcome = started.fields, started.outcome
    if outcome is Outcome.ACCEPTED and fields.get("success") is not True and word(fields.get("status")) != "queued":
        outcome = Outcome.UNKNOWN
    return PromptAnswer(
        outcome,
        text(fields.get("reference")),
        text(fields.get("CheckoutRequestID")),
        started.code,
        started.reason,
        started.retry_safe,
    )
