"""The organisation portal's statement as the simulator hands it out, a CSV file."""

from __future__ import annotations

import csv
import io
from datetime import datetime

from integrations.mpesa.fields import EAT
from integrations.mpesa.ledger import PAYOUT, REVERSAL, Books, Receipt

COLUMNS = (
    "Receipt No.",
    "Completion Time",
    "Initiation Time",
    "Details",
    "Transaction Status",
    "Paid In",
    "Withdrawn",
    "Balance",
    "Balance Confirmed",
    "Reason Type",
    "Other Party Info",
    "Linked Transaction ID",
    "A/C No.",
)


def portal_csv(books: Books, now: datetime) -> bytes:
    """Newest first, after a few lines about the account, as the portal does it."""
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\r\n")
    rows.writerows(
        [
            ["Organization Name", "Mlango"],
            ["Account", "Utility Account"],
            ["Report Date", _time(now)],
            ["Opening Balance", f"{books.options.organisation_balance:,}.00"],
            [],
            COLUMNS,
        ]
    )
    rows.writerows(_row(moved) for moved in reversed(books.receipts))
    return written.getvalue().encode("utf-8-sig")


def _row(moved: Receipt) -> list[str]:
    party = f"{moved.phone[1:5]}****{moved.phone[-3:]} - JOHN DOE"
    reversed_receipt = moved.reference if moved.kind == REVERSAL else ""
    shillings, at = f"{abs(moved.amount):,}.00", _time(moved.occurred_at)
    return [
        moved.receipt,
        at,
        at,
        _details(moved, party),
        "Completed",
        shillings if moved.amount > 0 else "",
        f"-{shillings}" if moved.amount < 0 else "",
        f"{moved.balance:,}.00",
        "true",
        moved.kind,
        party,
        reversed_receipt,
        "" if moved.kind in (PAYOUT, REVERSAL) else moved.reference,
    ]


def _details(moved: Receipt, party: str) -> str:
    if moved.kind == PAYOUT:
        return f"Business Payment to {party} via API. Original conversation ID is {moved.reference}."
    if moved.kind == REVERSAL:
        return f"Reversal of {moved.reference} to {party}"
    return f"Pay Bill from {party} Acc. {moved.reference}"


def _time(at: datetime) -> str:
    return at.astimezone(EAT).strftime("%d-%m-%Y %H:%M:%S")
