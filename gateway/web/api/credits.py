"""``/api/v1/credits``: verification credits, sold by packages at our price, counted and spent."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from gateway.domain.errors import (
    AccountNotFound,
    CardsClosed,
    InvalidPhone,
    KeyReused,
    NotEnoughCredits,
    PaymentInProgress,
    TryLater,
    UnknownPackage,
)
from gateway.domain.scopes import Scope
from gateway.services.credits import Credits
from gateway.services.payments import Payments
from gateway.web.api.people import People
from gateway.web.api.route import Ask, Given, Nothing, Route, Routes, Taken, Who

_PACKAGE: JsonDict = {"package_id": "pkg_10_credits", "credits": 10, "amount_minor": 500_000, "currency": "NGN"}


class NewTopup(Taken):
    """Buy a package for an account. Its price and its credits are ours to say."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"account": "ML-7F3K9Q", "package_id": "pkg_10_credits"}]}
    )

    account: Who
    package_id: Annotated[str, Field(min_length=1, max_length=64)]


class TopupShown(Given):
    """A package that was asked for. It is there once the page behind ``link`` is paid; null: the link goes by SMS."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reference": "7F3K9QAB",
                    "link": "https://checkout.example/pay/1",
                    "credits": 10,
                    "amount_minor": 500_000,
                    "currency": "NGN",
                }
            ]
        }
    )

    reference: str
    link: str | None
    credits: int
    amount_minor: int
    currency: str


class PackageShown(Given):
    """One package."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PACKAGE]})

    package_id: str
    credits: int
    amount_minor: int
    currency: str


class PackagesShown(Given):
    """All packages there are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"packages": [_PACKAGE]}]})

    packages: list[PackageShown]


class BalanceShown(Given):
    """How many credits an account has."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"account": "ML-7F3K9Q", "credits": 25}]})

    account: str
    credits: int


class Spending(Taken):
    """Take credits from an account; ``because`` is one word for what they buy, such as ``check_number``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"account": "ML-7F3K9Q", "credits": 1, "because": "check_number"}]}
    )

    account: Who
    credits: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
    because: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class SpentShown(Given):
    """Credits that are gone, and how many are left."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reference": "81HRZQ4E", "account": "ML-7F3K9Q", "spent": 1, "credits": 24}]}
    )

    reference: str
    account: str
    spent: int
    credits: int


class CreditRoutes:
    """What programs may do with credits."""

    def __init__(self, credits_: Credits, payments: Payments, people: People) -> None:
        self._credits = credits_
        self._payments = payments
        self._people = people

    def top_up(self, ask: Ask[NewTopup]) -> TopupShown:
        bought = self._credits.buy(self._people.named(ask.sent.account).number, ask.sent.package_id, ask.key)
        price = bought.package.price
        return TopupShown(
            reference=bought.reference,
            link=self._payments.page(bought.reference),
            credits=bought.package.credits.minor,
            amount_minor=price.minor,
            currency=price.currency,
        )

    def packages(self, _: Ask[Nothing]) -> PackagesShown:
        return PackagesShown(
            packages=[
                PackageShown(
                    package_id=package.id,
                    credits=package.credits.minor,
                    amount_minor=package.price.minor,
                    currency=package.price.currency,
                )
                for package in self._credits.packages()
            ]
        )

    def balance(self, ask: Ask[Nothing]) -> BalanceShown:
        number = ask.named.upper()
        return BalanceShown(account=number, credits=self._credits.balance(number).minor)

    def spend(self, ask: Ask[Spending]) -> SpentShown:
        number, sent = self._people.named(ask.sent.account).number, ask.sent
        spent = self._credits.spend(number, sent.credits, ask.key, sent.because)
        return SpentShown(reference=spent.reference, account=number, spent=sent.credits, credits=spent.balance.minor)

    def table(self) -> Routes:
        who = (AccountNotFound, InvalidPhone, KeyReused, TryLater)
        bought, spent = (UnknownPackage, PaymentInProgress, CardsClosed, *who), (NotEnoughCredits, *who)
        reads, writes = Scope.CREDITS_READ, Scope.CREDITS_WRITE
        return (
            Route("POST", "/credits/topups", writes, "Buy a package", NewTopup, TopupShown, self.top_up, 201, bought),
            Route("GET", "/credits/packages", reads, "What can be bought", Nothing, PackagesShown, self.packages),
            Route(
                "GET",
                "/credits/<account>",
                reads,
                "How many credits an account has",
                Nothing,
                BalanceShown,
                self.balance,
                refusals=(AccountNotFound, TryLater),
            ),
            Route("POST", "/credits/spend", writes, "Spend credits", Spending, SpentShown, self.spend, 201, spent),
        )
