"""``/api/v1/payments``: asking people to pay, by a prompt on their phone or by a link to a page."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, model_validator
from pydantic.config import JsonDict

from gateway.domain.errors import (
    AccountNotFound,
    AmountTooLarge,
    AmountTooSmall,
    CardsClosed,
    InvalidPhone,
    KeyReused,
    PaymentInProgress,
    TryLater,
    WholeShillingsOnly,
)
from gateway.domain.money import Money
from gateway.domain.scopes import Scope
from gateway.services.money_views import MoneyViews, PaymentSeen
from gateway.services.payments import Payments
from gateway.web.api.paging import PageOf, page_of
from gateway.web.api.people import People
from gateway.web.api.problems import ApiProblem
from gateway.web.api.route import AmountMinor, Ask, Given, Nothing, PhoneNumber, Route, Routes, Taken, Who

_EXAMPLE: JsonDict = {
    "reference": "7F3K9QAB",
    "account": "ML-7F3K9Q",
    "purpose": "deposit",
    "way": "prompt",
    "state": "requested",
    "amount_minor": 150_000,
    "currency": "KES",
    "received_minor": None,
    "payer": "0712***678",
    "link": None,
    "reason": None,
    "created_at": "2026-11-20T09:30:00Z",
    "resolved_at": None,
}


class NewPayment(Taken):
    """Ask somebody to pay into an account: ``phone`` says who is prompted, when it is not the account's owner."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"to": "ML-7F3K9Q", "amount_minor": 150_000, "currency": "KES"}]}
    )

    to: Who
    amount_minor: AmountMinor
    currency: Literal["KES"]
    way: Literal["prompt", "link"] = "prompt"
    phone: PhoneNumber | None = None

    @model_validator(mode="after")
    def _a_link_rings_no_phone(self) -> NewPayment:
        if self.way == "link" and self.phone is not None:
            raise ValueError("phone is for the way prompt: a link goes to the owner of the account")
        return self

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


class PaymentShown(Given):
    """A payment as it is now. ``link`` is null until the rail has made its page; then it also goes out by SMS."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    reference: str
    account: str
    purpose: Literal["deposit", "credits"]
    way: Literal["prompt", "link"]
    state: Literal["requested", "prompted", "unknown", "confirmed", "failed", "expired", "refunded"]
    amount_minor: int
    currency: str
    received_minor: int | None
    payer: str
    link: str | None
    reason: str | None
    created_at: datetime
    resolved_at: datetime | None


class PaymentPage(Given):
    """Payments of an account, newest first; ``next`` is the cursor of the next page."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_EXAMPLE], "next": None}]})

    items: list[PaymentShown]
    next: str | None


class PaymentRoutes:
    """What programs may do with payments."""

    def __init__(self, payments: Payments, views: MoneyViews, people: People) -> None:
        self._payments = payments
        self._views = views
        self._people = people

    def request(self, ask: Ask[NewPayment]) -> PaymentShown:
        owner, sent = self._people.named(ask.sent.to), ask.sent
        if sent.way == "link":
            asked = self._payments.request_link(owner.number, sent.amount, ask.key)
            self._payments.page(asked.reference)
        else:
            phone = self._people.phone(owner, sent.phone)
            asked = self._payments.request(owner.number, phone, sent.amount, ask.key)
        return self._shown(asked.reference)

    def one(self, ask: Ask[Nothing]) -> PaymentShown:
        return self._shown(ask.named)

    def page(self, ask: Ask[PageOf]) -> PaymentPage:
        items, after = page_of(ask.sent, self._views.payments, lambda payment: payment.reference)
        return PaymentPage(items=[shown(payment) for payment in items], next=after)

    def table(self) -> Routes:
        return (
            Route(
                "POST",
                "/payments",
                Scope.PAYMENTS_WRITE,
                "Ask somebody to pay",
                NewPayment,
                PaymentShown,
                self.request,
                202,
                (
                    AccountNotFound,
                    InvalidPhone,
                    AmountTooSmall,
                    AmountTooLarge,
                    WholeShillingsOnly,
                    PaymentInProgress,
                    KeyReused,
                    CardsClosed,
                    TryLater,
                ),
            ),
            Route(
                "GET",
                "/payments/<reference>",
                Scope.PAYMENTS_READ,
                "One payment as it is now",
                Nothing,
                PaymentShown,
                self.one,
                refusals=(TryLater,),
            ),
            Route(
                "GET",
                "/payments",
                Scope.PAYMENTS_READ,
                "Payments of an account, newest first",
                PageOf,
                PaymentPage,
                self.page,
                refusals=(AccountNotFound, TryLater),
            ),
        )

    def _shown(self, reference: str) -> PaymentShown:
        payment = self._views.payment(reference)
        if payment is None:
            raise ApiProblem("not_found")
        return shown(payment)


def shown(payment: PaymentSeen) -> PaymentShown:
    """What a program sees of it: of the payer's number the beginning and the end."""
    return PaymentShown.model_validate(
        {
            "reference": payment.reference,
            "account": payment.account,
            "purpose": payment.purpose,
            "way": payment.way,
            "state": payment.state,
            "amount_minor": payment.amount.minor,
            "currency": payment.amount.currency,
            "received_minor": payment.received.minor if payment.received else None,
            "payer": payment.payer,
            "link": payment.link,
            "reason": payment.reason,
            "created_at": payment.created_at,
            "resolved_at": payment.resolved_at,
        }
    )
