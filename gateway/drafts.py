"""What a dropped call left behind, told from what has happened: a confirmation is looked up, never offered again."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.services.transfers import Sent, Transfers
from gateway.sessions import SessionStore
from ussd_menus.session import Session


@dataclass(frozen=True, slots=True)
class Left:
    """Either a ``session`` that can be gone on with, or the transfer it had ``sent``, or nothing."""

    session: Session | None = None
    sent: Sent | None = None


class Drafts:
    """Reads drafts; the hop writes them."""

    def __init__(self, store: SessionStore, transfers: Transfers) -> None:
        self._store = store
        self._transfers = transfers

    def left_by(self, tag: str) -> Left:
        """What the phone with this tag left behind. Raises ``TryLater``."""
        value = self._store.draft(tag)
        session = Session.or_none(value) if value else None
        if session is None or session.caller is None:
            return Left()
        key = session.facts.get("key")
        outcome = self._transfers.outcome(session.caller.number, str(key)) if key else None
        if outcome is None:
            return Left(session)
        return Left(sent=outcome) if isinstance(outcome, Sent) else Left()

    def forget(self, tag: str) -> None:
        self._store.drop_draft(tag)
