"""Money told of by a message that proves nothing: the rail is asked, its answer decides, and no forgery credits."""

from __future__ import annotations

import secrets

import pytest
from sqlalchemy import text

from gateway.domain.money import Money
from gateway.services.arrivals import MOST_HINTS
from gateway.services.lookups import Lookups
from integrations.protocols import ArrivalNotice, Outcome
from tests.services.arrivals.world import TOKEN, World, new_receipt
from tests.services.payments.world import fresh_phone

LARGE = 20_001


def nothing_moved(world: World) -> bool:
    return (world.wallet, world.held("float"), world.held("suspense")) == (Money(0), 0, 0)


def test_a_large_amount_is_credited_when_the_rail_confirms_it(world: World) -> None:
    receipt = world.comes(world.number, LARGE)
    assert (world.state(receipt), nothing_moved(world)) == ("asking", True)
    world.answers(receipt, LARGE)
    assert (world.state(receipt), world.wallet) == ("credited", Money.major(LARGE))
    assert len(world.sms_about(receipt)) == 1


def test_a_large_amount_for_nobody_waits_in_suspense_when_the_rail_confirms_it(world: World) -> None:
    receipt = world.comes("nobody", LARGE)
    world.answers(receipt, LARGE)
    assert (world.state(receipt), world.held("suspense")) == ("suspended", LARGE)


def test_the_largest_amount_that_needs_no_question_needs_none(world: World) -> None:
    assert world.state(world.comes(world.number, LARGE - 1)) == "credited"
    assert world.enquiries.asked == []


def test_a_large_payment_of_a_prompt_is_settled_when_the_rail_confirms_it(world: World) -> None:
    payment_id = world.prompted(LARGE)
    receipt = world.comes(world.row(payment_id).reference, LARGE)
    assert world.row(payment_id).state == "prompted"
    world.answers(receipt, LARGE)
    assert (world.row(payment_id).state, world.wallet) == ("confirmed", Money.major(LARGE))


def test_what_the_rail_does_not_have_is_disbelieved_and_nothing_is_booked(world: World) -> None:
    receipt = world.comes(world.number, LARGE)
    world.answers(receipt, None)
    assert (world.state(receipt), nothing_moved(world)) == ("disbelieved", True)


def test_the_rails_question_is_asked_outside_of_any_transaction_at_an_address_of_its_own(world: World) -> None:
    receipt = world.comes(world.number, LARGE)
    held: list[int] = []

    def look_up(*, receipt: str, addresses: object) -> Outcome:
        held.append(world.db.engine.pool.checkedout())  # type: ignore[attr-defined]
        return Outcome.ACCEPTED

    world.enquiries.look_up = look_up  # type: ignore[method-assign,assignment]
    before = world.db.engine.pool.checkedout()  # type: ignore[attr-defined]
    world.asks()
    assert held == [before]
    assert world.arrival(receipt).token not in (TOKEN, "")


def test_the_rail_is_asked_again_with_growing_gaps_and_then_a_person_looks(world: World) -> None:
    receipt = world.comes(world.number, LARGE)
    world.asks()
    assert [world.asks_next() for _ in range(4)] == [30, 120, 600, 3600]
    row = world.arrival(receipt)
    assert (row.state, row.due_at, row.because) == ("asking", None, "the rail did not answer: a person looks")
    assert len(world.enquiries.asked) == 5
    assert receipt in [one.receipt for one in world.arrivals.waiting()]
    assert nothing_moved(world)
    world.answers(receipt, LARGE)
    assert world.wallet == Money.major(LARGE)


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.REJECTED])
def test_a_rail_that_does_not_take_the_question_is_asked_again(world: World, outcome: Outcome) -> None:
    world.enquiries.outcome = outcome
    receipt = world.comes(world.number, LARGE)
    world.asks()
    assert (world.state(receipt), world.asks_next()) == ("asking", 30)


def test_a_question_whose_job_runs_twice_is_asked_once_and_one_whose_job_was_lost_again(world: World) -> None:
    receipt = world.comes(world.number, LARGE)
    arrival_id = world.arrival(receipt).id
    world.asks()
    world.arrivals.ask(arrival_id, 1)
    assert len(world.enquiries.asked) == 1
    world.jobs.waiting.clear()
    assert world.arrivals.resume_lost() == 0
    world.clock.move(minutes=6)
    assert world.arrivals.resume_lost() == 1
    world.asks()
    assert len(world.enquiries.asked) == 2


def test_a_rail_that_cannot_be_asked_leaves_it_to_a_person(world: World) -> None:
    receipt = world.comes(world.number, LARGE)
    world.rails.clear()
    world.asks()
    assert (world.arrival(receipt).due_at, world.state(receipt), nothing_moved(world)) == (None, "asking", True)


# Forgeries: somebody who does not have the rail's address.


def test_a_forged_message_credits_nothing(world: World) -> None:
    receipt = world.forged(world.number)
    assert (world.state(receipt), nothing_moved(world)) == ("asking", True)
    world.answers(receipt, None)
    assert (world.state(receipt), nothing_moved(world)) == ("disbelieved", True)


@pytest.mark.parametrize("token", ["0" * 32, TOKEN[:-1], TOKEN.upper(), "nonsense", "%00", TOKEN + "0"])
def test_only_the_very_address_counts(world: World, token: str) -> None:
    world.comes(world.number, token=token)
    assert nothing_moved(world)


def test_an_answer_at_another_address_proves_nothing(world: World) -> None:
    receipt = world.forged(world.number)
    world.asks()
    forged = {"verdict": "paid", "receipt": receipt, "amount": 500}
    for token in (TOKEN, secrets.token_hex(16)):
        world.post(f"/hooks/{token}/receipt-state", forged)
        assert (world.last_item().state, nothing_moved(world)) == ("unmatched", True)


@pytest.mark.parametrize(
    "told", [{"receipt": "OTHER1"}, {"amount": None}, {"verdict": "pending"}, {"verdict": "no_answer"}]
)
def test_an_answer_that_says_less_decides_nothing(world: World, told: dict[str, object]) -> None:
    receipt = world.comes(world.number, LARGE)
    world.answers(receipt, LARGE, **told)
    assert (world.state(receipt), nothing_moved(world)) == ("asking", True)


def test_the_true_message_wins_over_a_forged_one_that_was_first(world: World) -> None:
    thief, receipt = world.open_account(fresh_phone()), new_receipt()
    world.forged(thief, 19_000, receipt)
    world.asks()
    world.comes(world.number, 500, receipt)
    assert (world.state(receipt), world.wallet) == ("credited", Money.major(500))
    world.answers(receipt, 500)
    assert (world.wallet, world.balance(f"wallet:{thief}"), world.held("float")) == (Money.major(500), Money(0), 500)


def test_the_true_message_wins_over_a_forged_one_that_was_disbelieved(world: World) -> None:
    receipt = world.forged(world.open_account(fresh_phone()))
    world.answers(receipt, None)
    world.comes(world.number, 700, receipt)
    assert (world.state(receipt), world.wallet) == ("credited", Money.major(700))


def test_a_large_true_message_after_a_disbelieved_forgery_is_asked_about_and_credited(world: World) -> None:
    receipt = world.forged(world.open_account(fresh_phone()), LARGE)
    world.answers(receipt, None)
    world.comes(world.number, LARGE, receipt)
    assert nothing_moved(world)
    world.answers(receipt, LARGE)
    assert (world.state(receipt), world.wallet) == ("credited", Money.major(LARGE))


def test_a_forgery_about_a_real_receipt_does_not_say_whose_it_is(world: World) -> None:
    thief = world.open_account(fresh_phone())
    receipt = world.forged(thief)
    world.answers(receipt, 500)
    assert (world.state(receipt), world.held("suspense")) == ("suspended", 500)
    assert world.balance(f"wallet:{thief}") == Money(0)
    world.comes(world.number, 500, receipt)
    assert (world.state(receipt), world.wallet, world.held("suspense")) == ("credited", Money.major(500), 0)
    assert (world.held("float"), world.books_are_right()) == (500, True)


def test_a_forgery_about_a_prompts_receipt_does_not_stand_in_its_way(world: World) -> None:
    payment_id, receipt = world.prompted(), new_receipt()
    world.forged(world.open_account(fresh_phone()), 500, receipt)
    world.answers(receipt, 500)
    assert world.held("suspense") == 500
    world.comes(world.row(payment_id).reference, 500, receipt)
    assert (world.row(payment_id).state, world.wallet) == ("confirmed", Money.major(500))
    assert (world.held("suspense"), world.held("float"), world.state(receipt)) == (0, 500, "credited")
    world.callback(payment_id, world.paid(payment_id, receipt=receipt))
    assert world.wallet == Money.major(500)


def test_a_forgery_with_another_amount_leaves_what_is_really_there_in_suspense(world: World) -> None:
    receipt = world.forged(world.number, 19_000)
    world.answers(receipt, 500)
    assert (world.state(receipt), world.held("suspense"), world.arrival(receipt).amount_minor) == (
        "suspended",
        500,
        50_000,
    )


def test_the_receipt_of_a_payout_of_ours_is_no_money_that_came(world: World) -> None:
    """Who withdrew knows a receipt that the rail confirms when it is asked."""
    receipt, own_id = new_receipt(), secrets.token_hex(8)
    add_payout(world, receipt, own_id)
    world.forged(world.number, 500, receipt)
    world.answers(receipt, 500)
    assert (world.state(receipt), nothing_moved(world)) == ("disbelieved", True)
    unheard = world.forged(world.number)
    world.answers(unheard, 500, own_id=own_id)
    assert (world.state(unheard), nothing_moved(world)) == ("disbelieved", True)


def add_payout(world: World, receipt: str, own_id: str) -> None:
    values = {"r": receipt, "o": own_id, "rail": world.rail.name}
    with world.db.transaction() as session:
        session.execute(
            text("""WITH made AS (
                        INSERT INTO payouts (reference, idempotency_key, purpose, way, rail, held_from, amount_minor,
                                             currency, payee_sealed, state, receipt)
                        VALUES (:r, :r, 'withdraw', 'send', :rail, 'wallet:x', 50000, 'KES', 'x', 'paid', :r)
                        RETURNING id)
                    INSERT INTO payout_attempts (payout_id, number, own_id, token) SELECT id, 1, :o, :o FROM made"""),
            values,
        )


def test_a_flood_of_forgeries_credits_nothing_and_asks_the_rail_a_few_at_a_time(world: World) -> None:
    for _ in range(MOST_HINTS + 15):
        world.forged(world.number)
    world.asks()
    assert (len(world.enquiries.asked), world.last_item().state) == (MOST_HINTS, "received")
    assert nothing_moved(world)
    true = world.comes(world.number)
    assert (world.state(true), world.wallet) == ("credited", Money.major(500))


def test_a_forgery_repeats_nothing(world: World) -> None:
    receipt = world.forged(world.number)
    world.forged(world.number, 900, receipt)
    assert (world.last_item().note, world.arrival(receipt).amount_minor) == ("repeated", 50_000)


def test_what_the_rail_told_is_proved_also_by_an_operators_question(world: World) -> None:
    receipt = world.comes(world.number, LARGE)
    asked: Lookups = world.lookups
    asked.ask_receipt(world.rail.name, receipt)
    world.jobs.waiting.clear()
    world.answers(receipt, LARGE)
    assert world.wallet == Money.major(LARGE)


def test_a_signed_message_needs_neither_address_nor_question(world: World) -> None:
    notice = ArrivalNotice(new_receipt(), Money.major(LARGE), world.number)
    assert world.arrivals.heard(world.rail.name, notice, tokened=False, proven=True) == "credited"
    assert world.wallet == Money.major(LARGE)


def on_a_statement(world: World, receipt: str, shillings: int) -> str:
    return world.arrivals.stated(world.rail.name, ArrivalNotice(receipt, Money.major(shillings), typed=""))


def test_what_only_a_statement_tells_of_waits_until_the_true_message_says_for_whom_it_is(world: World) -> None:
    receipt = new_receipt()
    assert on_a_statement(world, receipt, 70) == "suspended"
    assert on_a_statement(world, receipt, 70) == "repeated"
    assert (world.wallet, world.held("suspense")) == (Money(0), 70)
    world.forged(world.number, 70, receipt)
    assert world.state(receipt) == "suspended"
    world.comes(world.number, 70, receipt)
    assert (world.state(receipt), world.wallet, world.held("suspense")) == ("credited", Money.major(70), 0)
    assert len(world.sms_about(receipt)) == 1


def test_a_statement_ends_the_doubt_about_whom_a_large_payment_names(world: World) -> None:
    receipt = world.comes(world.number, LARGE)
    assert on_a_statement(world, receipt, LARGE) == "credited"
    assert (world.wallet, world.held("suspense")) == (Money.major(LARGE), 0)


def test_a_statement_proves_that_money_came_and_not_whom_a_forged_message_named(world: World) -> None:
    receipt = world.forged(world.number, 70)
    assert on_a_statement(world, receipt, 70) == "suspended"
    assert world.wallet == Money(0)
