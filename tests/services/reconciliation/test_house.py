"""The whole gateway against a simulated rail's own statement, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gateway.services.payment_desk import Desk
from gateway.services.reconciliation import Reconciliation
from gateway.services.reconciliation_hands import Hands
from tests.house import House, eventually


def test_a_deposit_is_credited_by_the_statement_and_by_its_late_callback_not_again(
    house: House, numbers: Iterator[str]
) -> None:
    number, parts = next(numbers), house.parts
    phone = house.member(number)
    phone.dials().types("2", "640").hears_goodbye()
    prompt = house.prompt(number)
    house.simulators.mpesa.prompts.answer(prompt.checkout_id, "0")
    desk: Desk = parts.payments._desk
    later = Reconciliation(
        parts.db,
        parts.ledger,
        parts.providers.rails,
        desk.jobs,
        lambda: parts.clock() + timedelta(minutes=20),
        Hands(parts.payments.result),
    )
    (one,) = eventually(lambda: [one for one in later.run("mpesa") if one.named == prompt.reference])
    assert (one.kind, one.action) == ("unknown_payment", "apply_to_payment")
    assert house.balance(number) == 0
    assert later.apply(one.id) == "confirmed"
    assert house.balance(number) == 640
    house.work()
    assert house.balance(number) == 640
    assert [each for each in later.run("mpesa") if each.named == prompt.reference] == []
    assert house.books_are_right()
