"""Money told of at the address that only the rail was told: to whom its payer named, once, whatever way it is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256

import pytest

from gateway.domain.money import Money
from integrations.protocols import ArrivalNotice, PaymentResult, PaymentVerdict
from tests.services.arrivals.world import World, new_receipt
from tests.services.payments.world import fresh_phone


@pytest.mark.parametrize(
    "write",
    [
        lambda world: world.phone.national,
        lambda world: world.phone.e164,
        lambda world: world.phone.msisdn,
        lambda world: f"{world.phone.national[:4]} {world.phone.national[4:]}",
        lambda world: world.number,
        lambda world: world.number.lower(),
        lambda world: world.number.replace("-", " "),
        lambda world: f" {world.number.replace('-', '')} ",
        lambda world: world.number.replace("0", "O").replace("1", "I"),
    ],
    ids=["0712", "+254", "254", "blanks", "number", "small", "blank for dash", "joined", "letters for digits"],
)
def test_money_for_a_phone_or_an_account_number_is_in_its_wallet(world: World, write) -> None:  # type: ignore[no-untyped-def]
    receipt = world.comes(write(world))
    assert (world.state(receipt), world.wallet) == ("credited", Money.major(500))
    assert (world.held("float"), world.held("suspense")) == (500, 0)
    assert world.books_are_right()


def test_its_owner_is_told_amount_and_receipt(world: World) -> None:
    receipt = world.comes(world.number)
    ((kind, body, last4),) = world.sms_about(receipt)
    assert (kind, last4) == ("arrival_credited", world.phone.last4)
    assert body == f"KES 500 from M-Pesa paybill is in your wallet. Receipt {receipt}."


def test_the_same_message_again_credits_once(world: World) -> None:
    receipt = world.comes(world.number)
    world.comes(world.number, receipt=receipt)
    world.comes(world.number, receipt=receipt, again=True)
    assert (world.wallet, world.last_item().note) == (Money.major(500), "repeated")
    assert len(world.sms_about(receipt)) == 1


def test_a_receipt_that_is_booked_is_not_rewritten_by_another_message(world: World) -> None:
    receipt = world.comes(world.number)
    other = world.open_account(fresh_phone())
    world.comes(other, 900, receipt)
    assert (world.wallet, world.balance(f"wallet:{other}")) == (Money.major(500), Money(0))


@pytest.mark.parametrize("typed", ["", "school fees", "0799", "12345678", "ML-000", "\ud800 \x00", "x" * 300])
def test_money_for_nobody_waits_in_suspense(world: World, typed: str) -> None:
    receipt = world.comes(typed)
    assert (world.state(receipt), world.held("float"), world.held("suspense")) == ("suspended", 500, 500)
    assert [row.receipt for row in world.arrivals.waiting() if row.rail == world.rail.name] == [receipt]
    assert world.books_are_right()


def test_a_payer_whose_number_is_told_hears_that_nobody_has_that_name(world: World) -> None:
    payer = fresh_phone()
    receipt = world.comes("WIN {amount} http://bit.ly/x \u4f60 now call 0900", payer=payer.e164)
    ((kind, body, last4),) = world.sms_about(receipt)
    assert (kind, last4) == ("arrival_unknown", payer.last4)
    assert "KES 500" in body
    assert "'WIN amount http //'" in body
    assert len(body) <= 160


def test_a_payer_whose_number_is_hidden_hears_nothing(world: World) -> None:
    assert world.sms_about(world.comes("nobody", payer_told="2547 ***** 126")) == []


@pytest.mark.parametrize(
    ("tell", "noted"),
    [
        (lambda own, _: {"payer": own.e164}, "paid by its owner"),
        (lambda own, _: {"payer_told": sha256(own.msisdn.encode()).hexdigest()}, "paid by its owner"),
        (lambda own, _: {"payer_told": sha256(own.msisdn.encode()).hexdigest().upper()}, "paid by its owner"),
        (lambda own, _: {"payer_told": f"{own.msisdn[:4]} ***** {own.msisdn[-3:]}"}, "paid by its owner"),
        (lambda own, _: {"payer_told": f"{own.msisdn[:5]}****{own.msisdn[-3:]}"}, "paid by its owner"),
        (lambda _, other: {"payer": other.e164}, "paid by another phone"),
        (lambda _, other: {"payer_told": sha256(other.msisdn.encode()).hexdigest()}, "paid by another phone"),
        (lambda own, _: {"payer_told": f"2541 ***** {own.msisdn[-3:]}"}, "paid by another phone"),
        (lambda _own, _other: {}, "payer not told"),
        (lambda _own, _other: {"payer_told": "somebody"}, "payer not told"),
    ],
)
def test_who_paid_is_noted_and_stops_nothing_because_people_pay_for_others(world: World, tell, noted: str) -> None:  # type: ignore[no-untyped-def]
    receipt = world.comes(world.number, **tell(world.phone, fresh_phone()))
    assert (world.wallet, world.arrival(receipt).because) == (Money.major(500), f"named by who paid; {noted}")


def test_what_was_typed_and_who_paid_is_sealed_at_rest(world: World) -> None:
    row = world.arrival(world.comes(world.phone.national, payer=world.phone.e164))
    assert world.phone.last4 not in row.typed_sealed + str(row.payer_sealed)
    assert world.vault.open(row.typed_sealed) == world.phone.national


# The money of a prompt, told twice: by the prompt's own result, and as money that came.


def test_the_confirmation_of_a_prompt_settles_its_payment_also_without_the_prompts_result(world: World) -> None:
    payment_id = world.prompted()
    reference = world.row(payment_id).reference
    receipt = world.comes(f"{reference[:4].lower()} {reference[4:]}")
    row = world.row(payment_id)
    assert (row.state, row.receipt, row.received_minor) == ("confirmed", receipt, 50_000)
    assert (world.wallet, world.sms(payment_id)) == (Money.major(500), ["deposit_confirmed"])
    assert (world.state(receipt), world.arrival(receipt).payment_id) == ("credited", payment_id)


@pytest.mark.parametrize("typed", ["reference", "nothing"])
@pytest.mark.parametrize("first", ["result", "arrival"])
def test_a_prompts_result_and_its_confirmation_credit_once_in_both_orders(world: World, typed: str, first: str) -> None:
    payment_id, receipt = world.prompted(), new_receipt()
    result = world.paid(payment_id, receipt=receipt)
    named = world.row(payment_id).reference if typed == "reference" else ""
    if first == "result":
        world.callback(payment_id, result)
    world.comes(named, receipt=receipt)
    world.callback(payment_id, result)
    row = world.row(payment_id)
    assert (row.state, row.receipt, row.needs_review) == ("confirmed", receipt, False)
    assert (world.wallet, world.held("float"), world.held("suspense")) == (Money.major(500), 500, 0)
    assert (world.state(receipt), world.arrival(receipt).payment_id) == ("credited", payment_id)
    assert world.sms(payment_id) == ["deposit_confirmed"]
    assert world.refunds.made == []


@pytest.mark.parametrize("typed", ["reference", "nothing"])
def test_a_prompts_result_and_its_confirmation_at_once_credit_once(world: World, typed: str) -> None:
    for _ in range(5):
        payment_id, receipt = world.prompted(), new_receipt()
        result = world.paid(payment_id, receipt=receipt)
        notice = ArrivalNotice(
            receipt, Money.major(500), world.row(payment_id).reference if typed == "reference" else ""
        )
        calls = [
            lambda r=result, p=payment_id: world.callback(p, r),
            lambda n=notice: world.arrivals.heard(world.rail.name, n, tokened=True),
        ] * 3
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda call: call(), calls))
        assert world.state(receipt) == "credited"
    assert (world.wallet, world.held("float"), world.held("suspense")) == (Money.major(2500), 2500, 0)
    assert world.books_are_right()


def test_a_confirmation_after_a_query_said_paid_only_fills_the_receipt_in(world: World) -> None:
    payment_id = world.prompted()
    world.query(payment_id, PaymentResult(PaymentVerdict.PAID, code="0"))
    receipt = world.comes(world.row(payment_id).reference)
    assert (world.row(payment_id).receipt, world.wallet) == (receipt, Money.major(500))


def test_an_expired_payment_whose_money_comes_late_is_credited_and_not_sent_back(world: World) -> None:
    payment_id = world.prompted()
    world.payments.close(world.row(payment_id).reference, "not in the statement")
    world.comes(world.row(payment_id).reference)
    assert (world.row(payment_id).state, world.wallet, world.refunds.made) == ("confirmed", Money.major(500), [])


def test_less_than_the_payment_asked_for_waits_for_its_payers_choice(world: World) -> None:
    payment_id = world.prompted()
    receipt = world.comes(world.row(payment_id).reference, 300)
    row = world.row(payment_id)
    assert (row.state, row.reason, row.waiting_minor, world.held("suspense")) == ("failed", "short", 30_000, 300)
    assert world.state(receipt) == "credited"


def test_a_payment_of_another_rail_is_not_settled(world: World) -> None:
    other = World(world.db, world.vault, world.clock)
    payment_id = other.prompted()
    receipt = world.comes(other.row(payment_id).reference)
    assert (world.state(receipt), other.row(payment_id).state) == ("suspended", "prompted")


def test_dying_while_crediting_leaves_nothing_behind_and_the_next_try_credits(world: World) -> None:
    notice = ArrivalNotice(new_receipt(), Money.major(500), world.number)

    def no_words(name: str, language: str, /, **blanks: object) -> str:
        raise KeyError(name)

    broken = type(world.arrivals)(replace(world.desk, words=no_words), world.payments, world.jobs)
    with pytest.raises(KeyError):
        broken.heard(world.rail.name, notice, tokened=True)
    assert (world.wallet, world.held("float")) == (Money(0), 0)
    assert world.arrivals.heard(world.rail.name, notice, tokened=True) == "credited"
    assert world.wallet == Money.major(500)


def test_dying_between_crediting_and_writing_the_message_off_credits_once(world: World) -> None:
    receipt = world.comes(world.number)
    with world.db.transaction() as session:
        item = session.get_one(type(world.last_item()), world.last_item().id)
        item.state, item.handled_at = "received", None
    world.callbacks.handle(world.last_item().id)
    assert (world.last_item().note, world.wallet, world.state(receipt)) == ("repeated", Money.major(500), "credited")


@pytest.mark.parametrize("raw", [b"", b"garbage", b"{}", b"[]", b'{"typed":"x","receipt":"a b","amount":5}',
                                 b'{"typed":"x","receipt":"A1","amount":0}'])  # fmt: skip
def test_a_body_that_is_no_message_of_money_is_kept_and_answered(world: World, raw: bytes) -> None:
    assert world.post(f"/hooks/{'fedcba9876543210' * 2}/paybill", raw) == 200
    assert world.last_item().state == "unreadable"
