"""Paying by a page: the link goes out once, an open page blocks nobody, and nobody is told to doubt it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from gateway.domain.errors import CardsClosed, PaymentInProgress
from gateway.domain.money import Money
from gateway.services.payment_results import Source
from integrations import protocols
from integrations.protocols import Buyer, LinkAnswer, Outcome, PaymentResult, PaymentVerdict
from tests.services.payments.world import World


@dataclass
class Pages:
    """A rail that makes pages and remembers for whom."""

    name: str = "flutterwave"
    currencies: frozenset[str] = frozenset({"KES", "NGN"})
    made: list[str] = field(default_factory=list)
    answers: list[LinkAnswer] = field(default_factory=list)

    def make_link(
        self, *, reference: str, amount: Money, title: str, buyer: Buyer, return_url: str, expires_at: datetime
    ) -> LinkAnswer:
        self.made.append(reference)
        page = LinkAnswer(Outcome.ACCEPTED, f"https://pay.example/{reference}", reference)
        return self.answers.pop(0) if self.answers else page

    def ask(self, provider_id: str, receipt: str | None = None) -> PaymentResult:
        return PaymentResult(PaymentVerdict.PENDING, provider_id)


@pytest.fixture
def pages(world: World) -> Pages:
    pages = Pages()
    rail = protocols.Rail(pages.name, is_up=lambda: True, channels=(), links=pages)
    world.desk.rails[pages.name] = rail  # type: ignore[index]
    return pages


def ask_for(world: World, shillings: int = 500, key: str | None = None) -> str:
    asked = world.payments.request_link(world.number, Money.major(shillings), key or secrets.token_hex(8))
    return asked.reference


def test_the_worker_makes_the_page_and_sends_its_link(world: World, pages: Pages) -> None:
    payment = world.row(ask_for(world))
    world.payments.push(payment.id)
    world.payments.push(payment.id)
    assert pages.made == [payment.reference]
    assert [
        (kind, f"https://pay.example/{payment.reference}" in body) for kind, body in world.sms_bodies(payment.id)
    ] == [("card_link", True)]


def test_who_waits_for_the_page_gets_it_at_once_and_no_sms(world: World, pages: Pages) -> None:
    reference = ask_for(world)
    page = world.payments.page(reference)
    assert page == world.payments.page(reference) == f"https://pay.example/{reference}"
    world.payments.push(world.row(reference).id)
    assert (pages.made, world.sms(world.row(reference).id)) == ([reference], [])


def test_a_page_that_nobody_heard_of_is_not_made_again(world: World, pages: Pages) -> None:
    pages.answers = [LinkAnswer(Outcome.UNKNOWN)]
    reference = ask_for(world)
    assert world.payments.page(reference) is None
    assert world.payments.page(reference) is None
    assert (pages.made, world.row(reference).state) == ([reference], "unknown")


def test_an_open_page_does_not_stand_in_the_way_of_a_prompt_but_too_many_pages_do(world: World, pages: Pages) -> None:
    for _ in range(5):
        ask_for(world)
    world.request()
    with pytest.raises(PaymentInProgress):
        ask_for(world)


def test_the_same_confirmation_is_one_page(world: World, pages: Pages) -> None:
    key = secrets.token_hex(8)
    assert ask_for(world, key=key) == ask_for(world, key=key)


def test_a_page_may_wait_all_day_and_its_payer_hears_only_that_its_time_is_over(world: World, pages: Pages) -> None:
    payment_id = world.row(ask_for(world)).id
    world.payments.push(payment_id)
    while world.row(payment_id).is_open:
        world.ask_next(payment_id)
    assert (world.row(payment_id).state, world.sms(payment_id)) == ("expired", ["card_link", "card_timeout"])
    assert world.payments.latest(world.number) is not None


def test_an_open_page_is_no_news_on_the_first_screen(world: World, pages: Pages) -> None:
    world.payments.push(world.row(ask_for(world)).id)
    assert world.payments.latest(world.number) is None


def test_the_money_of_a_page_is_in_the_wallet_and_told_as_a_card(world: World, pages: Pages) -> None:
    payment_id = world.row(ask_for(world)).id
    world.payments.push(payment_id)
    paid = PaymentResult(PaymentVerdict.PAID, receipt=secrets.token_hex(5).upper(), amount=Money.major(500))
    world.payments.result(payment_id, paid, Source.CALLBACK)
    assert (world.wallet, world.sms(payment_id)[-1]) == (Money.major(500), "card_confirmed")


def test_a_currency_that_the_rail_of_cards_does_not_take_is_refused_before_anything_is_asked(
    world: World, pages: Pages
) -> None:
    pages.currencies = frozenset({"KES"})
    with pytest.raises(CardsClosed):
        world.payments.request_link(world.number, Money.major(5_000, "NGN"), "key", purpose="credits", package="ten")
    assert pages.made == []
    world.payments.refuse_if_closed("KES")
    with pytest.raises(CardsClosed):
        world.payments.refuse_if_closed("NGN")


def test_without_a_rail_of_cards_there_is_no_page(world: World) -> None:
    object.__setattr__(world.desk, "settings", world.settings.model_copy(update={"card_rail": "none"}))
    with pytest.raises(CardsClosed):
        ask_for(world)
