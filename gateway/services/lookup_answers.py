"""A rail's answers to our questions as they are kept: plain JSON that names no person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.domain.money import Money
from integrations.protocols import BalanceResult, LookupResult, PaymentVerdict


def balance_of(answer: Mapping[str, Any]) -> dict[str, Money]:
    """The accounts of a stored answer."""
    return {name: Money(int(minor), currency) for name, (minor, currency) in answer["accounts"].items()}


def receipt_answer(result: LookupResult) -> dict[str, Any] | None:
    if result.verdict not in (PaymentVerdict.PAID, PaymentVerdict.FAILED):
        return None
    amount = result.amount
    return {
        "verdict": str(result.verdict),
        "amount": [amount.minor, amount.currency] if amount else None,
        "status": result.status[:64],
        "code": result.code[:64],
        "occurred_at": result.occurred_at.isoformat() if result.occurred_at else None,
    }


def balance_answer(result: BalanceResult) -> dict[str, Any] | None:
    if not result.accounts:
        return None
    return {"accounts": {name: [money.minor, money.currency] for name, money in result.accounts.items()}}
