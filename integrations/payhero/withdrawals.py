"""PayHero's withdrawals: money out of our wallet there to a phone, and what became of it.

No idempotency is documented: the same ``external_reference`` twice may be paid twice. So a withdrawal is sent once,
and in silence it is looked for. It is asked about by ``merchant_reference``: transaction-status takes PayHero's own
id, which an answer to a payment calls ``reference`` and an answer to a withdrawal so; ``checkout_request_id`` is told
there, not taken. Where that finds nothing, or the answer with the id was lost, it is sought by our own reference in
the list of transactions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.payhero.callbacks import PAID_OUT, receipt_in, status_verdict
from integrations.payhero.calls import NAME, Calls, Started
from integrations.payhero.values import phone as phone_in
from integrations.payhero.values import shillings, text, word
from integrations.protocols import Addresses, Outcome, PaymentVerdict, PayoutAnswer, PayoutResult

WITHDRAW = "/withdraw"
TRANSACTIONS = "/transactions"
_STATUS = "/transaction-status"
SAFARICOM = "63902"

_ROWS = 20
_MOST_PAGES = 10
#: ``declined`` is said of payers only.
_PAYOUT_WORDS = {"declined": "other"}
#: Of several rows with our reference the best known one counts: whatever was paid once is paid.
_BY_WEIGHT = (PaymentVerdict.PAID, PaymentVerdict.PENDING, PaymentVerdict.FAILED)


class Withdrawals:
    """Payouts from one payment channel. Safe to share between threads."""

    name = NAME
    repeatable = False

    def __init__(self, calls: Calls, channel_id: int) -> None:
        self._calls = calls
        self._channel_id = channel_id

    def pay(self, *, own_id: str, phone: Phone, amount: Money, remarks: str, addresses: Addresses) -> PayoutAnswer:
        """Pay whole shillings, once. Raises ``ValueError`` for cents: that is a bug of the caller."""
        request = {
            "external_reference": own_id,
            "amount": amount.whole_units,
            "phone_number": phone.msisdn,
            "network_code": SAFARICOM,
            "channel": "mobile",
            "channel_id": self._channel_id,
            "payment_service": "b2c",
            "callback_url": addresses(PAID_OUT),
        }
        return _answer(self._calls.start(WITHDRAW, request))

    def ask_payout(self, *, own_id: str, provider_id: str | None, addresses: Addresses) -> PayoutResult:
        """What became of it; ``NO_ANSWER`` also when it is not in the list, for that may be late."""
        fields = self._calls.fields(_STATUS, reference=provider_id) if provider_id else {}
        if status_verdict(fields) is PaymentVerdict.NO_ANSWER:
            fields = self._listed(own_id)
        return _result(own_id, provider_id, fields)

    def _listed(self, own_id: str) -> Mapping[str, Any]:
        rows = [row for row in self._rows() if text(row.get("external_reference")) == own_id]
        verdicts = [status_verdict(row) for row in rows]
        best = next((verdict for verdict in _BY_WEIGHT if verdict in verdicts), None)
        return rows[verdicts.index(best)] if best else {}

    def _rows(self) -> Iterator[Mapping[str, Any]]:
        for page in range(1, _MOST_PAGES + 1):
            told = self._calls.fields(TRANSACTIONS, page=str(page), per=str(_ROWS)).get("transactions")
            rows = told if isinstance(told, list) else []
            yield from (row for row in rows if isinstance(row, dict))
            if len(rows) < _ROWS:
                return


def _answer(started: Started) -> PayoutAnswer:
    """Accepted is ``QUEUED`` with ``response_code`` 0; what contradicts itself is unknown."""
    fields, outcome, reason = started.fields, started.outcome, started.reason
    code, queued = text(fields.get("response_code")), word(fields.get("status")) == "queued"
    if outcome is Outcome.ACCEPTED and not (queued and code in (None, "0")):
        refused = code not in (None, "0") and not queued
        outcome, reason = (Outcome.REJECTED, "other") if refused else (Outcome.UNKNOWN, "")
    if outcome is Outcome.REJECTED:
        reason = "no_float" if "insufficient" in started.refusal else _PAYOUT_WORDS.get(reason, reason)
    return PayoutAnswer(
        outcome, text(fields.get("merchant_reference")), code or started.code, reason, started.retry_safe
    )


def _result(own_id: str, provider_id: str | None, fields: Mapping[str, Any]) -> PayoutResult:
    verdict = status_verdict(fields)
    paid = verdict is PaymentVerdict.PAID
    return PayoutResult(
        verdict,
        own_id,
        provider_id or text(fields.get("reference")),
        receipt=receipt_in(fields, provider_id) if paid else None,
        amount=shillings(fields.get("amount")) if paid else None,
        payee=phone_in(fields.get("phone_number")) if paid else None,
        code=word(fields.get("status")),
        reason="other" if verdict is PaymentVerdict.FAILED else "",
    )
