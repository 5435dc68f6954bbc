"""The statement of a simulated rail, read over its control API: what the rail itself says has moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.domain.money import Money
from integrations.http import Http, NoAnswer, NotSent
from integrations.protocols import StatementLine


class SimulatedStatement:
    """Reads ``GET /control/<rail>/statement``: ``{"lines": [{"receipt", "amount_minor", "currency", "reference",
    "kind", "done", "at"}]}``, oldest first; ``amount_minor`` is negative for what went out."""

    def __init__(self, name: str, simulators_url: str) -> None:
        self.name = name
        self._http = Http(f"{name} simulator", simulators_url)

    def statement(self, since: datetime, until: datetime) -> Sequence[StatementLine] | None:
        try:
            answer = self._http.ask("GET", f"/control/{self.name}/statement")
        except (NoAnswer, NotSent):
            return None
        lines = answer.fields.get("lines")
        read = [read_line(line) for line in lines] if answer.ok and isinstance(lines, list) else None
        return None if read is None else [line for line in read if since <= line.occurred_at < until]


def read_line(line: Mapping[str, Any]) -> StatementLine:
    return StatementLine(
        receipt=line["receipt"],
        amount=Money(line["amount_minor"], line["currency"]),
        reference=line["reference"],
        kind=line["kind"],
        done=line["done"],
        occurred_at=datetime.fromisoformat(line["at"]),
    )


def written_line(line: StatementLine) -> dict[str, object]:
    """The other way round, for simulators."""
    return {
        "receipt": line.receipt,
        "amount_minor": line.amount.minor,
        "currency": line.amount.currency,
        "reference": line.reference,
        "kind": line.kind,
        "done": line.done,
        "at": line.occurred_at.isoformat(),
    }
