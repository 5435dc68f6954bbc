"""What the tests of integrations share: a scripted provider, and the simulators made quick."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integrations.africastalking.network import NetworkOptions
from integrations.africastalking.simulator import Options as SmsOptions
from integrations.mpesa.prompts import Options as MpesaOptions
from integrations.payhero.asked import Options as PayHeroOptions
from integrations.simulators import Options, Simulators, serve
from tests.integrations.stub import Stub, serving


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as stub:
        yield stub


@pytest.fixture
def simulators(stub: Stub) -> Iterator[Simulators]:
    """Quick simulators whose gateway is the stub."""
    options = Options(
        rails={
            "mpesa": MpesaOptions(answer_seconds=0.02, prompt_seconds=30, hang_seconds=0.8),
            "payhero": PayHeroOptions(answer_seconds=0.02, prompt_seconds=30, payout_seconds=0.02, hang_seconds=0.8),
        },
        sms=SmsOptions(report_seconds=0.02, hang_seconds=0.8),
        network=NetworkOptions(deadline_seconds=0.5),
    )
    with serve(gateway_url=stub.url, ussd_api_key="key", options=options) as running:
        yield running
