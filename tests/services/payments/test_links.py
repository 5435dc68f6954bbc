"""Payment pages in a small world: what no answer, another currency, and less than the price do."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from gateway.domain.errors import NothingWaiting, PaymentInProgress
from gateway.domain.money import Money
from gateway.models.inbox import InboxState
from gateway.services.callbacks import Handled, Handler, InTurn
from integrations.protocols import Buyer, LinkAnswer, Outcome, PaymentResult, PaymentVerdict
from tests.services.payments.world import World

PAGE = "https://pages.example/1"


@dataclass
class Pages:
    """Remembers every page that was asked for, and says what the test says."""

    name: str = "flutterwave"
    currencies: frozenset[str] = frozenset({"KES", "NGN"})
    answer: LinkAnswer = field(default_factory=lambda: LinkAnswer(Outcome.ACCEPTED, PAGE, "page-1"))
    says: PaymentResult = field(default_factory=lambda: PaymentResult(PaymentVerdict.PENDING))
    made: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def make_link(
        self, *, reference: str, amount: Money, title: str, buyer: Buyer, return_url: str, expires_at: datetime
    ) -> LinkAnswer:
        self.made.append({"reference": reference, "title": title, "buyer": buyer, "return_url": return_url})
        return replace(self.answer, provider_id=self.answer.provider_id and f"page-{reference}")

    def ask(self, provider_id: str, receipt: str | None = None) -> PaymentResult:
        self.asked.append((provider_id, receipt))
        return replace(self.says, provider_id=provider_id)


@pytest.fixture
def pages(world: World) -> Pages:
    made = Pages()
    rail = replace(world.rail.as_rail, name=made.name, collects=None, links=made)
    world.desk.rails[made.name] = rail  # type: ignore[index]
    return made


def asked_for(world: World, amount: Money | None = None, **purpose: Any) -> int:
    """A payment whose page was asked for."""
    asked = world.payments.request_link(world.number, amount or Money.major(500), secrets.token_hex(8), **purpose)
    world.payments.page(asked.reference)
    return world.row(asked.reference).id


def ten_credits(world: World) -> int:
    return asked_for(world, Money.major(5_000, "NGN"), purpose="credits", package="pkg_10_credits")


def paid(world: World, payment_id: int, amount: Money) -> PaymentResult:
    return replace(world.paid(payment_id), amount=amount, payer=None)


def test_the_page_says_what_it_is_for_and_who_pays(world: World, pages: Pages) -> None:
    row = world.row(asked_for(world))
    (made,) = pages.made
    assert (made["reference"], made["title"]) == (row.reference, "Mlango deposit")
    assert made["buyer"] == Buyer("Juma", world.phone, f"{world.number.lower()}@mlango.example")
    assert made["return_url"] == f"https://mlango.example/paid/{row.token}"
    assert (row.link, row.provider_id, row.state) == (PAGE, f"page-{row.reference}", "prompted")


def test_no_answer_is_asked_about_by_the_id_that_was_known_before(world: World, pages: Pages) -> None:
    pages.answer = LinkAnswer(Outcome.UNKNOWN, provider_id="known")
    payment_id = asked_for(world)
    assert (world.row(payment_id).state, world.row(payment_id).link) == ("unknown", None)
    world.ask_next(payment_id)
    assert pages.asked == [(f"page-{world.row(payment_id).reference}", None)]


def test_a_page_without_any_id_is_asked_about_by_our_reference(world: World, pages: Pages) -> None:
    """The process died between the call and its answer."""
    pages.answer = LinkAnswer(Outcome.UNKNOWN)
    payment_id = asked_for(world)
    world.ask_next(payment_id)
    assert pages.asked == [(world.row(payment_id).reference, None)]


def test_a_page_that_nobody_uses_expires_after_a_day_and_says_so_then(world: World, pages: Pages) -> None:
    payment_id = asked_for(world)
    seen = 0
    while len(world.jobs.of("ask", payment_id)) > seen:
        seen += 1
        assert world.sms(payment_id) == []
        assert world.payments.latest(world.number) is None
        world.ask_next(payment_id)
    assert (world.row(payment_id).state, world.sms(payment_id)) == ("expired", ["card_timeout"])


def test_a_rail_that_does_not_answer_is_told_as_not_certain(world: World, pages: Pages) -> None:
    pages.says = PaymentResult(PaymentVerdict.NO_ANSWER)
    payment_id = asked_for(world)
    for told in ([], [], ["card_unconfirmed"], ["card_unconfirmed"]):
        world.ask_next(payment_id)
        assert world.sms(payment_id) == told


def test_money_in_another_currency_is_never_booked(world: World, pages: Pages) -> None:
    payment_id = asked_for(world)
    effect = world.query(payment_id, paid(world, payment_id, Money.major(500, "NGN")))
    row = world.row(payment_id)
    assert (effect, row.state, row.needs_review, world.wallet) == ("contradiction", "prompted", True, Money(0))
    world.query(payment_id, paid(world, payment_id, Money.major(500)))
    assert (world.row(payment_id).state, world.wallet) == ("confirmed", Money.major(500))


def test_a_card_deposit_is_a_card_deposit_on_the_statement(world: World, pages: Pages) -> None:
    payment_id = asked_for(world)
    world.query(payment_id, paid(world, payment_id, Money.major(500)))
    with world.db.hot() as cursor:
        (movement,) = world.ledger.movements(cursor, f"wallet:{world.number}", None, 5)
    assert movement.kind == "deposit_by_card"


def test_less_than_the_price_of_credits_waits_for_a_person_not_for_the_wallet(world: World, pages: Pages) -> None:
    payment_id = ten_credits(world)
    before = world.balance("suspense:flutterwave-NGN")
    world.query(payment_id, paid(world, payment_id, Money.major(4_000, "NGN")))
    row = world.row(payment_id)
    assert (row.state, row.needs_review, row.waiting_minor) == ("failed", True, 0)
    assert world.balance("suspense:flutterwave-NGN") == before + Money.major(4_000, "NGN")
    assert world.payments.latest(world.number) is None
    with pytest.raises(NothingWaiting):
        world.payments.add_waiting(world.number, row.reference, "k")
    assert world.sms(payment_id) == ["credits_short"]


def test_more_than_the_price_of_credits_waits_too(world: World, pages: Pages) -> None:
    before = world.balance("suspense:flutterwave-NGN")
    payment_id = ten_credits(world)
    world.query(payment_id, paid(world, payment_id, Money.major(5_001, "NGN")))
    assert world.balance(f"credits:{world.number}") == Money(10, "credits")
    assert world.balance("suspense:flutterwave-NGN") == before + Money.major(1, "NGN")
    assert world.books_are_right()


def test_credits_are_handed_out_once_however_often_it_is_said(world: World, pages: Pages) -> None:
    payment_id = ten_credits(world)
    result = paid(world, payment_id, Money.major(5_000, "NGN"))
    assert [world.query(payment_id, result) for _ in range(3)] == ["confirmed", "repeated", "repeated"]
    assert world.balance(f"credits:{world.number}") == Money(10, "credits")


def test_only_so_many_pages_stand_open(world: World, pages: Pages) -> None:
    for _ in range(5):
        asked_for(world)
    with pytest.raises(PaymentInProgress):
        asked_for(world)


def says(state: InboxState, note: str) -> Handler:
    return lambda token, body: Handled(state, f"{note} {token} {body!r}")


def test_what_the_first_cannot_read_is_for_the_other() -> None:
    unreadable, handled = says(InboxState.UNREADABLE, "first"), says(InboxState.HANDLED, "other")
    assert InTurn(unreadable, handled)("t", b"x") == Handled(InboxState.HANDLED, "other t b'x'")
    assert InTurn(handled, unreadable)("t", b"x").state is InboxState.HANDLED
    assert InTurn(unreadable, unreadable)("t", b"x").state is InboxState.UNREADABLE


def test_what_is_not_settled_by_the_first_is_not_shown_to_the_other() -> None:
    waiting, handled = says(InboxState.RECEIVED, "first"), says(InboxState.HANDLED, "other")
    assert InTurn(waiting, handled)(None, b"").state is InboxState.RECEIVED
