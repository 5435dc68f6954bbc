"""The organisation portal's statement, as files from there look, and as the simulator hands it out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.domain.money import Money
from integrations.mpesa.portal import UnreadablePortalFile, read_portal_csv
from integrations.protocols import StatementLine

HEAD = (
    "Organization Name,Mlango\nShort Code,174379\nReport Date,21-11-2025 10:00:00\n\n"
    "Receipt No.,Completion Time,Initiation Time,Details,Transaction Status,Paid In,Withdrawn,Balance,"
    "Balance Confirmed,Reason Type,Other Party Info,Linked Transaction ID,A/C No.\n"
)
PAID = (
    "TKL51ZDR4F,21-11-2025 09:13:25,21-11-2025 09:13:24,Pay Bill from 2547****126 - JOHN DOE Acc. ML7F3K9Q,"
    'Completed,"1,500.00",,"101,500.00",true,Pay Utility,2547****126 - JOHN DOE,,ML7F3K9Q\n'
)
PAID_OUT = (
    "TKL0000001,21-11-2025 08:00:00,21-11-2025 08:00:00,Business Payment to 2547****126 - JOHN DOE via API. "
    'Original conversation ID is 3f0c9a1e-77aa.,Completed,,-300.50,"99,699.50",true,'
    "Business Payment to Customer via API,2547****126 - JOHN DOE,,\n"
)
UNDONE = (
    "TKL0000002,21-11-2025 09:20:00,21-11-2025 09:20:00,Reversal,Completed,,500.00,1.00,true,"
    "Transaction Reversal,2547****126,TKL51ZDR4F,\n"
)
PAYMENT = StatementLine(
    "TKL51ZDR4F", Money.major(1500), "ML7F3K9Q", "Pay Utility", True, datetime(2025, 11, 21, 6, 13, 25, tzinfo=UTC)
)


def test_every_movement_is_read_oldest_first() -> None:
    payout, payment, undone = read_portal_csv((HEAD + UNDONE + PAID + PAID_OUT).encode())
    assert payment == PAYMENT
    assert payout == StatementLine(
        "TKL0000001",
        Money(-30_050),
        "3f0c9a1e-77aa",
        "Business Payment to Customer via API",
        True,
        datetime(2025, 11, 21, 5, 0, tzinfo=UTC),
    )
    assert (undone.amount, undone.reference) == (Money.major(-500), "TKL51ZDR4F")


@pytest.mark.parametrize(
    "data",
    [
        (HEAD + PAID).encode("utf-8-sig"),
        (HEAD + PAID).replace("\n", "\r\n").encode(),
        (HEAD + "\n" + PAID + "\n,,,,,,,,,,,,\n").encode(),
        (HEAD + PAID).replace("21-11-2025 09", "2025-11-21 09").encode(),
        (HEAD + PAID).replace("21-11-2025 09", "21/11/2025 09").encode(),
        (HEAD + PAID).replace('"1,500.00"', "1500").encode(),
        (HEAD + PAID).replace('"1,500.00"', '" 1,500.00 "').replace(",,", ",0.00,", 1).encode(),
        (HEAD + PAID).replace("JOHN DOE", "JÖHN DOE").encode("latin-1"),
        (HEAD + PAID).replace("Receipt No.", "RECEIPT NO").replace("A/C No.", "A/C No").encode(),
        (HEAD + PAID).replace("Completed", "COMPLETED").encode(),
        PAID.join([HEAD.partition("\n\n")[2], ""]).encode(),
        (HEAD + PAID).replace('"1,500.00"', "1500.00").replace('"101,500.00"', "1").replace(",", ";").encode(),
    ],
)
def test_the_forms_in_which_such_files_come(data: bytes) -> None:
    assert read_portal_csv(data) == [PAYMENT]


@pytest.mark.parametrize("status", ["Failed", "Cancelled", "Declined", "Pending", ""])
def test_what_did_not_happen_is_told_as_not_done(status: str) -> None:
    (line,) = read_portal_csv((HEAD + PAID.replace("Completed", status)).encode())
    assert (line.done, line.receipt) == (False, "TKL51ZDR4F")


def test_a_file_of_no_movements_is_empty() -> None:
    assert read_portal_csv(HEAD.encode()) == []


@pytest.mark.parametrize(
    ("row", "trouble"),
    [
        (PAID.replace("TKL51ZDR4F", "", 1), "no receipt number"),
        (PAID.replace("TKL51ZDR4F", "Total", 1), "no receipt number"),
        (PAID.replace("21-11-2025 09:13:25", "yesterday"), "a time that is none"),
        (PAID.replace("21-11-2025 09:13:25", "31-02-2025 09:13:25"), "a time that is none"),
        (PAID.replace('"1,500.00"', "many"), "an amount that is none"),
        (PAID.replace('"1,500.00"', "1.005"), "an amount that is none"),
        (PAID.replace('"1,500.00"', "9" * 30), "an amount that is none"),
        (PAID.replace('"1,500.00"', ""), "either an amount paid in or one withdrawn"),
        (PAID.replace('"1,500.00",', "5,5"), "either an amount paid in or one withdrawn"),
        ("TKL51ZDR4F,21-11-2025 09:13:25\n", "too few columns"),
    ],
)
def test_a_line_that_cannot_be_read_stops_the_reading_and_is_named(row: str, trouble: str) -> None:
    with pytest.raises(UnreadablePortalFile, match=trouble) as unreadable:
        read_portal_csv((HEAD + PAID_OUT + row).encode())
    assert unreadable.value.line == 7
    assert str(unreadable.value).startswith("line 7: ")


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"Receipt,Amount\nA,1\n", b"{}", b"a;b;c\n" * 3])
def test_a_file_that_is_no_statement_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadablePortalFile, match="no line with the columns") as unreadable:
        read_portal_csv(data)
    assert unreadable.value.line == 1
