"""Who is meant by what a payer typed as the account. Whoever else can be paid so is one more function in the list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from gateway.domain.errors import InvalidPhone
from gateway.domain.phone import parse_phone
from gateway.domain.typed import account_number_in, reference_in
from gateway.models.accounts import Account, account_by_index, account_by_number
from gateway.models.payments import Payment, payment_by_reference
from gateway.vault import Vault


@dataclass(frozen=True, slots=True)
class Meant:
    """Exactly one of them is whom the money is for."""

    payment: Payment | None = None
    account: Account | None = None


#: Session, rail and what was typed in; ``None`` when it is nobody of this kind.
Reading = Callable[[Session, str, str], Meant | None]


class Names:
    """Reads what was typed; the first reading that knows somebody wins."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._readings: tuple[Reading, ...] = (self._payment, self._account, self._phone)

    def who(self, session: Session, rail: str, typed: str) -> Meant | None:
        """Whom the money is for; ``None``: nobody we know."""
        return next((meant for reads in self._readings if (meant := reads(session, rail, typed))), None)

    def _payment(self, session: Session, rail: str, typed: str) -> Meant | None:
        """A prompt's money comes back under the reference that we gave with it; people type it too."""
        reference = reference_in(typed)
        payment = payment_by_reference(session, reference) if reference else None
        return Meant(payment=payment) if payment and payment.rail == rail else None

    def _account(self, session: Session, _rail: str, typed: str) -> Meant | None:
        number = account_number_in(typed)
        account = account_by_number(session, number) if number else None
        return Meant(account=account) if account else None

    def _phone(self, session: Session, _rail: str, typed: str) -> Meant | None:
        try:
            phone = parse_phone(typed)
        except InvalidPhone:
            return None
        account = account_by_index(session, self._vault.phone_index(phone))
        return Meant(account=account) if account else None
