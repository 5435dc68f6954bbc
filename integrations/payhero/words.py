"""PayHero's codes and words for what came to nothing, in our words."""

from __future__ import annotations

#: Why a prompt came to nothing: PayHero hands M-Pesa's result codes on. Any other code has failed as well.
REASONS = {
    "1": "no_money",
    "2": "limit",
    "3": "limit",
    "4": "limit",
    "8": "limit",
    "17": "busy",
    "26": "busy",
    "1001": "busy",
    "1019": "timeout",
    "1025": "config",
    "1031": "cancelled",
    "1032": "cancelled",
    "1036": "timeout",
    "1037": "timeout",
    "1101": "config",
    "1102": "config",
    "2001": "wrong_pin",
    "2028": "config",
    "8006": "wrong_pin",
    "9999": "other",
    "SFC_IC0003": "config",
    "E3008": "other",
}
#: Why a withdrawal came to nothing, by the codes of M-Pesa's payouts.
PAYOUT_REASONS = {
    "1": "no_float",
    "2": "limit",
    "3": "limit",
    "4": "limit",
    "8": "limit",
    "11": "config",
    "21": "config",
    "26": "busy",
    "2001": "config",
    "2006": "config",
    "2028": "config",
    "2040": "not_registered",
    "8006": "config",
    "SFC_IC0003": "not_registered",
}
#: The older contract has words only. One that we do not know decides nothing.
OLDER_REASONS = {
    "failed": "declined",
    "failure": "declined",
    "declined": "declined",
    "rejected": "declined",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "expired": "timeout",
    "timeout": "timeout",
}
