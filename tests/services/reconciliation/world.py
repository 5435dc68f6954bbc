"""A rail of its own for every test, with its statement, payouts as rows, and the real books between them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from gateway.db import Database
from gateway.domain.money import Money
from gateway.domain.references import new_reference
from gateway.models.differences import Difference
from gateway.models.payouts import PayoutAttempt, insert_payout
from gateway.services.ledger import Entry, Leg
from gateway.services.payment_desk import cursor_of
from gateway.services.payments import Payments
from gateway.services.reconciliation import Reconciliation
from gateway.services.reconciliation_hands import Hands
from gateway.vault import Vault
from integrations.protocols import ArrivalNotice, PaymentVerdict, PayoutResult, StatementLine
from tests.conftest import Clock
from tests.services.payments.world import World, fresh_phone, new_receipt


@dataclass
class Statement:
    """What the rail's own books have; ``says`` is false while it does not tell."""

    name: str
    lines: list[StatementLine] = field(default_factory=list)
    says: bool = True

    def statement(self, since: datetime, until: datetime) -> Sequence[StatementLine] | None:
        told = [line for line in self.lines if since <= line.occurred_at < until]
        return sorted(told, key=lambda line: line.occurred_at) if self.says else None


class Reconciled(World):
    """A world whose rail keeps a statement."""

    def __init__(self, db: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(db, vault, clock)
        self.rail.name = f"r{secrets.token_hex(5)}"
        self.statement = Statement(self.rail.name)
        self.settings = self.settings.model_copy(update={"collect_rail": self.rail.name})
        rails = {self.rail.name: replace(self.rail.as_rail, keeps_statement=self.statement)}
        self.desk = replace(self.desk, rails=rails, settings=self.settings)
        self.payments = Payments(self.desk)
        self.told_balance: tuple[Mapping[str, Money], datetime] | None = None
        self.payout_results: list[tuple[int, PayoutResult]] = []
        self.arrivals: list[tuple[str, ArrivalNotice]] = []
        hands = Hands(
            self.payments.result,
            payout=self.payout_result,
            arrival=lambda rail, notice: self.arrivals.append((rail, notice)),
            ask_payout=lambda session, payout: self.jobs._on_commit(session, ("ask_payout", payout.id)),
            balance=lambda _: self.told_balance,
        )
        self.reconciliation = Reconciliation(db, self.ledger, rails, self.jobs, clock, hands)
        with db.transaction() as session:
            for kind in ("float", "clearing", "suspense"):
                self.ledger.open_account(cursor_of(session), f"{kind}:{self.rail.name}")

    def run(self, **period: Any) -> list[tuple[str, str]]:
        """Reconcile; kinds and actions of what is open, in order of time."""
        return [(one.kind, one.action) for one in self.reconciliation.run(self.rail.name, **period)]

    def found(self) -> list[Difference]:
        return self.reconciliation.open(self.rail.name)

    def apply_all(self) -> list[str | None]:
        return [self.reconciliation.apply(one.id) for one in self.found()]

    def line(self, shillings: int, reference: str = "", receipt: str = "", **more: Any) -> StatementLine:
        """The rail writes down a movement, now."""
        values: dict[str, Any] = {"kind": "", "done": True, "occurred_at": self.clock()}
        line = StatementLine(receipt or new_receipt(), Money.major(shillings), reference, **(values | more))
        self.statement.lines.append(line)
        return line

    def later(self, **by: float) -> None:
        self.clock.move(**(by or {"hours": 1}))

    def deposit(self, shillings: int = 500) -> StatementLine:
        """A payment that both sides have."""
        payment_id = self.prompted(shillings)
        line = self.line(shillings, self.row(payment_id).reference)
        self.callback(payment_id, self.paid(payment_id, shillings, line.receipt))
        return line

    def deposit_of_another(self, shillings: int = 500) -> None:
        payment_id = self.prompted_by_another(shillings)
        line = self.line(shillings, self.row(payment_id).reference)
        self.callback(payment_id, self.paid(payment_id, shillings, line.receipt))

    def unheard(self, shillings: int = 500) -> tuple[int, StatementLine]:
        """A payment that only the rail knows to be paid."""
        payment_id = self.prompted(shillings)
        return payment_id, self.line(shillings, self.row(payment_id).reference)

    def prompted_by_another(self, shillings: int = 500) -> int:
        """A prompt of somebody else: nobody has two at once."""
        self.phone = fresh_phone()
        self.number = self.open_account(self.phone)
        return self.prompted(shillings)

    def rail_says_nothing(self, payment_id: int) -> None:
        self.rail_says(payment_id, PaymentVerdict.NO_ANSWER)

    def payout(
        self, shillings: int = 100, state: str = "unknown", receipt: str | None = None, **more: Any
    ) -> tuple[int, str]:
        """A payout's row, its money set aside, and its one attempt: the payout's id and our id of the attempt.

        ``undone`` among ``more`` is the receipt that it gives back at the rail.
        """
        own_id, now, rail = secrets.token_hex(8), self.clock(), self.rail.name
        what: dict[str, Any] = {"purpose": "withdraw", "way": "send", "payee_sealed": "x"}
        if undone := more.pop("undone", None):
            what = {"purpose": "refund", "way": "reverse", "undone_receipt": undone}
        with self.db.transaction() as session:
            payout_id = insert_payout(
                session, reference=new_reference(), idempotency_key=own_id, rail=rail, held_from=f"suspense:{rail}",
                amount_minor=shillings * 100, currency="KES",
                state=state, receipt=receipt, created_at=now, submitted_at=now, attempts=1,
                resolved_at=now if state in ("paid", "returned") else None, **(what | more),
            )  # fmt: skip
            assert payout_id
            session.add(PayoutAttempt(payout_id=payout_id, number=1, own_id=own_id, token=own_id, called_at=now))
            self._post(session, f"suspense:{rail}", f"clearing:{rail}", shillings * 100)
            if state == "paid":
                self._post(session, f"clearing:{rail}", f"float:{rail}", shillings * 100)
        return payout_id, own_id

    def reversal(self, undone: str, shillings: int = 100, state: str = "unknown", receipt: str | None = None) -> int:
        """A payment that is undone at the rail, which knows no id of ours for it: the payout's id."""
        how = {"purpose": "refund", "way": "reverse", "payee_sealed": None, "undone_receipt": undone}
        return self.payout(shillings, state, receipt, **how)[0]

    def payout_result(self, payout_id: int, result: PayoutResult) -> str:
        """What the payouts' own rules would do, as far as it is seen here."""
        self.payout_results.append((payout_id, result))
        paid = result.verdict is PaymentVerdict.PAID
        with self.db.transaction() as session:
            query = text(
                "UPDATE payouts SET state = :s, receipt = :r, resolved_at = :t WHERE id = :i RETURNING amount_minor"
            )
            values = {"s": "paid" if paid else "returned", "r": result.receipt, "t": self.clock(), "i": payout_id}
            minor = session.execute(query, values).scalar_one()
            self._post(
                session, f"clearing:{self.rail.name}", f"{'float' if paid else 'suspense'}:{self.rail.name}", minor
            )
        return "paid" if paid else "returned"

    def post(self, debit: str, credit: str, shillings: int) -> None:
        """An entry past every payment: ``float`` and the like are this rail's."""
        with self.db.transaction() as session:
            self._post(session, f"{debit}:{self.rail.name}", f"{credit}:{self.rail.name}", shillings * 100)

    def _post(self, session: Any, debit: str, credit: str, minor: int) -> None:
        entry = Entry("test", secrets.token_hex(8), "test", new_reference(), (Leg(debit, credit, Money(minor)),))
        self.ledger.post(cursor_of(session), entry).or_refuse()


def days(count: float) -> timedelta:
    return timedelta(days=count)
