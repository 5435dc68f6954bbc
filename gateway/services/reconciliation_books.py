"""What our own rows say about a rail: all that moved in a period, and all that a statement's lines name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway.domain.errors import AccountNotFound
from gateway.domain.money import Money
from gateway.services.ledger import Ledger
from gateway.services.ledger_entries import at_rail
from gateway.services.payment_desk import cursor_of
from gateway.services.reconciliation_values import Booked, OurPayment, OurPayout, Ours, Period
from integrations.protocols import StatementLine

_RECEIPTS = text("""
    SELECT r.receipt, r.created_at AS booked_at, p.id, p.reference, p.provider_id, p.receipt AS own, p.received_minor,
           p.currency, p.created_at AS began_at
    FROM receipts r JOIN payments p ON p.id = r.payment_id
    WHERE r.rail = :rail AND (r.receipt = ANY(:receipts) OR (r.created_at >= :since AND r.created_at < :until))
""")
_WITHOUT_RECEIPT = text("""
    SELECT id, reference, provider_id, received_minor, currency, created_at AS began_at, resolved_at AS booked_at
    FROM payments WHERE rail = :rail AND created_at >= :since AND created_at < :until
    AND received_minor IS NOT NULL AND receipt IS NULL AND resolved_at IS NOT NULL
""")
_ARRIVALS = text("""
    SELECT receipt, amount_minor, currency, payment_id, coalesce(occurred_at, created_at) AS began_at,
           greatest(occurred_at, created_at) AS booked_at
    FROM arrivals WHERE rail = :rail AND state IN ('credited', 'suspended', 'returned')
    AND (receipt = ANY(:receipts) OR (created_at >= :since AND created_at < :until))
""")
_PAYOUTS = text("""
    SELECT p.id, p.reference, p.receipt, p.amount_minor, p.currency, p.created_at AS began_at, p.state,
           p.resolved_at AS booked_at, min(a.called_at) AS first_at, max(a.called_at) AS called_at,
           -- what is undone is known there by the receipt that came
           array_remove(
               array_agg(a.own_id ORDER BY a.number DESC) || array_agg(a.provider_id) || p.undone_receipt, NULL
           ) AS ids
    FROM payouts p LEFT JOIN payout_attempts a ON a.payout_id = p.id
    WHERE p.rail = :rail AND (
        (p.created_at >= :since AND p.created_at < :until) OR p.receipt = ANY(:receipts) OR p.reference = ANY(:names)
        OR p.undone_receipt = ANY(:names)
        OR p.id IN (SELECT payout_id FROM payout_attempts WHERE own_id = ANY(:names) OR provider_id = ANY(:names)))
    GROUP BY p.id ORDER BY (p.state = 'returned') DESC, p.id
""")
_PAYMENTS = text("""
    SELECT id, reference, provider_id, state, amount_minor, currency, received_minor, receipt FROM payments
    WHERE rail = :rail AND (reference = ANY(:names) OR provider_id = ANY(:names))
""")
#: What may be on its way between the rail and us: in either direction, in minor units.
_MOVING = text("""
    SELECT (SELECT coalesce(sum(greatest(amount_minor, received_minor)), 0) FROM payments
            WHERE rail = :rail AND currency = :currency AND created_at >= :longest
            AND (state IN ('requested', 'prompted', 'unknown') OR resolved_at >= :since))
         + (SELECT coalesce(sum(amount_minor), 0) FROM arrivals
            WHERE rail = :rail AND currency = :currency AND created_at >= :longest
            AND (state = 'asking' OR created_at >= :since))
         + (SELECT coalesce(sum(amount_minor), 0) FROM payouts
            WHERE rail = :rail AND currency = :currency AND created_at >= :longest
            AND (state IN ('submitted', 'unknown') OR resolved_at >= :since))
""")
_LONGEST = timedelta(days=31)


class Books:
    """Our side of one rail, read on the caller's transaction."""

    def __init__(self, session: Session, ledger: Ledger, rail: str) -> None:
        self._session = session
        self._ledger = ledger
        self._rail = rail

    def read(self, lines: Sequence[StatementLine], period: Period) -> Ours:
        values = {
            "rail": self._rail,
            "since": period.since,
            "until": period.until,
            "receipts": list({line.receipt for line in lines}),
            "names": list({line.reference for line in lines if line.reference}),
        }
        payouts = self._rows(_PAYOUTS, values)
        booked = [*self._payments(values), *self._arrivals(values), *self._paid(payouts)]
        return Ours(booked, self._named_payments(values), dict(_named_payouts(payouts)))

    def float_balance(self, currency: str) -> Money | None:
        """What we believe to hold there; ``None`` when we hold no such currency at this rail."""
        try:
            return self._ledger.balance(cursor_of(self._session), at_rail("float", self._rail, currency))
        except AccountNotFound:
            return None

    def moving(self, currency: str, since: datetime) -> int:
        """How much may be on its way in either direction, or was booked after ``since``: in minor units."""
        values = {"rail": self._rail, "currency": currency, "since": since, "longest": since - _LONGEST}
        return int(self._session.execute(_MOVING, values).scalar_one())

    def _rows(self, query: Any, values: dict[str, object]) -> Sequence[Any]:
        return self._session.execute(query, values).all()

    def _payments(self, values: dict[str, object]) -> Iterator[Booked]:
        for row in [*self._rows(_RECEIPTS, values), *self._rows(_WITHOUT_RECEIPT, values)]:
            receipt = getattr(row, "receipt", None)
            amount = self._amount(row, receipt)
            if amount is not None:
                names = (row.reference, *filter(None, [row.provider_id]))
                yield Booked(receipt, amount, names, row.began_at, row.booked_at, payment_id=row.id)

    def _amount(self, row: Any, receipt: str | None) -> Money | None:
        """What came under a receipt: the payment's own, or by the entry of one that came on top."""
        if receipt is None or receipt == row.own:
            return None if row.received_minor is None else Money(row.received_minor, row.currency)
        found = self._ledger.find(cursor_of(self._session), "payment", f"{row.reference}:{receipt}")
        return found.amounts[0] if found and found.amounts else None

    def _arrivals(self, values: dict[str, object]) -> Iterator[Booked]:
        for row in self._rows(_ARRIVALS, values):
            amount = Money(row.amount_minor, row.currency)
            yield Booked(row.receipt, amount, (row.receipt,), row.began_at, row.booked_at, row.payment_id)

    def _paid(self, payouts: Sequence[Any]) -> Iterator[Booked]:
        for row in payouts:
            if row.state == "paid":
                amount, names = Money(-row.amount_minor, row.currency), (row.reference, *row.ids)
                yield Booked(row.receipt, amount, names, row.began_at, row.booked_at, payout_id=row.id)

    def _named_payments(self, values: dict[str, object]) -> dict[str, OurPayment]:
        found: dict[str, OurPayment] = {}
        for row in self._rows(_PAYMENTS, values):
            received = None if row.received_minor is None else Money(row.received_minor, row.currency)
            is_open = row.state in ("requested", "prompted", "unknown")
            payment = OurPayment(row.id, is_open, Money(row.amount_minor, row.currency), received, row.receipt)
            found |= {name: payment for name in (row.reference, row.provider_id) if name}
        return found


def _named_payouts(rows: Sequence[Any]) -> Iterator[tuple[str, OurPayout]]:
    for row in rows:
        names = (*row.ids, row.reference)
        first_at, called_at = row.first_at or row.began_at, row.called_at or row.began_at
        amount = Money(row.amount_minor, row.currency)
        payout = OurPayout(row.id, row.reference, names, row.state, amount, row.receipt, first_at, called_at)
        yield from ((name, payout) for name in names)
