"""A whole gateway with a rail of payment pages in it, and programs with keys."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest

from gateway.domain.money import Money
from gateway.domain.phone import parse_phone
from gateway.domain.scopes import Scope
from gateway.services.payment_results import Effect, Source
from gateway.settings import Settings
from integrations.mpesa.prompts import Options as MpesaOptions
from integrations.protocols import Buyer, LinkAnswer, Outcome, PaymentResult, PaymentVerdict, Rail
from integrations.simulators import Options, serve
from tests.api.client import Program
from tests.house import House


@dataclass
class Pages:
    """A rail that makes payment pages and remembers them; it says paid when the test says so."""

    name: str = "flutterwave"
    currencies: frozenset[str] = frozenset({"KES", "NGN"})
    made: list[dict[str, object]] = field(default_factory=list)
    answers: list[LinkAnswer] = field(default_factory=list)

    def make_link(
        self, *, reference: str, amount: Money, title: str, buyer: Buyer, return_url: str, expires_at: datetime
    ) -> LinkAnswer:
        self.made.append(dict(reference=reference, amount=amount, title=title, buyer=buyer, return_url=return_url))
        if self.answers:
            return self.answers.pop(0)
        return LinkAnswer(Outcome.ACCEPTED, f"https://pages.example/{reference}", provider_id=reference)

    def ask(self, provider_id: str) -> PaymentResult:
        return PaymentResult(PaymentVerdict.PENDING, provider_id)

    def page_of(self, reference: str) -> dict[str, object]:
        return next(page for page in self.made if page["reference"] == reference)


class Shop(House):
    """A house that also sells by payment pages."""

    pages: Pages

    def open_pages(self) -> None:
        self.pages = Pages()
        rails = self.parts.payments._desk.rails
        rail = rails.get("flutterwave") or Rail("flutterwave", is_up=lambda: True, channels=())
        rails["flutterwave"] = replace(rail, links=self.pages)  # type: ignore[index]

    def program(self, *scopes: Scope) -> Program:
        """Somebody with a key of these scopes, by default of all."""
        keys = self.parts.api_keys
        return Program(self.app, keys.create("shop", scopes or tuple(Scope)).secret)

    def number_of(self, phone: str) -> str:
        member = self.parts.accounts.by_phone(parse_phone(phone))
        assert member is not None
        return member.number

    def pays_page(self, reference: str, amount: Money) -> Effect:
        """The rail itself says that a page was paid."""
        payment_id = self._payment_id(reference)
        result = PaymentResult(PaymentVerdict.PAID, reference, receipt=secrets.token_hex(5).upper(), amount=amount)
        return self.parts.payments.result(payment_id, result, Source.QUERY)

    def fails_page(self, reference: str) -> Effect:
        result = PaymentResult(PaymentVerdict.FAILED, reference, code="declined", reason="declined")
        return self.parts.payments.result(self._payment_id(reference), result, Source.QUERY)

    def _payment_id(self, reference: str) -> int:
        with self.parts.db.reading() as connection:
            found = connection.exec_driver_sql("SELECT id FROM payments WHERE reference = %s", (reference,))
            return int(found.scalar_one())

    def count(self, sql: str, *values: object) -> int:
        with self.parts.db.reading() as connection:
            return int(connection.exec_driver_sql(sql, values).scalar_one())


@pytest.fixture(scope="package")
def shop(settings: Settings) -> Iterator[Shop]:
    with serve(options=Options(rails={"mpesa": MpesaOptions(answer_seconds=0)})) as simulators:
        more = {"allowed_origins": ("https://shop.example", "http://localhost:3000"), "card_rail": "flutterwave"}
        gateway = Shop(settings.model_copy(update=more | {"api_writes_per_minute": 100_000}), simulators)
        gateway.open_pages()
        yield gateway
        gateway.close()


@pytest.fixture
def program(shop: Shop) -> Program:
    return shop.program()


@pytest.fixture
def person(shop: Shop, numbers: Iterator[str]) -> Callable[..., str]:
    """Somebody new with an account: the phone number."""

    def make(**more: object) -> str:
        number = next(numbers)
        shop.member(number, **more)  # type: ignore[arg-type]
        return number

    return make
