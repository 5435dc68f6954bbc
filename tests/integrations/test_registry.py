"""Configured means the provider; not configured means the same client to its simulator."""

from __future__ import annotations

import pytest

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.settings import Settings, load_settings
from integrations.mpesa.client import SANDBOX_PASSKEY, Mpesa
from integrations.mpesa.magic import Magic
from integrations.protocols import Collects, Outcome, SendsSms
from integrations.registry import NoProvider, Providers, build_providers
from integrations.simulators import Simulators
from tests.integrations.stub import Stub

AT = {"at_username": "shop", "at_api_key": "key"}
DARAJA = {"mpesa_consumer_key": "k", "mpesa_consumer_secret": "s", "mpesa_passkey": "p"}


def settings(**values: str) -> Settings:
    return load_settings(app_env="development", **values)


def collects_of(providers: Providers) -> Collects:
    collects = providers.rails["mpesa"].collects
    assert collects
    return collects


def addresses(providers: Providers) -> tuple[str, str]:
    return providers.sms._sdk._http.base_url, collects_of(providers)._daraja.http.base_url  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("values", "sms", "mpesa"),
    [
        ({}, "http://sim/at", "http://sim/mpesa"),
        (AT, "https://api.africastalking.com", "http://sim/mpesa"),
        (AT | {"at_username": "sandbox"}, "https://api.sandbox.africastalking.com", "http://sim/mpesa"),
        ({"at_base_url": "http://stub"}, "http://stub", "http://sim/mpesa"),
        ({"at_username": "shop"}, "http://sim/at", "http://sim/mpesa"),
        (DARAJA, "http://sim/at", "https://sandbox.safaricom.co.ke"),
        (DARAJA | {"mpesa_environment": "production"}, "http://sim/at", "https://api.safaricom.co.ke"),
        (DARAJA | {"mpesa_base_url": "http://stub"}, "http://sim/at", "http://stub"),
        ({"mpesa_base_url": "http://stub"}, "http://sim/at", "http://stub"),
        ({"mpesa_consumer_key": "k"}, "http://sim/at", "http://sim/mpesa"),
    ],
)
def test_who_is_spoken_to(values: dict[str, str], sms: str, mpesa: str) -> None:
    assert addresses(build_providers(settings(simulators_url="http://sim", **values))) == (sms, mpesa)


@pytest.mark.parametrize("values", [{}, AT, DARAJA])
def test_without_provider_and_simulator_nothing_starts(values: dict[str, str]) -> None:
    with pytest.raises(NoProvider):
        build_providers(settings(**values))


def test_with_both_configured_no_simulator_is_needed() -> None:
    build_providers(settings(**AT, **DARAJA))


@pytest.mark.parametrize(
    ("values", "passkey"),
    [
        ({}, SANDBOX_PASSKEY),
        ({"mpesa_passkey": "own"}, "own"),
        ({"mpesa_shortcode": "600000"}, ""),
    ],
)
def test_only_the_sandbox_shortcode_has_a_public_passkey(values: dict[str, str], passkey: str) -> None:
    providers = build_providers(settings(simulators_url="http://sim", **values))
    assert isinstance(collects_of(providers), Mpesa)
    assert collects_of(providers)._passkey == passkey


def test_what_is_built_speaks_to_the_simulators(simulators: Simulators, stub: Stub) -> None:
    providers = build_providers(settings(simulators_url=simulators.url))
    sms: SendsSms = providers.sms
    collects: Collects = collects_of(providers)
    phone = Phone(Magic.CALLBACK_LOST.e164)
    assert sms.send("Habari", [phone])[phone].outcome is Outcome.ACCEPTED
    answer = collects.prompt(
        phone=phone,
        amount=Money.major(5),
        reference="R",
        description="D",
        addresses=lambda _: stub.url + "/hooks/a",
    )
    assert answer.outcome is Outcome.ACCEPTED
