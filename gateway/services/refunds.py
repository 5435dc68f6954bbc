"""What money in asks of money out: give this back to who paid it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.orm import Session

from gateway.domain.money import Money
from gateway.domain.phone import Phone


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that came by ``rail`` under ``receipt`` and is to go back; until then it is held from ``held_from``.

    ``whole`` says that with it the payment ``payment_id`` as such is undone. ``payee`` is who paid, when that is known.
    """

    rail: str
    receipt: str
    amount: Money
    held_from: str
    payment_id: int | None = None
    arrival_id: int | None = None
    account_id: int | None = None
    payee: Phone | None = None
    whole: bool = False


class Refunds(Protocol):
    """Whoever can give money back."""

    def refund(self, session: Session, refund: Refund) -> str | None:
        """Hold the money and send it back later, once per receipt; its reference, ``None`` when the rail cannot.

        Raises ``NotEnoughMoney`` when the account it is held from has less.
        """


class NoRefunds:
    """Nothing can be given back here."""

    def refund(self, session: Session, refund: Refund) -> str | None:
        return None
