"""What people do with money that waits in suspense: say whose it is, or send it back to who paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from gateway.domain.errors import AccountNotFound, CannotGiveBack, NothingWaiting
from gateway.domain.money import Money
from gateway.domain.states import ArrivalState
from gateway.models.accounts import account_by_number
from gateway.models.arrival_payouts import failed_returns
from gateway.models.arrivals import Arrival, advance, arrivals_by_receipt, arrivals_for_people
from gateway.services import arrival_books as books
from gateway.services.arrival_payers import clear
from gateway.services.arrival_settling import Settling
from gateway.services.payment_desk import Desk
from gateway.services.refunds import Refund

_log = structlog.get_logger(__name__)

#: Nobody has shown that the money is there.
UNPROVED = (ArrivalState.ASKING, ArrivalState.DISBELIEVED)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Money that waits for a person. ``typed`` is a stranger's text and may be a phone number."""

    rail: str
    receipt: str
    amount: Money
    state: str
    typed: str
    because: str
    at: datetime


class Suspense:
    """The desk of what waits. Several people at once decide once."""

    def __init__(self, desk: Desk, settling: Settling) -> None:
        self._desk = desk
        self._settling = settling

    def waiting(self) -> list[Waiting]:
        """What a person must look at, oldest first."""
        with self._desk.db.transaction() as session:
            rows = arrivals_for_people(session)
        return [
            Waiting(
                row.rail,
                row.receipt,
                row.amount,
                row.state,
                self._desk.vault.open(row.typed_sealed),
                row.because or "",
                row.created_at,
            )
            for row in rows
        ]

    def assign(self, receipt: str, account_number: str, because: str, rail: str | None) -> None:
        """A person knows whose money it is: to their wallet, with an SMS.

        Refuses: ``NothingWaiting`` when it does not wait for anybody, ``AccountNotFound``.
        """
        with self._desk.db.transaction() as session:
            arrival = self._for_person(session, receipt, rail)
            account = account_by_number(session, account_number)
            if account is None:
                raise AccountNotFound
            self._settling.assign(session, arrival, account, because)

    def give_back(self, receipt: str, because: str, rail: str | None) -> str:
        """Send it back to who paid; returns the reference of its way back.

        Refuses: ``NothingWaiting``, and ``CannotGiveBack`` when its rail has no way back.
        """
        with self._desk.db.transaction() as session:
            arrival = self._for_person(session, receipt, rail)
            reference = self._desk.refunds.refund(session, self._refund(arrival))
            if reference is None:
                raise CannotGiveBack
            advance(arrival, ArrivalState.RETURNED, because, self._desk.clock())
            return reference

    def take_failed_returns(self) -> int:
        """The money is in suspense again, where its way back had held it from; so it waits for a person again."""
        with self._desk.db.transaction() as session:
            failed = failed_returns(session)
            for arrival in failed:
                why = "it could not be sent back"
                advance(arrival, ArrivalState.SUSPENDED, why, self._desk.clock(), money=True)
                _log.warning("arrival.suspended", arrival=arrival.id, rail=arrival.rail, why=why)
        return len(failed)

    def _for_person(self, session: Session, receipt: str, rail: str | None) -> Arrival:
        """The one of a receipt, in suspense: a person who acts on one that nobody could prove vouches for it."""
        found = [one for one in arrivals_by_receipt(session, receipt) if rail in (None, one.rail)]
        if len(found) != 1:
            raise NothingWaiting
        if found[0].state in UNPROVED:
            self._settling.suspend(session, found[0])
        if found[0].state != ArrivalState.SUSPENDED:
            raise NothingWaiting
        return found[0]

    def _refund(self, arrival: Arrival) -> Refund:
        told = self._desk.vault.open(arrival.payer_sealed) if arrival.payer_sealed else ""
        return Refund(
            rail=arrival.rail,
            receipt=arrival.receipt,
            amount=arrival.amount,
            held_from=books.suspense(arrival),
            arrival_id=arrival.id,
            payee=clear(told),
        )
