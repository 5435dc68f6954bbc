"""Money that comes without being asked for: heard of, doubted or believed, and what people do with what is left over.

A message is believed when it came to the address that only the rail was told and is about a moderate amount. Else the
rail is asked (``arrival_questions``), and its answer decides. Nothing is booked before the money is shown to be there.
"""

from __future__ import annotations

import structlog
from sqlalchemy.orm import Session

from gateway.domain.money import Money
from gateway.domain.states import ArrivalState
from gateway.models.arrivals import (
    Arrival,
    arrival_by_receipt,
    arrival_locked,
    hints_being_asked,
    insert_arrival,
)
from gateway.services.arrival_questions import ArrivalJobs, Questions
from gateway.services.arrival_settling import Settling
from gateway.services.arrival_suspense import UNPROVED, Suspense, Waiting
from gateway.services.payment_desk import Desk
from gateway.services.payments import Payments
from gateway.settings import new_token
from integrations.protocols import ArrivalNotice, LookupResult, PaymentVerdict

_log = structlog.get_logger(__name__)

#: How many bodies that anybody may have sent are asked about at a time; the others wait for their turn.
MOST_HINTS = 20
_LONGEST_TYPED = 64


class Arrivals:
    """Everything the gateway does with money that came by itself."""

    def __init__(self, desk: Desk, payments: Payments, jobs: ArrivalJobs) -> None:
        self._desk = desk
        self._settling = Settling(desk, payments)
        self._questions = Questions(desk, jobs, self._settling)
        self._suspense = Suspense(desk, self._settling)

    def heard(self, rail: str, notice: ArrivalNotice, *, tokened: bool, proven: bool = False) -> str | None:
        """A message of money: what was done, ``None`` when it must come again later.

        ``tokened``: it came to the address that only the rail was told. ``proven``: the rail signed it.
        """
        told_by_rail = tokened or proven
        with self._desk.db.transaction() as session:
            if not told_by_rail and hints_being_asked(session) >= MOST_HINTS:
                return None
            if told_by_rail and self._settling.is_ambiguous(session, rail, notice):
                return None
            arrival, is_new = self._row(session, rail, notice, told_by_rail)
            if not is_new and not _corrects(arrival, notice, told_by_rail):
                return "repeated"
            self._write(arrival, notice, told_by_rail)
            is_there = proven or arrival.state == ArrivalState.SUSPENDED
            if is_there or (tokened and self._is_moderate(notice.amount)):
                return self._settling.believe(session, arrival)
            return self._questions.begin(session, arrival)

    def ask(self, arrival_id: int, check: int) -> None:
        """The job that asks the rail; harmless when it runs again."""
        self._questions.ask(arrival_id, check)

    def resume_lost(self) -> int:
        """Defer again the questions whose jobs were lost, and suspend what could not go back; returns how many."""
        return self._questions.resume_lost() + self._suspense.take_failed_returns()

    def looked_up(self, rail: str, receipt: str, result: LookupResult) -> str | None:
        """What the rail says of a receipt, at an address that proves it: ``None`` when no message told of it."""
        with self._desk.db.transaction() as session:
            found = arrival_by_receipt(session, rail, receipt)
            return self._questions.answered(session, arrival_locked(session, found.id), result) if found else None

    def stated(self, rail: str, notice: ArrivalNotice) -> str:
        """The rail's own statement has this money, and does not say for whom: what a message told of it stays.

        What no message told of waits in suspense; the true message moves it, should it come after all.
        """
        with self._desk.db.transaction() as session:
            arrival, _ = self._row(session, rail, notice, tokened=False)
            there = LookupResult(PaymentVerdict.PAID, notice.receipt, notice.amount)
            return self._questions.answered(session, arrival, there)

    def waiting(self) -> list[Waiting]:
        """What a person must look at, oldest first."""
        return self._suspense.waiting()

    def assign(self, receipt: str, account_number: str, because: str, *, rail: str | None = None) -> None:
        """A person knows whose money it is; see ``Suspense.assign`` for what is refused."""
        self._suspense.assign(receipt, account_number, because, rail)

    def give_back(self, receipt: str, because: str, *, rail: str | None = None) -> str:
        """Send it back to who paid; see ``Suspense.give_back`` for what is refused."""
        return self._suspense.give_back(receipt, because, rail)

    def _row(self, session: Session, rail: str, notice: ArrivalNotice, tokened: bool) -> tuple[Arrival, bool]:
        """The locked row of a receipt, and whether it is new."""
        values = self._values(notice) | {"tokened": tokened, "created_at": self._desk.clock()}
        made = insert_arrival(session, rail=rail, receipt=notice.receipt, token=new_token(), **values)
        if made is not None:
            return arrival_locked(session, made), True
        found = arrival_by_receipt(session, rail, notice.receipt)
        assert found is not None, "a row that stood in the way is never deleted"
        return arrival_locked(session, found.id), False

    def _write(self, arrival: Arrival, notice: ArrivalNotice, tokened: bool) -> None:
        for name, value in self._values(notice).items():
            setattr(arrival, name, value)
        arrival.tokened = tokened

    def _values(self, notice: ArrivalNotice) -> dict[str, object]:
        payer = notice.payer.e164 if notice.payer else notice.payer_told
        seal = self._desk.vault.seal
        return {
            "amount_minor": notice.amount.minor,
            "currency": notice.amount.currency,
            "typed_sealed": seal(_storable(notice.typed)),
            "payer_sealed": seal(_storable(payer)) if payer else None,
            "occurred_at": notice.occurred_at,
        }

    def _is_moderate(self, amount: Money) -> bool:
        return amount <= Money.major(self._desk.settings.ask_rail_above, amount.currency)


def _corrects(arrival: Arrival, notice: ArrivalNotice, tokened: bool) -> bool:
    """Whether a later message replaces what an earlier one told: only the rail's own does, and never what is booked."""
    if arrival.state in UNPROVED:
        return tokened
    is_open = arrival.state == ArrivalState.SUSPENDED and not arrival.tokened
    return tokened and is_open and arrival.amount == notice.amount


def _storable(text: str) -> str:
    """A stranger's text without what cannot be written down."""
    return text[:_LONGEST_TYPED].encode("utf-8", "replace").decode()
