"""Questions to Daraja that are answered at an address of ours: a payment's state, and our balance."""

from __future__ import annotations

from collections.abc import Mapping

from integrations.http import NoAnswer
from integrations.mpesa.answers import read_answer
from integrations.mpesa.daraja import NAME, Daraja, NotAsked
from integrations.mpesa.initiator import Initiator
from integrations.protocols import Addresses, BalanceResult, Outcome

STATE = "/mpesa/transactionstatus/v1/query"
BALANCE_OF = "/mpesa/accountbalance/v1/query"
#: What kind of party a shortcode is.
SHORTCODE = "4"

#: Our addresses.
RECEIPT_STATE, RECEIPT_STATE_LATE = "receipt-state", "receipt-state-late"
BALANCE, BALANCE_LATE = "balance", "balance-late"


class Lookups:
    """Asks about payments to ``shortcode`` and about the balance of ``paying``, which payouts are made from."""

    name = NAME

    def __init__(self, daraja: Daraja, initiator: Initiator, *, shortcode: str, paying: str) -> None:
        self._daraja = daraja
        self._initiator = initiator
        self._shortcode = shortcode
        self._paying = paying

    def look_up(self, *, receipt: str, addresses: Addresses) -> Outcome:
        """Ask about one receipt of our shortcode."""
        target = {"TransactionID": receipt}
        return self.ask_state(target, self._shortcode, addresses(RECEIPT_STATE), addresses(RECEIPT_STATE_LATE))

    def ask_balance(self, *, addresses: Addresses) -> BalanceResult | Outcome:
        """Ask what the accounts hold that payouts are made from."""
        request = {"CommandID": "AccountBalance", "PartyA": self._paying, "IdentifierType": SHORTCODE}
        return self._ask(BALANCE_OF, request, "Balance", addresses(BALANCE), addresses(BALANCE_LATE))

    def ask_state(self, target: Mapping[str, str], party: str, address: str, late: str) -> Outcome:
        """Ask for the state of ``target``: a ``TransactionID`` or an ``OriginalConversationID``."""
        request = {"CommandID": "TransactionStatusQuery", **target, "PartyA": party, "IdentifierType": SHORTCODE}
        return self._ask(STATE, request, "Status", address, late)

    def _ask(self, path: str, request: Mapping[str, str], remarks: str, address: str, late: str) -> Outcome:
        named = {"Initiator": self._initiator.name, "SecurityCredential": self._initiator.credential}
        answers = {"Remarks": remarks, "ResultURL": address, "QueueTimeOutURL": late}
        try:
            return read_answer(self._daraja.ask(path, {**named, **request, **answers}), {}).outcome
        except NotAsked:
            return Outcome.REJECTED
        except NoAnswer:
            return Outcome.UNKNOWN
