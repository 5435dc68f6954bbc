"""The simulator's questions and reversals: a payment's state, our balance, and giving a payment back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from integrations.mpesa.fields import EAT
from integrations.mpesa.ledger import PAYOUT, Books, Receipt, Refused
from integrations.mpesa.lookups import BALANCE_OF, STATE
from integrations.mpesa.payees import Plays
from integrations.mpesa.payouts import REVERSE
from integrations.mpesa.simulated_door import SHORTCODE, Door, Shapes, invalid, stopped
from integrations.mpesa.simulated_payouts import Payout, SimulatedPayouts
from integrations.mpesa.simulated_requests import INITIATOR, SHAPES, Asked, Outcome, Requests
from integrations.simulation import Handler, Reply, Request

_OURS: Shapes = {**INITIATOR, **SHAPES, "PartyA": SHORTCODE, "IdentifierType": re.compile("4")}
_STATUS: Shapes = {**_OURS, "CommandID": re.compile("TransactionStatusQuery")}
_BALANCE: Shapes = {**_OURS, "CommandID": re.compile("AccountBalance")}
_REVERSAL: Shapes = {
    **INITIATOR,
    **SHAPES,
    "CommandID": re.compile("TransactionReversal"),
    "TransactionID": re.compile(r"[A-Z0-9]{10}"),
    "Amount": re.compile(r"[1-9][0-9]{0,8}"),
    "ReceiverParty": SHORTCODE,
    "RecieverIdentifierType": re.compile("11|4"),
}
#: A question about what M-Pesa does not know. Which code the real one gives is not written down.
UNKNOWN = "R000002"
ORGANISATION = "600992 - Mlango"


class SimulatedQuestions:
    """Safe between threads."""

    def __init__(self, door: Door, requests: Requests, books: Books, plays: Plays, payouts: SimulatedPayouts) -> None:
        self._door = door
        self._requests = requests
        self._books = books
        self._plays = plays
        self._payouts = payouts
        self.routes: Mapping[tuple[str, str], Handler] = {
            ("POST", STATE): lambda request: self._take("status", request, _STATUS),
            ("POST", BALANCE_OF): lambda request: self._take("balance", request, _BALANCE),
            ("POST", REVERSE): lambda request: self._take("reversal", request, _REVERSAL),
        }

    def _take(self, event: str, request: Request, shapes: Shapes) -> Reply:
        refusal = self._door.refusal(request, shapes)
        if refusal is None and event == "status" and not _names_a_payment(request.json):
            refusal = invalid("TransactionID")
        play = None if refusal else self._plays.of(event)
        refusal = refusal or stopped(play, "Initiator")
        if refusal:
            return refusal
        work = {"status": self._state, "balance": self._balance, "reversal": self._undo}[event]
        return self._requests.take(self._requests.asked(request, play), work)

    def _balance(self, _: Asked) -> Outcome:
        held = f"{self._books.available}.00"
        accounts = [f"{name}|KES|0.00|0.00|0.00|0.00" for name in ("Working Account", "Float Account")]
        accounts += [f"Utility Account|KES|{held}|{held}|0.00|0.00", "Charges Paid Account|KES|0.00|0.00|0.00|0.00"]
        at = self._requests.clock().astimezone(EAT).strftime("%Y%m%d%H%M%S")
        return Outcome(values=(("AccountBalance", "&".join(accounts)), ("BOCompletedTime", at)), as_text=True)

    def _undo(self, asked: Asked) -> Outcome:
        original = str(asked.fields["TransactionID"])
        paid = self._books.find(original)
        if paid is None or paid.amount != int(asked.fields["Amount"]):
            return Outcome(UNKNOWN)
        try:
            undone = self._books.undo(original, self._requests.clock())
        except Refused as refused:
            return Outcome(refused.code)
        held = f"{undone.balance}.00"
        values = (
            ("DebitAccountBalance", f"Utility Account|KES|{held}|{held}|0.00|0.00"),
            ("Amount", paid.amount),
            ("TransCompletedTime", int(undone.at)),
            ("OriginalTransactionID", original),
            ("Charge", 0),
            ("CreditPartyPublicName", f"{paid.phone[1:]} - JOHN DOE"),
            ("DebitPartyPublicName", ORGANISATION),
        )
        return Outcome(receipt=undone.receipt, values=values)

    def _state(self, asked: Asked) -> Outcome:
        conversation = asked.fields.get("OriginalConversationID")
        payout = self._payouts.find(str(conversation)) if conversation else None
        receipt = str(asked.fields.get("TransactionID", ""))
        moved = payout.receipt if payout else self._books.find(receipt)
        payout = payout or (self._payouts.find(moved.reference) if moved and moved.kind == PAYOUT else None)
        if payout is None and moved is None:
            return Outcome(UNKNOWN)
        return Outcome(values=self._told(asked, payout, moved))

    def _told(self, asked: Asked, payout: Payout | None, moved: Receipt | None) -> tuple[tuple[str, Any], ...]:
        """As in the documented sample: both parties may be called debit party, and some keys have spaces."""
        phone = payout.phone if payout else moved.phone if moved else ""
        amount = payout.amount if payout else moved.amount if moved else 0
        spaced = asked.number % 2 == 0
        ids = (
            ("Originator Conversation ID" if spaced else "OriginatorConversationID", payout.asked.own_id),
            ("Conversation ID" if spaced else "ConversationID", payout.asked.conversation_id),
        ) if payout else ()  # fmt: skip
        finished = (("FinalisedTime", moved.at), ("ReceiptNo", moved.receipt)) if moved else ()
        return (
            ("DebitPartyName", ORGANISATION),
            ("CreditPartyName" if spaced else "DebitPartyName", f"{phone[1:]} - John Doe"),
            *ids,
            ("DebitAccountType", "Utility Account"),
            ("TransactionReason", None),
            ("ReasonType", moved.kind if moved else PAYOUT),
            ("TransactionStatus", payout.status if payout else "Completed"),
            ("Amount", str(abs(amount))),
            *finished,
        )


def _names_a_payment(fields: Mapping[str, Any]) -> bool:
    return bool(fields.get("TransactionID") or fields.get("OriginalConversationID"))
