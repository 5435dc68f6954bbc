"""``/api/v1/payouts``: paying out of an account to a phone. A key with this scope stands in for the owner's PIN."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from gateway.domain.errors import (
    AccountFrozen,
    AccountNotFound,
    AmountTooLarge,
    AmountTooSmall,
    DayLimitReached,
    InvalidPhone,
    KeyReused,
    NotEnoughMoney,
    PayoutsPaused,
    RailDown,
    TryLater,
    WholeShillingsOnly,
)
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.domain.scopes import Scope
from gateway.services.limits import Standing
from gateway.services.money_views import MoneyViews, PayoutSeen
from gateway.web.api.paging import PageOf, page_of
from gateway.web.api.people import People
from gateway.web.api.problems import ApiProblem
from gateway.web.api.route import AmountMinor, Ask, Given, Nothing, PhoneNumber, Route, Routes, Taken, Who

_EXAMPLE: JsonDict = {
    "reference": "81HRZQ4E",
    "account": "ML-7F3K9Q",
    "state": "held",
    "amount_minor": 150_000,
    "fee_minor": 1_500,
    "currency": "KES",
    "payee": "0712***678",
    "reason": None,
    "created_at": "2026-11-20T09:30:00Z",
    "resolved_at": None,
}


class Held(Protocol):
    """Money that left its account and is on its way."""

    @property
    def reference(self) -> str: ...


class PaysAccountsOut(Protocol):
    """The service behind it."""

    def request(self, number: str, standing: Standing, amount: Money, key: str, *, to: Phone | None = None) -> Held: ...


class NewPayout(Taken):
    """Pay out of an account: to its owner's phone, or to ``phone``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"from": "ML-7F3K9Q", "amount_minor": 150_000, "currency": "KES"}]}
    )

    from_: Who = Field(alias="from")
    amount_minor: AmountMinor
    currency: Literal["KES"]
    phone: PhoneNumber | None = None

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


class PayoutShown(Given):
    """A payout as it is now. The fee is on top of the amount, and comes back when the payout is returned."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    reference: str
    account: str | None
    state: Literal["held", "submitted", "unknown", "paid", "returned"]
    amount_minor: int
    fee_minor: int
    currency: str
    payee: str | None
    reason: str | None
    created_at: datetime
    resolved_at: datetime | None


class PayoutPage(Given):
    """Payouts of an account, newest first; ``next`` is the cursor of the next page."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_EXAMPLE], "next": None}]})

    items: list[PayoutShown]
    next: str | None


class PayoutRoutes:
    """What programs may do with payouts."""

    def __init__(self, payouts: PaysAccountsOut, views: MoneyViews, people: People) -> None:
        self._payouts = payouts
        self._views = views
        self._people = people

    def request(self, ask: Ask[NewPayout]) -> PayoutShown:
        owner, sent = self._people.named(ask.sent.from_), ask.sent
        to = None if sent.phone is None else self._people.phone(owner, sent.phone)
        standing = Standing(owner.tier, owner.pin_changed_at)
        held = self._payouts.request(owner.number, standing, sent.amount, ask.key, to=to)
        return self._shown(held.reference)

    def one(self, ask: Ask[Nothing]) -> PayoutShown:
        return self._shown(ask.named)

    def page(self, ask: Ask[PageOf]) -> PayoutPage:
        items, after = page_of(ask.sent, self._views.payouts, lambda payout: payout.reference)
        return PayoutPage(items=[shown(payout) for payout in items], next=after)

    def table(self) -> Routes:
        refused = (
            AccountNotFound,
            InvalidPhone,
            AmountTooSmall,
            AmountTooLarge,
            WholeShillingsOnly,
            NotEnoughMoney,
            DayLimitReached,
            AccountFrozen,
            KeyReused,
            PayoutsPaused,
            RailDown,
            TryLater,
        )
        one, every = "/payouts/<reference>", "/payouts"
        read, lists = "One payout as it is now", "Payouts of an account, newest first"
        seen = (AccountNotFound, TryLater)
        return (
            Route("POST", every, Scope.PAYOUTS_WRITE, "Pay out", NewPayout, PayoutShown, self.request, 202, refused),
            Route("GET", one, Scope.PAYOUTS_READ, read, Nothing, PayoutShown, self.one, refusals=(TryLater,)),
            Route("GET", every, Scope.PAYOUTS_READ, lists, PageOf, PayoutPage, self.page, refusals=seen),
        )

    def _shown(self, reference: str) -> PayoutShown:
        payout = self._views.payout(reference)
        if payout is None:
            raise ApiProblem("not_found")
        return shown(payout)


def shown(payout: PayoutSeen) -> PayoutShown:
    """What a program sees of it."""
    return PayoutShown.model_validate(
        {
            "reference": payout.reference,
            "account": payout.account,
            "state": payout.state,
            "amount_minor": payout.amount.minor,
            "fee_minor": payout.fee.minor,
            "currency": payout.amount.currency,
            "payee": payout.payee,
            "reason": payout.reason,
            "created_at": payout.created_at,
            "resolved_at": payout.resolved_at,
        }
    )
