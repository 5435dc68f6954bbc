"""M-Pesa put together from the settings: what it can do, and at which addresses it answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from integrations.mpesa.callbacks import read_callback
from integrations.mpesa.client import SANDBOX_PASSKEY, SANDBOX_SHORTCODE, STK, Mpesa
from integrations.mpesa.daraja import BASE_URLS, NAME, Daraja
from integrations.mpesa.initiator import Initiator, certificate_key
from integrations.mpesa.lookup_results import read_balance, read_balance_late, read_receipt_late, read_receipt_state
from integrations.mpesa.lookups import BALANCE, BALANCE_LATE, RECEIPT_STATE, RECEIPT_STATE_LATE, Lookups
from integrations.mpesa.paybill import PAYBILL, Paybill, PaybillCheck, read_paybill
from integrations.mpesa.payout_results import (
    read_payout,
    read_payout_late,
    read_payout_state,
    read_state_late,
    read_undo,
    read_undo_late,
)
from integrations.mpesa.payouts import (
    B2C,
    B2C_LATE,
    PAYOUT_STATE,
    PAYOUT_STATE_LATE,
    UNDO,
    UNDO_LATE,
    Payouts,
    Reversals,
)
from integrations.mpesa.portal import read_portal_csv
from integrations.protocols import About, Channel, Rail
from integrations.rails import SIMULATED, Tools

#: All addresses at which Daraja reaches us, but the question before a payment: that one waits for its answer.
CHANNELS = (
    Channel(STK, About.PAYMENT, read_callback),
    Channel(B2C, About.PAYOUT, read_payout),
    Channel(B2C_LATE, About.PAYOUT, read_payout_late),
    Channel(PAYOUT_STATE, About.PAYOUT, read_payout_state),
    Channel(PAYOUT_STATE_LATE, About.PAYOUT, read_state_late),
    Channel(UNDO, About.PAYOUT, read_undo),
    Channel(UNDO_LATE, About.PAYOUT, read_undo_late),
    Channel(PAYBILL, About.ARRIVAL, read_paybill),
    Channel(RECEIPT_STATE, About.LOOKUP, read_receipt_state),
    Channel(RECEIPT_STATE_LATE, About.LOOKUP, read_receipt_late),
    Channel(BALANCE, About.BALANCE, read_balance),
    Channel(BALANCE_LATE, About.BALANCE, read_balance_late),
)


class MpesaSettings(Protocol):
    """What is read of the settings."""

    @property
    def app_env(self) -> str: ...
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
    def mpesa_initiator_name(self) -> str: ...
    @property
    def mpesa_initiator_password(self) -> str: ...
    @property
    def mpesa_certificate(self) -> str: ...
    @property
    def mpesa_b2c_shortcode(self) -> str: ...
    @property
    def mpesa_c2b_version(self) -> str: ...


def build(settings: MpesaSettings, simulator_url: str, tools: Tools) -> Rail:
    """M-Pesa as the settings say, or on its simulator; raises ``BadRail``. Without an initiator it only collects."""
    daraja = Daraja(
        simulator_url or settings.mpesa_base_url or BASE_URLS[settings.mpesa_environment],
        SIMULATED if simulator_url else settings.mpesa_consumer_key,
        SIMULATED if simulator_url else settings.mpesa_consumer_secret,
        clock=tools.clock,
        tokens=tools.tokens,
        observer=tools.observer,
    )
    shortcode, paying = settings.mpesa_shortcode, settings.mpesa_b2c_shortcode or settings.mpesa_shortcode
    rail = Rail(
        NAME,
        is_up=daraja.is_up,
        channels=CHANNELS,
        collects=Mpesa(daraja, shortcode=shortcode, passkey=_passkey(settings), clock=tools.clock),
        checks_arrivals=PaybillCheck(),
        registers=Paybill(daraja, shortcode=shortcode, version=settings.mpesa_c2b_version),
        reads_csv=read_portal_csv,
    )
    initiator = _initiator(settings, simulator_url)
    if initiator is None:
        return rail
    lookups = Lookups(daraja, initiator, shortcode=shortcode, paying=paying)
    return replace(
        rail,
        pays_out=Payouts(daraja, initiator, lookups, shortcode=paying),
        gives_back=Reversals(daraja, initiator, shortcode=shortcode),
        looks_up=lookups,
        tells_balance=lookups,
    )


def _initiator(settings: MpesaSettings, simulator_url: str) -> Initiator | None:
    """The API user, ``None`` when there is none; away from Safaricom and from production any will do."""
    stand_in = simulator_url or (settings.mpesa_base_url and settings.app_env != "production")
    name, password = settings.mpesa_initiator_name, settings.mpesa_initiator_password
    if stand_in and not settings.mpesa_certificate:
        return Initiator(name or SIMULATED, password or SIMULATED)
    if not (name and password and settings.mpesa_certificate):
        return None
    initiator = Initiator(name, password, certificate_key(settings.mpesa_certificate))
    _ = initiator.credential  # a password that does not fit is found at the start
    return initiator


def _passkey(settings: MpesaSettings) -> str:
    """The sandbox's shortcode has a passkey that is public; any other shortcode needs its own."""
    public = SANDBOX_PASSKEY if settings.mpesa_shortcode == SANDBOX_SHORTCODE else ""
    return settings.mpesa_passkey or public
