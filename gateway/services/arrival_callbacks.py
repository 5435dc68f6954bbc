"""A rail's message of money that nobody asked for, and its question before it takes such money."""

from __future__ import annotations

import hmac
import logging
import re

from gateway.domain.money import Money
from gateway.models.inbox import InboxState
from gateway.services.arrival_names import Names
from gateway.services.arrivals import Arrivals
from gateway.services.callbacks import Handled
from gateway.services.payment_desk import Desk
from integrations.protocols import ArrivalNotice, Channel, ChecksArrivals
from integrations.protocols import Refusal as Word

#: What a receipt can look like, at any rail.
_RECEIPT = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_MOST_MINOR = 10**15


class ArrivalCallbacks:
    """The handler of one channel that tells of money."""

    def __init__(self, arrivals: Arrivals, callback_token: str, rail: str, channel: Channel) -> None:
        self._arrivals = arrivals
        self._token = callback_token
        self._rail = rail
        self._channel = channel

    def __call__(self, token: str | None, body: bytes) -> Handled:
        notice = self._channel.read(body)
        if not isinstance(notice, ArrivalNotice) or not _is_possible(notice):
            return Handled(InboxState.UNREADABLE, "not a message of money")
        tokened = is_ours(token, self._token)
        done = self._arrivals.heard(self._rail, notice, tokened=tokened, proven=self._channel.proves)
        if done is None:
            return Handled(InboxState.RECEIVED, "many such hints are being asked about: later")
        return Handled(InboxState.HANDLED, done)


class Gate:
    """Says whether money may come at all. In doubt it may: what comes for nobody waits in suspense."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._names = Names(desk.vault)

    def refusal(self, rail: str, checks: ChecksArrivals, token: str, body: bytes) -> Word | None:
        """``None``: it may come; else the word for why not."""
        if not is_ours(token, self._desk.settings.callback_token):
            return "other"
        try:
            notice = checks.read(body)
            return self._judge(rail, notice) if notice else None
        except Exception:
            # Whatever is wrong is ours: to refuse would cost the payer, to accept costs nobody anything.
            logging.getLogger(__name__).exception("checking an arrival failed")
            return None

    def _judge(self, rail: str, notice: ArrivalNotice) -> Word | None:
        least = Money.major(1, notice.amount.currency)
        most = Money.major(self._desk.settings.most_deposit, notice.amount.currency)
        if not least <= notice.amount <= most:
            return "bad_amount"
        with self._desk.db.transaction() as session:
            return None if self._names.who(session, rail, notice.typed) else "unknown_account"


def is_ours(token: str | None, callback_token: str) -> bool:
    """Whether an address was the one that only the rail was told; takes the same time whatever was sent."""
    return bool(callback_token) and hmac.compare_digest((token or "").encode(), callback_token.encode())


def _is_possible(notice: ArrivalNotice) -> bool:
    return 0 < notice.amount.minor < _MOST_MINOR and _RECEIPT.fullmatch(notice.receipt) is not None
