"""Reads the statement that operators download from M-Pesa's organisation portal, a CSV file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from gateway.domain.money import Money
from integrations.mpesa.fields import EAT, money
from integrations.protocols import StatementLine

_NEEDED = frozenset({"receiptno", "completiontime", "transactionstatus", "paidin", "withdrawn"})
_TIMES = ("%d-%m-%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")
_RECEIPT = re.compile(r"[A-Z0-9]{6,16}")
_AMOUNT = re.compile(r"-?[0-9]+(\.[0-9]+)?")
#: Where the details of a payout tell the id that we gave it.
_OWN_ID = re.compile(r"conversation ID is ([!-~]*[0-9A-Za-z])", re.IGNORECASE)

Row = Mapping[str, str]


class UnreadablePortalFile(ValueError):
    """The file is not such a statement, or one of its lines is not; ``line`` counts from 1."""

    def __init__(self, line: int, trouble: str) -> None:
        super().__init__(f"line {line}: {trouble}")
        self.line = line


def read_portal_csv(data: bytes) -> list[StatementLine]:
    """All movements, oldest first; raises ``UnreadablePortalFile`` rather than leave one out.

    ``reference`` is the account number of a payment, our own id of a payout, the receipt that a reversal undoes.
    """
    lines = [_line(number, row) for number, row in _rows(data)]
    return sorted(lines, key=lambda line: line.occurred_at)


def _rows(data: bytes) -> Iterator[tuple[int, Row]]:
    """Every row below the header, by column names in plain letters, with the number of its line."""
    columns: list[str] = []
    reader = csv.reader(io.StringIO(_text(data), newline=""), delimiter=_delimiter(data))
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if columns:
            if len(cells) < len(columns):
                raise UnreadablePortalFile(reader.line_num, "has too few columns")
            yield reader.line_num, dict(zip(columns, map(str.strip, cells), strict=False))
        elif {_plain(cell) for cell in cells} >= _NEEDED:
            columns = [_plain(cell) for cell in cells]
    if not columns:
        raise UnreadablePortalFile(1, "there is no line with the columns of a statement (Receipt No., ...)")


def _line(number: int, row: Row) -> StatementLine:
    if not _RECEIPT.fullmatch(row["receiptno"]):
        raise UnreadablePortalFile(number, "has no receipt number")
    return StatementLine(
        receipt=row["receiptno"],
        amount=_moved(number, row),
        reference=row.get("acno") or row.get("linkedtransactionid") or _own_id(row),
        kind=row.get("reasontype") or row.get("details", ""),
        done=row["transactionstatus"].lower() == "completed",
        occurred_at=_time(number, row["completiontime"] or row.get("initiationtime", "")),
    )


def _moved(number: int, row: Row) -> Money:
    """Paid in, or withdrawn, which some files write with a minus and some without."""
    paid_in, withdrawn = _amount(number, row["paidin"]), _amount(number, row["withdrawn"])
    if bool(paid_in.minor) == bool(withdrawn.minor):
        raise UnreadablePortalFile(number, "must have either an amount paid in or one withdrawn")
    return paid_in if paid_in.minor else Money(-abs(withdrawn.minor))


def _amount(number: int, written: str) -> Money:
    digits = written.replace(",", "").replace(" ", "") or "0"
    read = money(Decimal(digits), least=-(10**9)) if _AMOUNT.fullmatch(digits) else None
    if read is None:
        raise UnreadablePortalFile(number, "has an amount that is none")
    return read


def _time(number: int, written: str) -> datetime:
    plain = written.replace("/", "-")
    for form in _TIMES:
        try:
            return datetime.strptime(plain, form).replace(tzinfo=EAT).astimezone(UTC)
        except ValueError:
            continue
    raise UnreadablePortalFile(number, "has a time that is none")


def _own_id(row: Row) -> str:
    found = _OWN_ID.search(row.get("details", ""))
    return found[1] if found else ""


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _delimiter(data: bytes) -> str:
    """Spreadsheets of some countries write semicolons."""
    header = next((line for line in _text(data).splitlines() if "receipt" in line.lower()), "")
    return ";" if header.count(";") > header.count(",") else ","


def _plain(column: str) -> str:
    return re.sub(r"[^a-z]", "", column.lower())
