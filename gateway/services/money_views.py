"""What programs and payers may see of payments and payouts: rows read, phones masked, nothing decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.domain.errors import AccountNotFound
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.models.accounts import Account, account_by_number
from gateway.models.payments import Payment, payment_by_reference, payment_by_token
from gateway.models.payouts import Payout, payout_by_reference
from gateway.vault import Vault

R = TypeVar("R", Payment, Payout)


@dataclass(frozen=True, slots=True)
class PaymentSeen:
    """One payment. ``payer`` is masked, ``received`` what really came; times are aware UTC."""

    reference: str
    account: str
    language: str
    purpose: str
    way: str
    state: str
    is_open: bool
    amount: Money
    received: Money | None
    payer: str
    link: str | None
    reason: str | None
    created_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class PayoutSeen:
    """One payout. ``payee`` is masked, ``None`` when what came was undone."""

    reference: str
    account: str | None
    state: str
    amount: Money
    fee: Money
    payee: str | None
    reason: str | None
    created_at: datetime
    resolved_at: datetime | None


class MoneyViews:
    """Reading only. Lists are newest first, ``limit`` rows after the one whose reference is ``after``."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db = db
        self._vault = vault

    def payment(self, reference: str) -> PaymentSeen | None:
        with self._db.transaction() as session:
            return self._payment(session, payment_by_reference(session, reference))

    def payment_by_token(self, token: str) -> PaymentSeen | None:
        """The payment whose payer was given ``token`` to come back with."""
        with self._db.transaction() as session:
            return self._payment(session, payment_by_token(session, token))

    def payments(self, number: str, after: str | None, limit: int) -> list[PaymentSeen]:
        """Refuses: ``AccountNotFound``, also for an ``after`` that is not of this account."""
        with self._db.transaction() as session:
            account = _account(session, number)
            query = select(Payment).where(Payment.account_id == account.id)
            if after is not None:
                last = _own(payment_by_reference(session, after), account)
                query = query.where(Payment.id < last.id)
            rows = session.scalars(query.order_by(Payment.id.desc()).limit(limit)).all()
            return [self._seen(account, row) for row in rows]

    def payout(self, reference: str) -> PayoutSeen | None:
        with self._db.transaction() as session:
            row = payout_by_reference(session, reference)
            return self._payout(session, row) if row else None

    def payouts(self, number: str, after: str | None, limit: int) -> list[PayoutSeen]:
        """Refuses like ``payments``."""
        with self._db.transaction() as session:
            account = _account(session, number)
            query = select(Payout).where(Payout.account_id == account.id)
            if after is not None:
                query = query.where(Payout.id < _own(payout_by_reference(session, after), account).id)
            rows = session.scalars(query.order_by(Payout.id.desc()).limit(limit)).all()
            return [self._payout(session, row) for row in rows]

    def _payment(self, session: Session, row: Payment | None) -> PaymentSeen | None:
        return self._seen(session.get_one(Account, row.account_id), row) if row else None

    def _seen(self, account: Account, row: Payment) -> PaymentSeen:
        return PaymentSeen(
            reference=row.reference,
            account=account.number,
            language=account.language,
            purpose=row.purpose,
            way=row.way,
            state=row.state,
            is_open=row.is_open,
            amount=row.amount,
            received=None if row.received_minor is None else Money(row.received_minor, row.currency),
            payer=self._masked(row.payer_sealed),
            link=row.link,
            reason=row.reason,
            created_at=row.created_at,
            resolved_at=row.resolved_at,
        )

    def _payout(self, session: Session, row: Payout) -> PayoutSeen:
        account = session.get(Account, row.account_id) if row.account_id else None
        return PayoutSeen(
            reference=row.reference,
            account=account.number if account else None,
            state=row.state,
            amount=row.amount,
            fee=row.fee,
            payee=self._masked(row.payee_sealed) if row.payee_sealed else None,
            reason=row.reason,
            created_at=row.created_at,
            resolved_at=row.resolved_at,
        )

    def _masked(self, sealed: str) -> str:
        return Phone(self._vault.open(sealed)).masked


def _account(session: Session, number: str) -> Account:
    account = account_by_number(session, number)
    if account is None:
        raise AccountNotFound
    return account


def _own(row: R | None, account: Account) -> R:
    if row is None or row.account_id != account.id:
        raise AccountNotFound
    return row
