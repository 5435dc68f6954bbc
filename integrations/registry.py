"""Which client speaks to whom: the provider when it is configured, else the same client to its simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.domain.clock import Clock, utc_now
from integrations import flutterwave, mpesa, payhero, stripe
from integrations.africastalking.client import SANDBOX_USERNAME, AfricasTalking
from integrations.http import Observer
from integrations.protocols import Rail, SendsSms
from integrations.rails import SIMULATED, BadRail, Kind, TokenCache, Tools
from integrations.statements import SimulatedStatement

#: Every rail there is. A new one is its folder and its line here.
RAILS: tuple[Kind, ...] = (mpesa.KIND, payhero.KIND, flutterwave.KIND, stripe.KIND)

SMS_PATH = "/at"


class NoProvider(Exception):
    """A provider is not configured, and there is no simulator's address to use in its place."""


class ProviderSettings(Protocol):
    """What is read of the settings here; each rail's folder names what it reads itself."""

    @property
    def at_username(self) -> str: ...
    @property
    def at_api_key(self) -> str: ...
    @property
    def at_sender_id(self) -> str: ...
    @property
    def at_base_url(self) -> str: ...
    @property
    def simulators_url(self) -> str: ...
    @property
    def sms_configured(self) -> bool: ...
    @property
    def rails_in_use(self) -> frozenset[str]: ...

    def rail_configured(self, name: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Providers:
    """Everybody outside that the gateway talks to; rails by name."""

    sms: SendsSms
    rails: Mapping[str, Rail]


def build_providers(
    settings: ProviderSettings,
    *,
    clock: Clock = utc_now,
    tokens: TokenCache | None = None,
    observer: Observer | None = None,
) -> Providers:
    """Build each provider once; raises ``NoProvider`` when one in use has neither settings nor a simulator.

    Raises ``BadRail`` for settings that ``rail_problems`` tells of.

    A rail that is configured, in use or simulated is there; money on its way by one is settled by it whatever the
    settings choose for new money.
    """
    tools = Tools(clock, tokens, observer)
    built = {kind.name: _rail(kind, settings, tools) for kind in RAILS}
    return Providers(sms=_sms(settings, observer), rails={name: rail for name, rail in built.items() if rail})


def rail_problems(settings: ProviderSettings) -> list[str]:
    """Why rails that are configured could not work, one sentence each: a certificate that is none, for example."""
    problems: list[str] = []
    for kind in RAILS:
        try:
            if settings.rail_configured(kind.name):
                kind.build(settings, "", Tools())
        except BadRail as bad:
            problems.append(str(bad))
    return problems


def _rail(kind: Kind, settings: ProviderSettings, tools: Tools) -> Rail | None:
    if settings.rail_configured(kind.name):
        return kind.build(settings, "", tools)
    if not settings.simulators_url and kind.name not in settings.rails_in_use:
        return None
    rail = kind.build(settings, _simulator(settings, f"/{kind.name}"), tools)
    return replace(rail, keeps_statement=SimulatedStatement(kind.name, settings.simulators_url))


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


def _simulator(settings: ProviderSettings, path: str) -> str:
    if not settings.simulators_url:
        raise NoProvider("a provider is not configured and SIMULATORS_URL is empty")
    return settings.simulators_url.rstrip("/") + path
