"""Paying people by M-Pesa (B2C v3) and giving a payment back (reversal).

A payout carries our own id: Daraja pays one id once, and calls the second request with it a duplicate. A reversal
carries none, but a payment can only be undone once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.http import NoAnswer
from integrations.mpesa.answers import Said, read_answer
from integrations.mpesa.daraja import NAME, Daraja, NotAsked
from integrations.mpesa.initiator import Initiator
from integrations.mpesa.lookups import Lookups
from integrations.mpesa.payout_results import REASONS
from integrations.protocols import Addresses, Outcome, PaymentVerdict, PayoutAnswer, PayoutResult
from integrations.reading import printable

PAY = "/mpesa/b2c/v3/paymentrequest"
REVERSE = "/mpesa/reversal/v1/request"

#: The code of a duplicate, and of "System internal error." as well.
TAKEN_OR_BROKEN = "500.002.1001"

#: Our addresses.
B2C, B2C_LATE = "b2c", "b2c-late"
PAYOUT_STATE, PAYOUT_STATE_LATE = "payout-state", "payout-state-late"
UNDO, UNDO_LATE = "undo", "undo-late"


class Payouts:
    """Payouts from one shortcode. Safe to share between threads."""

    name = NAME
    #: The same id twice is paid once.
    repeatable = True

    def __init__(self, daraja: Daraja, initiator: Initiator, lookups: Lookups, *, shortcode: str) -> None:
        self._daraja = daraja
        self._initiator = initiator
        self._lookups = lookups
        self._shortcode = shortcode

    def pay(self, *, own_id: str, phone: Phone, amount: Money, remarks: str, addresses: Addresses) -> PayoutAnswer:
        """Pay whole shillings. Raises ``ValueError`` for cents: that is a bug of the caller."""
        request = {
            "OriginatorConversationID": own_id,
            "InitiatorName": self._initiator.name,
            "SecurityCredential": self._initiator.credential,
            "CommandID": "BusinessPayment",
            "Amount": amount.whole_units,
            "PartyA": self._shortcode,
            "PartyB": phone.msisdn,
            "Remarks": cleaned(remarks),
            "QueueTimeOutURL": addresses(B2C_LATE),
            "ResultURL": addresses(B2C),
            "Occassion": letters(own_id),
        }
        return _sent(self._daraja, PAY, request)

    def ask_payout(self, *, own_id: str, provider_id: str | None, addresses: Addresses) -> PayoutResult:
        """Ask for the state of the payout with our id; the answer comes at its address."""
        target = {"OriginalConversationID": own_id}
        outcome = self._lookups.ask_state(
            target, self._shortcode, addresses(PAYOUT_STATE), addresses(PAYOUT_STATE_LATE)
        )
        if outcome is Outcome.ACCEPTED:
            return PayoutResult(PaymentVerdict.PENDING, own_id, provider_id)
        refused = "refused" if outcome is Outcome.REJECTED else ""
        return PayoutResult(PaymentVerdict.NO_ANSWER, own_id, provider_id, code=refused)


class Reversals:
    """Gives payments to one shortcode back. Safe to share between threads."""

    name = NAME
    repeatable = True

    def __init__(self, daraja: Daraja, initiator: Initiator, *, shortcode: str) -> None:
        self._daraja = daraja
        self._initiator = initiator
        self._shortcode = shortcode

    def give_back(self, *, own_id: str, receipt: str, amount: Money, addresses: Addresses) -> PayoutAnswer:
        """Undo the payment ``receipt``. Raises ``ValueError`` for cents: that is a bug of the caller."""
        request = {
            "Initiator": self._initiator.name,
            "SecurityCredential": self._initiator.credential,
            "CommandID": "TransactionReversal",
            "TransactionID": receipt,
            "Amount": amount.whole_units,
            "ReceiverParty": self._shortcode,
            "RecieverIdentifierType": "11",  # spelled so
            "ResultURL": addresses(UNDO),
            "QueueTimeOutURL": addresses(UNDO_LATE),
            "Remarks": "Reversal",
            "Occasion": letters(own_id),
        }
        return _sent(self._daraja, REVERSE, request)


def _sent(daraja: Daraja, path: str, request: Mapping[str, object]) -> PayoutAnswer:
    try:
        return read_taken(read_answer(daraja.send(path, request), REASONS))
    except NotAsked as refused:
        return PayoutAnswer(Outcome.REJECTED, code=refused.code, reason=refused.reason, retry_safe=True)
    except NoAnswer:
        return PayoutAnswer(Outcome.UNKNOWN, code="no_answer")


def read_taken(said: Said) -> PayoutAnswer:
    """Daraja's answer to a payout or a reversal: taken, taken before, a proven refusal, or unknown."""
    provider_id = printable(said.fields.get("ConversationID"))
    if said.code == TAKEN_OR_BROKEN and "duplicate" in said.message:
        return PayoutAnswer(Outcome.ACCEPTED, code=said.code, duplicate=True)
    return PayoutAnswer(said.outcome, provider_id, said.code, said.reason, said.retry_safe)


def cleaned(remarks: str) -> str:
    """2 to 100 letters, digits and spaces: Daraja refuses what it thinks special."""
    plain = " ".join(re.sub(r"[^A-Za-z0-9]+", " ", remarks).split())[:100].strip()
    return plain if len(plain) >= 2 else "Payment"


def letters(own_id: str) -> str:
    """Our id as people find it in the organisation's portal."""
    return re.sub(r"[^A-Za-z0-9]", "", own_id)[:100]
