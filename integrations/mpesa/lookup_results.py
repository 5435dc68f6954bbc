"""What Daraja says when asked about a receipt or about our balance."""

from __future__ import annotations

from gateway.domain.money import Money
from integrations.mpesa.fields import balance, moment, money
from integrations.mpesa.payout_results import finished_at, status
from integrations.mpesa.results import DONE, read_result
from integrations.protocols import BalanceResult, LookupResult, PaymentVerdict
from integrations.reading import printable

#: Codes by which Daraja says for certain that it has no such receipt.
NO_SUCH_RECEIPT = frozenset({"R000002"})

#: Why a balance was not told, by result code; kept with the answer, for whoever reads it.
BALANCE_TROUBLE = {
    "15": "asked twice under one id",
    "17": "failed inside M-Pesa",
    "18": "the API user's credential is wrong",
    "20": "there is no such API user",
    "21": "the API user may not ask this",
    "22": "the API user may not ask this",
    "24": "a field is missing",
    "25": "a field is wrong",
    "26": "too much traffic",
    "29": "there is no such command",
} | {str(code): "the way to M-Pesa is busy" for code in range(100_000_000, 100_000_012)}


def read_receipt_state(body: bytes) -> LookupResult | None:
    """The answer to a question about a receipt, ``None`` for what is none. Never raises."""
    result = read_result(body)
    if result is None:
        return None
    return LookupResult(
        PaymentVerdict.FAILED if result.code in NO_SUCH_RECEIPT else status(result),
        receipt=printable(result.first("ReceiptNo")),
        amount=money(result.first("Amount")),
        own_id=printable(result.first("OriginatorConversationID")),
        code=result.code,
        status=printable(result.first("TransactionStatus")) or "",
        occurred_at=finished_at(result),
    )


def read_receipt_late(_: bytes) -> LookupResult:
    """The question waited too long in a queue."""
    return LookupResult(PaymentVerdict.NO_ANSWER)


def read_balance(body: bytes) -> BalanceResult | None:
    """Every account's current balance, what is reserved in it included; ``None`` for what is none. Never raises."""
    result = read_result(body)
    if result is None:
        return None
    listed = result.first("AccountBalance") if result.code == DONE else None
    return BalanceResult(_accounts(listed), result.code, moment(result.first("BOCompletedTime")))


def read_balance_late(_: bytes) -> BalanceResult:
    """The question waited too long in a queue."""
    return BalanceResult({})


def _accounts(listed: object) -> dict[str, Money]:
    """``Utility Account|KES|228037.00|...&...``: by name, the first of the numbers. Unreadable ones are left out."""
    accounts: dict[str, Money] = {}
    for account in listed.split("&") if isinstance(listed, str) else []:
        name, currency, current = [*account.split("|"), "", "", ""][:3]
        held = balance(current)
        if printable(name) and currency == "KES" and held is not None:
            accounts[name.strip()] = held
    return accounts
