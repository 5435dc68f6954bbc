"""What a key of the REST API may be allowed to do; one word per noun and direction."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    PAYMENTS_READ = "payments:read"
    PAYMENTS_WRITE = "payments:write"
    PAYOUTS_READ = "payouts:read"
    PAYOUTS_WRITE = "payouts:write"
    CREDITS_READ = "credits:read"
    CREDITS_WRITE = "credits:write"


#: Each in a sentence, for whoever makes a key.
ALLOWS = {
    Scope.PAYMENTS_READ: "see what was asked of payers, and what became of it",
    Scope.PAYMENTS_WRITE: "ask any phone to pay into any account",
    Scope.PAYOUTS_READ: "see what is paid out, and what became of it",
    Scope.PAYOUTS_WRITE: "pay out of any account, without its owner's PIN",
    Scope.CREDITS_READ: "see packages and balances of credits",
    Scope.CREDITS_WRITE: "sell credits to any account, and spend them",
}
