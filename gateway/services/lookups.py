"""Questions to a rail by command or by the clock, and the answers that come to addresses of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.errors import RailDown
from gateway.domain.money import Money
from gateway.models.arrivals import arrival_by_token
from gateway.models.inbox import InboxState
from gateway.models.rail_questions import (
    BALANCE,
    RECEIPT,
    RailQuestion,
    last_balance,
    question_by_id,
    question_by_token,
)
from gateway.services.arrivals import Arrivals
from gateway.services.callbacks import Handled
from gateway.services.lookup_answers import balance_answer, balance_of, receipt_answer
from gateway.settings import new_token
from integrations.protocols import Addresses, BalanceResult, LookupResult, Outcome, Rail

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question as it stands. ``outcome`` is how the rail took it; ``answer`` is ``None`` until it came."""

    id: int
    rail: str
    outcome: str | None
    answer: Mapping[str, Any] | None


class Lookups:
    """Asks, and remembers what was answered. Asking changes nothing at the rail."""

    def __init__(
        self, db: Database, rails: Mapping[str, Rail], arrivals: Arrivals, clock: Clock, public_url: str
    ) -> None:
        self._db = db
        self._rails = rails
        self._arrivals = arrivals
        self._clock = clock
        self._public_url = public_url

    def ask_receipt(self, rail: str, receipt: str) -> Asked:
        """Ask what became of a receipt. Raises ``RailDown`` when the rail is not there or cannot tell."""
        looks_up = self._rail(rail).looks_up
        if looks_up is None:
            raise RailDown
        question, token = self._new(rail, RECEIPT, receipt)
        return self._taken(question, looks_up.look_up(receipt=receipt, addresses=self._addresses(token)))

    def ask_balance(self, rail: str) -> Asked:
        """Ask what our accounts at a rail hold; some answer at once. Raises ``RailDown`` likewise."""
        tells = self._rail(rail).tells_balance
        if tells is None:
            raise RailDown
        question, token = self._new(rail, BALANCE, None)
        told = tells.ask_balance(addresses=self._addresses(token))
        if isinstance(told, BalanceResult):
            self._answer(token, BALANCE, balance_answer(told))
            return self._taken(question, Outcome.ACCEPTED)
        return self._taken(question, told)

    def ask_balances(self) -> int:
        """Ask every rail that can tell; returns how many were asked."""
        able = [name for name, rail in self._rails.items() if rail.tells_balance]
        for name in able:
            _log.info("rail.balance_asked", rail=name, outcome=self.ask_balance(name).outcome)
        return len(able)

    def register(self, rail: str, callback_token: str) -> tuple[Outcome, str]:
        """Tell a rail our addresses for money that comes by itself. Raises ``RailDown`` when it takes none."""
        registers = self._rail(rail).registers
        if registers is None:
            raise RailDown
        return registers.register(self._addresses(callback_token))

    def answer_of(self, question: int) -> Asked:
        """The question as it stands now."""
        with self._db.transaction() as session:
            row = question_by_id(session, question)
            assert row is not None, "questions are never deleted"
            return Asked(row.id, row.rail, row.outcome, row.answer)

    def latest_balance(self, rail: str) -> tuple[Mapping[str, Money], datetime] | None:
        """What our accounts at a rail held when it last said so, by the rail's names for them."""
        with self._db.transaction() as session:
            row = last_balance(session, rail)
        if row is None or row.answer is None or row.answered_at is None:
            return None
        return balance_of(row.answer), row.answered_at

    def receipt_told(self, token: str | None, result: LookupResult) -> Handled:
        """A rail's word on a receipt: by an arrival's own token, or by a question's."""
        with self._db.transaction() as session:
            arrival = arrival_by_token(session, token) if token else None
        if arrival is not None:
            return Handled(
                InboxState.HANDLED, self._arrivals.looked_up(arrival.rail, arrival.receipt, result) or "gone"
            )
        asked = self._answer(token, RECEIPT, receipt_answer(result))
        if asked is None:
            return Handled(InboxState.UNMATCHED, "nobody asked")
        done = self._arrivals.looked_up(asked.rail, asked.subject or "", result)
        return Handled(InboxState.HANDLED, f"answered; {done}" if done else "answered")

    def balance_told(self, token: str | None, result: BalanceResult) -> Handled:
        """A rail's word on what our accounts hold, by a question's token."""
        asked = self._answer(token, BALANCE, balance_answer(result))
        return Handled(InboxState.HANDLED, "answered") if asked else Handled(InboxState.UNMATCHED, "nobody asked")

    def _rail(self, name: str) -> Rail:
        rail = self._rails.get(name)
        if rail is None:
            raise RailDown
        return rail

    def _addresses(self, token: str) -> Addresses:
        return lambda channel: f"{self._public_url}/hooks/{token}/{channel}"

    def _new(self, rail: str, kind: str, subject: str | None) -> tuple[int, str]:
        """Committed before the rail is asked, so that no answer is too early."""
        token = new_token()
        with self._db.transaction() as session:
            question = RailQuestion(rail=rail, kind=kind, subject=subject, token=token, asked_at=self._clock())
            session.add(question)
            session.flush()
            return question.id, token

    def _taken(self, question: int, outcome: Outcome) -> Asked:
        with self._db.transaction() as session:
            row = question_by_id(session, question)
            assert row is not None, "questions are never deleted"
            row.outcome = outcome
        return self.answer_of(question)

    def _answer(self, token: str | None, kind: str, answer: Mapping[str, Any] | None) -> RailQuestion | None:
        """The question with that token, answered: an answer is not replaced by a later *no answer*."""
        with self._db.transaction() as session:
            question = question_by_token(session, token) if token else None
            if question is None or question.kind != kind:
                return None
            if answer is not None:
                question.answer, question.answered_at = dict(answer), self._clock()
            return question
