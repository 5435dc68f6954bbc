"""The moves of a message row, one statement each; every answer is fenced by the attempt it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

_QUEUE = """
    INSERT INTO messages (account_id, phone_sealed, phone_last4, kind, reference, body, body_sealed, expires_at,
                          next_attempt_at, created_at)
    VALUES (:account_id, :phone_sealed, :phone_last4, :kind, :reference, :body, :body_sealed, :expires_at, :now, :now)
"""

_LEASE = """
    UPDATE messages SET state = 'sending', attempts = attempts + 1, next_attempt_at = :until
    FROM (SELECT id AS due_id FROM messages
          WHERE state = 'queued' AND next_attempt_at <= :now
          ORDER BY next_attempt_at, id LIMIT :most FOR UPDATE SKIP LOCKED) AS due
    WHERE id = due_id
    RETURNING id, attempts, phone_sealed, body, body_sealed
"""

_LAPSED = """
    SELECT id, attempts FROM messages
    WHERE state = 'sending' AND next_attempt_at <= :now FOR UPDATE SKIP LOCKED
"""

_SILENCE = """
    UPDATE messages
    SET state = CASE WHEN body IS NULL OR silences > 0 THEN 'unknown' ELSE 'queued' END,
        silences = silences + 1, failure = 'no answer', body_sealed = NULL, next_attempt_at = :again_at
    WHERE id = :id AND state = 'sending' AND attempts = :attempts
"""

# A late answer also counts when the row was given up as unknown meanwhile: it resolves the doubt.
_ACCEPT = """
    UPDATE messages
    SET state = 'sent', provider_id = :provider_id, cost_micros = :cost_micros, cost_currency = :cost_currency,
        failure = NULL, sent_at = :now
    WHERE id = :id AND state IN ('sending', 'unknown') AND attempts = :attempts
"""

_RETRY = """
    UPDATE messages SET state = 'queued', failure = :reason, next_attempt_at = :again_at
    WHERE id = :id AND state = 'sending' AND attempts = :attempts
"""

_REJECT = """
    UPDATE messages SET state = 'failed', failure = :reason, body_sealed = NULL
    WHERE id = :id AND state IN ('sending', 'unknown') AND attempts = :attempts
"""

_PUT_BACK = """
    UPDATE messages SET state = 'queued', attempts = attempts - 1, next_attempt_at = :now
    WHERE id = :id AND state = 'sending' AND attempts = :attempts
"""

_EXPIRE = """
    UPDATE messages SET state = 'failed', failure = 'expired', body_sealed = NULL
    WHERE id IN (SELECT id FROM messages WHERE state = 'queued' AND next_attempt_at <= :now AND expires_at <= :now
                 FOR UPDATE SKIP LOCKED)
"""

_WIPE = """
    UPDATE messages SET body_sealed = NULL
    WHERE id IN (SELECT id FROM messages
                 WHERE body_sealed IS NOT NULL AND expires_at <= :now AND state NOT IN ('queued', 'sending')
                 FOR UPDATE SKIP LOCKED)
"""

_REPORT = """
    UPDATE messages
    SET state = :state,
        failure = CASE WHEN :state = 'failed' THEN :reason END,
        body_sealed = CASE WHEN :state = 'sent' THEN body_sealed END,
        delivered_at = CASE WHEN :state = 'delivered' THEN CAST(:now AS timestamptz) END
    WHERE provider_id = :provider_id AND state NOT IN ('delivered', 'failed')
"""

_KNOWN = "SELECT 1 FROM messages WHERE provider_id = :provider_id"


@dataclass(frozen=True, slots=True)
class Due:
    """A leased message: exactly one of ``body`` and ``body_sealed`` is given."""

    id: int
    attempts: int
    phone_sealed: str = field(repr=False)
    body: str | None = field(repr=False)
    body_sealed: str | None = field(repr=False)


def queue(session: Session, row: dict[str, Any]) -> None:
    session.execute(text(_QUEUE), row)


def lease(session: Session, now: datetime, until: datetime, most: int) -> list[Due]:
    """Take up to ``most`` due rows, oldest first, that nobody else is taking."""
    found = session.execute(text(_LEASE), {"now": now, "until": until, "most": most})
    return sorted((Due(*row) for row in found), key=lambda due: due.id)


def settle_lapsed(session: Session, now: datetime) -> None:
    """A lease that ran out was a silence: its process died, or never heard an answer."""
    for row in session.execute(text(_LAPSED), {"now": now}).all():
        silence(session, row.id, row.attempts, now)


def drop_expired(session: Session, now: datetime) -> None:
    """What is too old is not sent any more, and codes of no more use are wiped."""
    session.execute(text(_EXPIRE), {"now": now})
    session.execute(text(_WIPE), {"now": now})


def accept(
    session: Session,
    id_: int,
    attempts: int,
    provider_id: str | None,
    cost: tuple[int, str | None] | None,
    now: datetime,
) -> None:
    """``cost`` is in millionths of its currency."""
    micros, currency = cost or (None, None)
    row = {"provider_id": provider_id, "cost_micros": micros, "cost_currency": currency, "now": now}
    session.execute(text(_ACCEPT), {"id": id_, "attempts": attempts, **row})


def silence(session: Session, id_: int, attempts: int, again_at: datetime) -> None:
    """A code is given up as unknown; a receipt is sent once more at ``again_at``, then given up too."""
    session.execute(text(_SILENCE), {"id": id_, "attempts": attempts, "again_at": again_at})


def retry(session: Session, id_: int, attempts: int, reason: str, again_at: datetime) -> None:
    session.execute(text(_RETRY), {"id": id_, "attempts": attempts, "reason": reason, "again_at": again_at})


def reject(session: Session, id_: int, attempts: int, reason: str) -> None:
    session.execute(text(_REJECT), {"id": id_, "attempts": attempts, "reason": reason})


def put_back(session: Session, id_: int, attempts: int, now: datetime) -> None:
    """Undo a lease whose turn never came."""
    session.execute(text(_PUT_BACK), {"id": id_, "attempts": attempts, "now": now})


def report(session: Session, provider_id: str, state: str | None, reason: str, now: datetime) -> bool:
    """Move to the state that was reported, unless the row is final; False when nobody has this provider id."""
    if session.execute(text(_KNOWN), {"provider_id": provider_id}).first() is None:
        return False
    if state is not None:
        row = {"provider_id": provider_id, "state": state, "reason": reason, "now": now}
        session.execute(text(_REPORT), row)
    return True
