"""The simulator's payouts: each own id once, from the organisation's Utility account to a subscriber."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from integrations.mpesa.fields import EAT
from integrations.mpesa.ledger import Books, Receipt, Refused
from integrations.mpesa.payees import Plays
from integrations.mpesa.payouts import PAY
from integrations.mpesa.simulated_door import MSISDN, SHORTCODE, Door, Shapes, error, stopped
from integrations.mpesa.simulated_requests import SHAPES, Asked, Outcome, Requests
from integrations.simulation import Handler, Reply, Request

LEAST, MOST = 10, 250_000
_FIELDS: Shapes = {
    "OriginatorConversationID": re.compile(r"[!-~]{1,100}"),
    "InitiatorName": re.compile(r"[!-~]{1,64}"),
    "CommandID": re.compile(r"SalaryPayment|BusinessPayment|PromotionPayment"),
    "Amount": re.compile(r"[1-9][0-9]{0,8}"),
    "PartyA": SHORTCODE,
    "PartyB": MSISDN,
    **SHAPES,
}


@dataclass(slots=True)
class Payout:
    """One payout. ``code`` is its result once there is one; ``dropped`` by the queue it never gets one."""

    asked: Asked
    code: str | None = None
    receipt: Receipt | None = None

    @property
    def phone(self) -> str:
        return "+" + str(self.asked.fields["PartyB"])

    @property
    def amount(self) -> int:
        return int(self.asked.fields["Amount"])

    @property
    def status(self) -> str:
        if self.asked.play.queue == "dropped":
            return "Failed"
        if self.code is None:
            return "Pending"
        return "Completed" if self.code == "0" else "Failed"


class SimulatedPayouts:
    """Safe between threads."""

    def __init__(self, door: Door, requests: Requests, books: Books, plays: Plays) -> None:
        self.all: dict[str, Payout] = {}
        self._door = door
        self._requests = requests
        self._books = books
        self._plays = plays
        self._lock = threading.Lock()
        self.routes: Mapping[tuple[str, str], Handler] = {("POST", PAY): self._pay}

    def find(self, conversation: str) -> Payout | None:
        """By our id or by M-Pesa's."""
        by_theirs = (each for each in list(self.all.values()) if each.asked.conversation_id == conversation)
        return self.all.get(conversation) or next(by_theirs, None)

    def _pay(self, request: Request) -> Reply:
        refusal = self._door.refusal(request, _FIELDS)
        if refusal:
            return refusal
        taken = self._take(request)
        return taken if isinstance(taken, Reply) else self._requests.take(taken, self._carry_out)

    def _take(self, request: Request) -> Asked | Reply:
        """One id is taken once, also when it comes twice at the same moment."""
        own_id = str(request.json["OriginatorConversationID"])
        with self._lock:
            if own_id in self.all:
                return error(500, "500.002.1001", "Duplicate OriginatorConversationID.")
            play = self._plays.of("payout", "+" + str(request.json["PartyB"]))
            refusal = stopped(play, "PartyB")
            if refusal:
                return refusal
            asked = self._requests.asked(request, play, own_id)
            self.all[own_id] = Payout(asked)
        return asked

    def _carry_out(self, asked: Asked) -> Outcome:
        payout = self.all[asked.own_id]
        try:
            payout.receipt = self._moved(payout)
            payout.code = "0"
        except Refused as refused:
            payout.code = refused.code
        return Outcome(payout.code, *self._told(payout))

    def _moved(self, payout: Payout) -> Receipt:
        if payout.asked.play.code not in ("0", None):
            raise Refused(str(payout.asked.play.code))
        if not LEAST <= payout.amount <= MOST:
            raise Refused("2" if payout.amount < LEAST else "3")
        return self._books.pay_out(payout.phone, payout.amount, payout.asked.own_id, self._requests.clock())

    def _told(self, payout: Payout) -> tuple[str, tuple[tuple[str, object], ...]]:
        paid = payout.receipt
        if paid is None:
            return "", ()
        return paid.receipt, (
            ("TransactionAmount", payout.amount),
            ("TransactionReceipt", paid.receipt),
            ("B2CRecipientIsRegisteredCustomer", "Y"),
            ("B2CChargesPaidAccountAvailableFunds", 0),
            ("ReceiverPartyPublicName", f"{paid.phone[1:]} - JOHN DOE"),
            ("TransactionCompletedDateTime", paid.occurred_at.astimezone(EAT).strftime("%d.%m.%Y %H:%M:%S")),
            ("B2CUtilityAccountAvailableFunds", paid.balance),
            ("B2CWorkingAccountAvailableFunds", 0),
        )
