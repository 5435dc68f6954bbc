"""What a decision may ask to be done later, on the decision's own transaction."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy.orm import Session


class Jobs(Protocol):
    """Jobs exist exactly when the transaction of ``session`` commits. They carry ids only, and may run twice."""

    def defer_push(self, session: Session, payment_id: int, after_seconds: int) -> None:
        """Prompt the payer of a payment."""

    def defer_ask(self, session: Session, payment_id: int, check: int, after_seconds: int) -> None:
        """Ask the rail about a payment; ``check`` is the number of the question, so that it is asked once."""

    def defer_inbox(self, session: Session, inbox_id: int) -> None:
        """Handle what a provider sent."""

    def defer_pay(self, session: Session, payout_id: int, after_seconds: int) -> None:
        """Have the rail pay a payout that is held."""

    def defer_ask_payout(self, session: Session, payout_id: int, check: int, after_seconds: int) -> None:
        """Ask the rail about a payout; ``check`` is the number of the question, so that it is asked once."""
