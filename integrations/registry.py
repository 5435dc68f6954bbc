"""Which client speaks to whom: the provider when it is configured, else the same client to its simulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.domain.clock import Clock, utc_now
from integrations.africastalking.client import SANDBOX_USERNAME, AfricasTalking
from integrations.http import Observer
from integrations.mpesa.client import BASE_URLS, SANDBOX_PASSKEY, SANDBOX_SHORTCODE, Mpesa
from integrations.mpesa.tokens import TokenCache
from integrations.protocols import Collects, SendsSms

SIMULATED = "simulated"
SMS_PATH = "/at"
MPESA_PATH = "/mpesa"


class NoProvider(Exception):
    """A provider is not configured, and there is no simulator's address to use in its place."""


class ProviderSettings(Protocol):
    """What is read of the settings."""

    @property
    def at_username(self) -> str: ...
    @property
    def at_api_key(self) -> str: ...
    @property
    def at_sender_id(self) -> str: ...
    @property
    def at_base_url(self) -> str: ...
    @property
    def mpesa_environment(self) -> str: ...
    @property
    def mpesa_consumer_key(self) -> str: ...
    @property
    def mpesa_consumer_secret(self) -> str: ...
    @property
    def mpesa_shortcode(self) -> str: ...
    @property
    def mpesa_passkey(self) -> str: ...
    @property
    def mpesa_base_url(self) -> str: ...
    @property
    def simulators_url(self) -> str: ...
    @property
    def sms_configured(self) -> bool: ...
    @property
    def mpesa_configured(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Providers:
    """Everybody outside that the gateway talks to."""

    sms: SendsSms
    collects: Collects


def build_providers(
    settings: ProviderSettings,
    *,
    clock: Clock = utc_now,
    tokens: TokenCache | None = None,
    observer: Observer | None = None,
) -> Providers:
    """Build each provider once; raises ``NoProvider`` when one has neither settings nor a simulator."""
    return Providers(sms=_sms(settings, observer), collects=_mpesa(settings, clock, tokens, observer))


def _sms(settings: ProviderSettings, observer: Observer | None) -> AfricasTalking:
    if settings.sms_configured:
        return AfricasTalking(
            settings.at_username or SANDBOX_USERNAME,
            settings.at_api_key,
            base_url=settings.at_base_url,
            sender_id=settings.at_sender_id,
            observer=observer,
        )
    return AfricasTalking(
        SANDBOX_USERNAME, SIMULATED, base_url=_simulator(settings, SMS_PATH), sender_id="", observer=observer
    )


def _mpesa(settings: ProviderSettings, clock: Clock, tokens: TokenCache | None, observer: Observer | None) -> Mpesa:
    real = settings.mpesa_configured
    return Mpesa(
        base_url=_daraja(settings) if real else _simulator(settings, MPESA_PATH),
        consumer_key=settings.mpesa_consumer_key if real else SIMULATED,
        consumer_secret=settings.mpesa_consumer_secret if real else SIMULATED,
        shortcode=settings.mpesa_shortcode,
        passkey=settings.mpesa_passkey or _public_passkey(settings),
        clock=clock,
        tokens=tokens,
        observer=observer,
    )


def _daraja(settings: ProviderSettings) -> str:
    return settings.mpesa_base_url or BASE_URLS[settings.mpesa_environment]


def _public_passkey(settings: ProviderSettings) -> str:
    """The sandbox's shortcode has a passkey that is public; any other shortcode needs its own."""
    return SANDBOX_PASSKEY if settings.mpesa_shortcode == SANDBOX_SHORTCODE else ""


def _simulator(settings: ProviderSettings, path: str) -> str:
    if not settings.simulators_url:
        raise NoProvider("a provider is not configured and SIMULATORS_URL is empty")
    return settings.simulators_url.rstrip("/") + path
