"""What drives the simulated PayHero: the phones, and how everything behaves."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.domain.clock import Clock
from integrations.payhero.asked import OLDER, V2, Options
from integrations.payhero.prompts import Prompts
from integrations.phones import Phones
from integrations.simulation import BadControl, Handler, Reply, Request, json_reply, set_options

_CONTRACTS = ("", V2, OLDER)


def of(prompts: Prompts, options: Options, clock: Clock) -> Mapping[tuple[str, str], Handler]:
    """The control calls of one simulator."""
    phones = Phones(prompts, lambda: options.prompt_seconds, clock)
    return {**phones.controls, ("POST", "/settings"): lambda request: _set_options(options, request)}


def _set_options(options: Options, request: Request) -> Reply:
    wanted = dict(request.json)
    contract = wanted.pop("contract", options.contract)
    if contract not in _CONTRACTS:
        raise BadControl("contract is v2, older or empty")
    set_options(options, wanted)
    options.contract = contract
    return json_reply({"ok": True})
