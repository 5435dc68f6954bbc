"""SMS out: a row written with the decision it tells of, sent later in batches, and what became of it.

Africa's Talking has no idempotency key, so every doubt about a send has to be decided here:

- a row is leased (``sending``) and that is committed *before* the provider is called;
- an answer counts for the attempt it belongs to, so a slow process cannot overwrite a newer one;
- no answer, or a process that died before it wrote the answer down, are the same thing: *silence*.
  A code is never sent again then (it may have arrived, and its owner can ask for another); a receipt is sent
  again once, because a person with a duplicate receipt is better off than one with none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.phone import Phone
from gateway.models import message_moves as moves
from gateway.models.message_moves import Due
from gateway.models.messages import Recipient
from gateway.vault import Unreadable, Vault
from integrations.protocols import DeliveryReport, DeliveryStatus, Outcome, SendsSms, SmsReceipt

_MICROS = 1_000_000
_NO_ROW = SmsReceipt(Outcome.UNKNOWN, reason="no row in the answer")


@dataclass(frozen=True, slots=True)
class SendingRules:
    """How patient we are. ``lease`` is how long a batch may take; no call starts in its last ``margin``."""

    lease: timedelta = timedelta(seconds=120)
    margin: timedelta = timedelta(seconds=60)
    first_backoff: timedelta = timedelta(seconds=15)
    longest_backoff: timedelta = timedelta(hours=1)
    most_attempts: int = 10
    secret_life: timedelta = timedelta(days=1)


class Messages:
    """The one way to say something to a person by SMS."""

    def __init__(
        self, db: Database, vault: Vault, sms: SendsSms, clock: Clock, rules: SendingRules | None = None
    ) -> None:
        self._db = db
        self._vault = vault
        self._sms = sms
        self._clock = clock
        self._rules = rules or SendingRules()

    def recipient(self, phone: Phone, account_id: int | None = None) -> Recipient:
        """A recipient for a number that has no account row at hand."""
        return Recipient(account_id, self._vault.seal(phone.e164), phone.last4)

    def queue(
        self,
        session: Session,
        to: Recipient,
        kind: str,
        body: str,
        *,
        reference: str | None = None,
        secret: bool = False,
        expires_at: datetime | None = None,
    ) -> None:
        """Say ``body`` once the caller's transaction has committed.

        ``secret``: it carries a code; it is sealed, and wiped as soon as it is of no more use (after a day when
        ``expires_at`` is not given). After ``expires_at`` (aware UTC) it is not sent any more.
        """
        now = self._clock()
        row = {
            "account_id": to.account_id,
            "phone_sealed": to.phone_sealed,
            "phone_last4": to.phone_last4,
            "kind": kind,
            "reference": reference,
            "body": None if secret else body,
            "body_sealed": self._vault.seal(body) if secret else None,
            "expires_at": expires_at or (now + self._rules.secret_life if secret else None),
            "now": now,
        }
        moves.queue(session, row)

    def drain(self, limit: int = 100) -> int:
        """Send up to ``limit`` messages that are due; returns how many were taken. Call again until it is 0."""
        now = self._clock()
        with self._db.transaction() as session:
            moves.settle_lapsed(session, now)
            moves.drop_expired(session, now)
            due = moves.lease(session, now, now + self._rules.lease, limit)
        stop_at = now + self._rules.lease - self._rules.margin
        for body, group in self._calls(due):
            if self._clock() > stop_at:
                self._put_back(group.values())
            else:
                self._send(body, group)
        return len(due)

    def delivery_report(self, report: DeliveryReport) -> bool:
        """Note what the provider says of one SMS; a final state is never left again.

        False when no message has this provider id (yet): the report overtook the answer to the send. The caller
        keeps the report and brings it again, so it is not lost.
        """
        now = self._clock()
        with self._db.transaction() as session:
            return moves.report(session, report.provider_id, _state_told(report), report.reason, now)

    def _calls(self, due: Sequence[Due]) -> list[tuple[str, dict[Phone, Due]]]:
        """One call per text: the provider takes lists. The same text twice to one phone needs two calls."""
        calls: list[tuple[str, dict[Phone, Due]]] = []
        open_calls: dict[str, dict[Phone, Due]] = {}
        for row in due:
            opened = self._opened(row)
            if opened is None:
                continue
            phone, body = opened
            group = open_calls.get(body)
            if group is None or phone in group:
                group = open_calls[body] = {}
                calls.append((body, group))
            group[phone] = row
        return calls

    def _opened(self, row: Due) -> tuple[Phone, str] | None:
        """Phone and text in clear; a row under a lost key is given up, so that it does not hold up the others."""
        try:
            body = row.body if row.body is not None else self._vault.open(row.body_sealed or "")
            return Phone(self._vault.open(row.phone_sealed)), body
        except Unreadable:
            with self._db.transaction() as session:
                moves.reject(session, row.id, row.attempts, "unreadable")
            return None

    def _send(self, body: str, group: Mapping[Phone, Due]) -> None:
        receipts = self._sms.send(body, list(group))
        with self._db.transaction() as session:
            for phone, row in group.items():
                self._record(session, row, receipts.get(phone, _NO_ROW))

    def _record(self, session: Session, row: Due, receipt: SmsReceipt) -> None:
        now = self._clock()
        if receipt.outcome is Outcome.ACCEPTED:
            moves.accept(session, row.id, row.attempts, receipt.provider_id, _cost(receipt), now)
        elif receipt.outcome is Outcome.UNKNOWN:
            moves.silence(session, row.id, row.attempts, now + self._rules.lease)
        elif receipt.retry and row.attempts < self._rules.most_attempts:
            moves.retry(session, row.id, row.attempts, receipt.reason, now + self._backoff(row.attempts))
        else:
            moves.reject(session, row.id, row.attempts, receipt.reason)

    def _backoff(self, attempts: int) -> timedelta:
        return min(self._rules.first_backoff * (1 << (attempts - 1)), self._rules.longest_backoff)

    def _put_back(self, group: Iterable[Due]) -> None:
        """The lease is nearly over: another call could outlive it, and the row be sent twice."""
        with self._db.transaction() as session:
            for row in group:
                moves.put_back(session, row.id, row.attempts, self._clock())


def _cost(receipt: SmsReceipt) -> tuple[int, str | None] | None:
    """Millionths of the provider's currency; ``None`` when it did not say."""
    if receipt.cost is None:
        return None
    return int((receipt.cost * _MICROS).to_integral_value()), receipt.cost_currency


def _state_told(report: DeliveryReport) -> str | None:
    """The state a report leads to; ``None`` when it changes nothing."""
    if report.status is DeliveryStatus.DELIVERED:
        return "delivered"
    if report.status is DeliveryStatus.FAILED:
        return "failed" if report.final else None
    return "sent"
