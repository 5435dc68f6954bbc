"""Programs pay out of accounts: the routes, over a small service that writes honest rows and moves no money."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask

from gateway.domain.errors import AccountFrozen, NotEnoughMoney, PayoutsPaused, RailDown, Refusal
from gateway.domain.money import Money
from gateway.domain.phone import Phone, parse_phone
from gateway.domain.references import new_reference
from gateway.domain.scopes import Scope
from gateway.models.accounts import account_by_number
from gateway.models.payouts import Payout, insert_payout
from gateway.parts import Parts
from gateway.services.limits import Standing
from gateway.vault import Vault
from gateway.web.api.blueprint import Api
from gateway.web.api.gate import Gate, new_limiter
from gateway.web.api.openapi import document
from gateway.web.api.payouts import PayoutRoutes
from gateway.web.api.people import People
from gateway.web.api.problems import Problems
from tests.api.client import Program, is_problem
from tests.api.conftest import Shop

Person = Callable[..., str]


@dataclass(frozen=True)
class Held:
    reference: str


@dataclass
class SmallPayouts:
    """Holds once per key; refuses when the test says so."""

    parts: Parts
    refuses: Refusal | None = None
    asked: list[tuple[str, Standing, Money, Phone | None]] = field(default_factory=list)

    def request(self, number: str, standing: Standing, amount: Money, key: str, *, to: Phone | None = None) -> Held:
        self.asked.append((number, standing, amount, to))
        if self.refuses is not None:
            raise self.refuses
        with self.parts.db.transaction() as session:
            account = account_by_number(session, number)
            assert account is not None
            vault: Vault = self.parts.vault
            insert_payout(
                session,
                reference=new_reference(),
                account_id=account.id,
                idempotency_key=key,
                purpose="withdraw",
                way="send",
                rail="mpesa",
                held_from=account.wallet,
                amount_minor=amount.minor,
                fee_minor=1_500,
                currency=amount.currency,
                payee_sealed=vault.seal((to or Phone(vault.open(account.phone_sealed))).e164),
            )
            return Held(session.query(Payout).filter_by(idempotency_key=key).one().reference)


@pytest.fixture
def payouts(shop: Shop) -> SmallPayouts:
    return SmallPayouts(shop.parts)


@pytest.fixture
def program(shop: Shop, payouts: SmallPayouts) -> Program:
    parts, app = shop.parts, Flask("payouts")
    limiter = new_limiter(parts.settings.redis_url)
    limiter.init_app(app)
    routes = PayoutRoutes(payouts, parts.views, People(parts.accounts, parts.vault)).table()
    api = Api(Gate(parts.api_keys, limiter, 1_000, 1_000), parts.api_requests, Problems(parts.texts), parts.vault)
    app.register_blueprint(api.blueprint(routes))
    assert "/api/v1/payouts/{reference}" in document(routes, "http://here")["paths"]
    return Program(app, parts.api_keys.create("payer", [Scope.PAYOUTS_READ, Scope.PAYOUTS_WRITE]).secret)


def _body(who: str, **more: Any) -> dict[str, Any]:
    return {"from": who, "amount_minor": 150_000, "currency": "KES", **more}


def test_a_payout_is_held_and_its_fee_is_told(
    shop: Shop, program: Program, payouts: SmallPayouts, person: Person
) -> None:
    number = person()
    answer = program.posts("/payouts", _body(number))
    held = answer.get_json()
    assert answer.status_code == 202
    assert held == {
        "reference": held["reference"],
        "account": shop.number_of(number),
        "state": "held",
        "amount_minor": 150_000,
        "fee_minor": 1_500,
        "currency": "KES",
        "payee": f"{number[:4]}***{number[-3:]}",
        "reason": None,
        "created_at": held["created_at"],
        "resolved_at": None,
    }
    assert program.gets(f"/payouts/{held['reference']}").get_json() == held
    assert payouts.asked == [(shop.number_of(number), Standing("basic", None), Money(150_000), None)]


def test_another_phone_may_be_paid_and_is_masked(program: Program, payouts: SmallPayouts, person: Person) -> None:
    held = program.posts("/payouts", _body(person(), phone="0735482916"))
    assert payouts.asked[0][3] == parse_phone("0735482916")
    assert held.get_json()["payee"] == "0735***916"
    assert "735482916" not in held.text


def test_the_same_payout_again_is_one(shop: Shop, program: Program, person: Person) -> None:
    number = person()
    first = program.posts("/payouts", _body(number), once="salary 7")
    again = program.posts("/payouts", _body(number), once="salary 7")
    assert again.data == first.data
    account = shop.number_of(number)
    assert len(program.gets("/payouts", account=account).get_json()["items"]) == 1
    is_problem(program.posts("/payouts", _body(number, phone="0735482916"), once="salary 7"), 409, "key_reused")


@pytest.mark.parametrize(
    ("refusal", "status"), [(NotEnoughMoney(), 409), (AccountFrozen(), 409), (PayoutsPaused(), 503), (RailDown(), 503)]
)
def test_a_refused_payout_is_a_problem(
    program: Program, payouts: SmallPayouts, person: Person, refusal: Refusal, status: int
) -> None:
    number, payouts.refuses = person(), refusal
    is_problem(program.posts("/payouts", _body(number), once="no"), status, refusal.code)
    payouts.refuses = None
    again = program.posts("/payouts", _body(number), once="no").status_code
    assert again == (202 if status == 503 else 409), "what was refused for good stays so under its key"


@pytest.mark.parametrize(
    "wrong", [{"from": None}, {"amount_minor": 1.5}, {"amount_minor": True}, {"currency": "NGN"}, {"phone": "x"}]
)
def test_a_payout_that_cannot_be(program: Program, payouts: SmallPayouts, wrong: dict[str, Any]) -> None:
    problem = is_problem(program.posts("/payouts", _body("ML-7F3K9Q") | wrong), 422, "invalid")
    assert [fault["field"] for fault in problem["errors"]] == list(wrong)
    assert payouts.asked == []


def test_payouts_are_listed_newest_first_by_pages(shop: Shop, program: Program, person: Person) -> None:
    number = person()
    made = [program.posts("/payouts", _body(number)).get_json()["reference"] for _ in range(3)]
    account = shop.number_of(number)
    first = program.gets("/payouts", account=account, limit=2).get_json()
    rest = program.gets("/payouts", account=account, limit=2, cursor=first["next"]).get_json()
    assert [item["reference"] for item in first["items"] + rest["items"]] == made[::-1]
    assert rest["next"] is None
    is_problem(program.gets("/payouts/7F3K9QAB"), 404, "not_found")
