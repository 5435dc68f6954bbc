"""What Daraja says of money that went out, or back: results of payouts, of questions about them, and of reversals."""

from __future__ import annotations

from datetime import datetime

from gateway.domain.phone import Phone
from integrations.mpesa.fields import moment, money, party
from integrations.mpesa.results import DONE, Result, read_result, told_ids
from integrations.protocols import PaymentVerdict, PayoutResult
from integrations.reading import printable

#: Why a payout or a reversal failed, by result code.
REASONS = {
    "1": "no_float",  # our Utility account is too low
    "2": "limit",  # below the least amount
    "3": "limit",  # above the most at once
    "4": "limit",  # usually the recipient's day
    "8": "limit",  # the recipient's wallet would be too full
    "11": "config",  # our account is not active
    "21": "config",  # the API user may not do this
    "2001": "config",  # the API user's name, password or its encryption
    "2006": "config",  # our account's status does not allow it
    "2028": "config",  # our shortcode may not do this
    "2040": "not_registered",
    "8006": "config",  # the API user's password is locked
    "SFC_IC0003": "not_registered",
    "R000001": "already",
    "R000002": "other",  # no payment has that receipt
}

#: A payment's status in words; Daraja documents ``Completed`` only. Any other word tells us nothing.
STATUSES = {
    "completed": PaymentVerdict.PAID,
    "failed": PaymentVerdict.FAILED,
    "declined": PaymentVerdict.FAILED,
    "cancelled": PaymentVerdict.FAILED,
    "expired": PaymentVerdict.FAILED,
    "pending": PaymentVerdict.PENDING,
    "initiated": PaymentVerdict.PENDING,
    "submitted": PaymentVerdict.PENDING,
    "authorized": PaymentVerdict.PENDING,
}


def read_payout(body: bytes) -> PayoutResult | None:
    """The result of a payout, ``None`` for what is none. Never raises."""
    result = read_result(body)
    if result is None or not (result.own_id or result.provider_id):
        return None
    return PayoutResult(
        verdict(result.code),
        own_id=result.own_id,
        provider_id=result.provider_id,
        receipt=(printable(result.first("TransactionReceipt")) or result.receipt) if result.code == DONE else None,
        amount=money(result.first("TransactionAmount")),
        payee=party(result.first("ReceiverPartyPublicName")),
        code=result.code,
        reason=reason(result.code),
        occurred_at=moment(result.first("TransactionCompletedDateTime")),
    )


def read_payout_late(body: bytes) -> PayoutResult:
    """A payout waited too long in a queue. That says nothing of what became of it, whatever the body says."""
    own_id, provider_id = told_ids(body)
    return PayoutResult(PaymentVerdict.NO_ANSWER, own_id, provider_id)


def read_payout_state(body: bytes) -> PayoutResult | None:
    """The answer to a question about a payout. The ids of the payout are inside; those outside are the question's."""
    result = read_result(body)
    if result is None:
        return None
    told = status(result)
    return PayoutResult(
        told,
        own_id=printable(result.first("OriginatorConversationID")),
        provider_id=printable(result.first("ConversationID")),
        receipt=printable(result.first("ReceiptNo")) if told is PaymentVerdict.PAID else None,
        amount=money(result.first("Amount")),
        payee=_payee(result),
        code=result.code,
        reason="other" if told is PaymentVerdict.FAILED else "",
        occurred_at=finished_at(result),
    )


def read_state_late(_: bytes) -> PayoutResult:
    """A question waited too long in a queue. Its ids are not the payout's."""
    return PayoutResult(PaymentVerdict.NO_ANSWER)


def read_undo(body: bytes) -> PayoutResult | None:
    """The result of a reversal. It knows no id of ours; ``receipt`` is the reversal's own."""
    result = read_result(body)
    if result is None or not result.provider_id:
        return None
    return PayoutResult(
        verdict(result.code),
        provider_id=result.provider_id,
        receipt=result.receipt if result.code == DONE else None,
        amount=money(result.first("Amount")),
        payee=party(result.first("CreditPartyPublicName")),
        code=result.code,
        reason=reason(result.code),
        occurred_at=moment(result.first("TransCompletedTime")),
    )


def read_undo_late(body: bytes) -> PayoutResult:
    """A reversal waited too long in a queue: it may still be done."""
    return PayoutResult(PaymentVerdict.NO_ANSWER, provider_id=told_ids(body)[1])


def verdict(code: str) -> PaymentVerdict:
    """A code that nobody has documented says nothing for certain: a payout called failed would be paid again."""
    if code == DONE:
        return PaymentVerdict.PAID
    return PaymentVerdict.FAILED if code in REASONS else PaymentVerdict.NO_ANSWER


def reason(code: str) -> str:
    return "" if code == DONE else REASONS.get(code, "other")


def status(result: Result) -> PaymentVerdict:
    """What became of the payment that was asked about: paid only if the question succeeded and the status says so."""
    word = printable(result.first("TransactionStatus"))
    if result.code != DONE or word is None:
        return PaymentVerdict.NO_ANSWER
    return STATUSES.get(word.lower(), PaymentVerdict.NO_ANSWER)


def finished_at(result: Result) -> datetime | None:
    return moment(result.first("FinalisedTime")) or moment(result.first("InitiatedTime"))


def _payee(result: Result) -> Phone | None:
    """Whichever party is a phone: the documented sample calls both of them the debit party."""
    return next(filter(None, map(party, result.all("CreditPartyName", "DebitPartyName"))), None)
