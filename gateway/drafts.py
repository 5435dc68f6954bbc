"""What a dropped call left behind, told from what has happened: a confirmation is looked up, never offered again."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.errors import Refusal
from gateway.services.payouts import Held, Payouts
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

    def __init__(self, store: SessionStore, transfers: Transfers, payouts: Payouts) -> None:
        self._store = store
        self._transfers = transfers
        self._payouts = payouts

    def left_by(self, tag: str) -> Left:
        """What the phone with this tag left behind. Raises ``TryLater``."""
        value = self._store.draft(tag)
        session = Session.or_none(value) if value else None
        if session is None or session.caller is None:
            return Left()
        key = session.facts.get("key")
        outcome = self._outcome(session.screen, session.caller.number, str(key)) if key else None
        if outcome is None:
            return Left(session)
        return Left(sent=outcome) if isinstance(outcome, Sent) else Left()

    def _outcome(self, screen: str, number: str, key: str) -> Sent | Held | Refusal | None:
        """A withdrawal that is on its way is told as such on the first page: nothing of it is left here."""
        service = self._payouts if screen.startswith("withdraw.") else self._transfers
        return service.outcome(number, key)

    def forget(self, tag: str) -> None:
        self._store.drop_draft(tag)
