"""A rail's answer to a question of ours, as it arrived."""

from __future__ import annotations

from gateway.models.inbox import InboxState
from gateway.services.callbacks import Handled
from gateway.services.lookups import Lookups
from integrations.protocols import BalanceResult, Channel, LookupResult


class LookupCallbacks:
    """The handler of channels that answer our questions."""

    def __init__(self, lookups: Lookups, channel: Channel) -> None:
        self._lookups = lookups
        self._channel = channel

    def __call__(self, token: str | None, body: bytes) -> Handled:
        told = self._channel.read(body)
        if isinstance(told, LookupResult):
            return self._lookups.receipt_told(token, told)
        if isinstance(told, BalanceResult):
            return self._lookups.balance_told(token, told)
        return Handled(InboxState.UNREADABLE, "not an answer to a question")
