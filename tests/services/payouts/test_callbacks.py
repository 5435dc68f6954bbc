"""From a rail's raw body to a payout: believed only when it fits, else the rail is asked; silence is asked about."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.money import Money
from gateway.services.callbacks import Handled
from gateway.services.payout_callbacks import PayoutCallbacks
from gateway.services.refunds import Refund
from integrations.protocols import About, Channel, PaymentVerdict, PayoutResult
from tests.services.payments.world import new_receipt
from tests.services.payouts.world import World


def read(raw: bytes) -> PayoutResult | None:
    """A rail's reader, as small as can be: our own words as JSON."""
    try:
        told = json.loads(raw)
        amount = told.pop("amount", None)
        verdict = PaymentVerdict(told.pop("verdict"))
        return PayoutResult(verdict, amount=None if amount is None else Money(amount), **told)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def read_late(raw: bytes) -> PayoutResult:
    """Of a queue that timed out: whatever the body is, it says that the rail does not know."""
    return PayoutResult(PaymentVerdict.NO_ANSWER)


class Door:
    """The handlers of a rail's channels."""

    def __init__(self, world: World, *, proves: bool = False) -> None:
        self.world = world
        channels = {
            "payout": Channel("payout", About.PAYOUT, read, proves=proves),
            "late": Channel("payout-late", About.PAYOUT, read_late),
        }
        self._handlers = {
            name: PayoutCallbacks(world.desk, world.payouts, "mpesa", channel) for name, channel in channels.items()
        }

    def told(self, result: PayoutResult, **changes: Any) -> dict[str, Any]:
        told = {
            "verdict": str(result.verdict),
            "own_id": result.own_id,
            "provider_id": result.provider_id,
            "receipt": result.receipt,
            "amount": result.amount and result.amount.minor,
            "reason": result.reason,
        }
        return {name: value for name, value in (told | changes).items() if value is not None}

    def post(self, told: dict[str, Any] | bytes, token: str | None, channel: str = "payout") -> Handled:
        raw = told if isinstance(told, bytes) else json.dumps(told).encode()
        return self._handlers[channel](token, raw)

    def token(self, payout_id: int) -> str:
        return self.world.attempts(payout_id)[-1].token


@pytest.fixture
def door(world: World) -> Door:
    return Door(world)


def big(world: World) -> int:
    """A payout above the amount that is believed without asking."""
    world.give(f"wallet:{world.number}", 40_000)
    return world.submitted(30_000)


def test_a_success_at_the_attempts_own_address_is_believed(door: Door) -> None:
    payout_id = door.world.submitted()
    handled = door.post(door.told(door.world.bank.settles()), door.token(payout_id))
    assert (handled.state, handled.note, door.world.state(payout_id)) == ("handled", "paid", "paid")
    assert door.world.bank.asked == []
    assert door.world.books_agree()


@pytest.mark.parametrize("known_by", ["own_id", "provider_id"])
def test_either_id_matches(door: Door, known_by: str) -> None:
    payout_id = door.world.submitted()
    told = door.told(door.world.bank.settles())
    other = "provider_id" if known_by == "own_id" else "own_id"
    told[other] = "16740-34861180-1"
    assert door.post(told, door.token(payout_id)).note == "paid"


def test_a_failure_at_the_attempts_own_address_needs_no_asking(door: Door) -> None:
    payout_id = big(door.world)
    door.post(door.told(door.world.bank.refuses("not_registered")), door.token(payout_id))
    assert (door.world.state(payout_id), door.world.bank.asked) == ("returned", [])


@pytest.mark.parametrize("verdict", ["paid", "failed"])
@pytest.mark.parametrize("token", [None, "0" * 32])
def test_an_untokened_body_only_makes_us_ask(door: Door, verdict: str, token: str | None) -> None:
    world, payout_id = door.world, door.world.submitted()
    forged = (
        world.bank.refuses()
        if verdict == "failed"
        else PayoutResult(PaymentVerdict.PAID, world.bank.orders[0].own_id, receipt="FORGED", amount=Money.major(500))
    )
    handled = door.post(door.told(forged), token)
    assert (handled.state, world.state(payout_id), len(world.bank.asked)) == ("received", "submitted", 1)
    assert (world.wallet, world.paid_out) == (485, Money(0))


def test_what_the_rail_says_when_asked_counts_and_a_forged_receipt_does_not(door: Door) -> None:
    world, payout_id = door.world, door.world.submitted()
    world.bank.says = world.bank.settles()
    door.post(door.told(world.bank.says, receipt="FORGED"), None)
    assert (world.state(payout_id), world.row(payout_id).receipt) == ("paid", world.bank.orders[0].receipt)
    assert world.books_agree()


def test_a_body_about_another_payout_at_our_address_is_only_a_hint_for_that_one(door: Door) -> None:
    world = door.world
    one, other = world.submitted(100), world.submitted(200)
    result = world.bank.settles(world.bank.orders[1])
    handled = door.post(door.told(result), door.token(one))
    assert (handled.state, world.state(one), world.state(other)) == ("received", "submitted", "submitted")
    assert world.bank.asked == [world.bank.orders[1].own_id]


def test_a_large_success_is_confirmed_by_asking(door: Door) -> None:
    world, payout_id = door.world, big(door.world)
    told = door.told(world.bank.settles())
    assert door.post(told, door.token(payout_id)).state == "received"
    assert world.state(payout_id) == "submitted"
    world.bank.says = world.bank.settles()
    assert door.post(told, door.token(payout_id)).note == "paid"
    assert door.post(told, door.token(payout_id)).state == "handled"
    assert world.books_agree()


def test_where_the_rail_answers_only_by_callback_the_answer_at_our_questions_address_counts(door: Door) -> None:
    world, payout_id = door.world, big(door.world)
    told = door.told(world.bank.settles())
    for _ in range(3):
        assert door.post(told, door.token(payout_id)).state == "received"
    question = world.attempts(payout_id)[0].question_token
    assert door.post(told, question).note == "paid"
    assert door.post(told, door.token(payout_id)).note == "repeated"
    assert world.books_agree()


def test_an_answer_without_ids_at_our_questions_address_is_about_what_we_asked(door: Door) -> None:
    world, payout_id = door.world, door.world.submitted()
    world.passes(seconds=31)
    question = world.attempts(payout_id)[0].question_token
    door.post(door.told(world.bank.refuses(), own_id=None, provider_id=None), question)
    assert world.state(payout_id) == "returned"


@pytest.mark.parametrize("missing", ["receipt", "amount"])
def test_an_incomplete_success_is_asked_about(door: Door, missing: str) -> None:
    payout_id = door.world.submitted()
    told = door.told(door.world.bank.settles(), **{missing: None})
    assert door.post(told, door.token(payout_id)).state == "received"
    assert (door.world.state(payout_id), len(door.world.bank.asked)) == ("submitted", 1)


def test_a_body_without_any_id_we_know_is_asked_about(door: Door) -> None:
    payout_id = door.world.submitted()
    told = door.told(door.world.bank.settles(), own_id="other-form", provider_id="AG_strange")
    assert door.post(told, door.token(payout_id)).state == "received"
    assert door.world.state(payout_id) == "submitted"


def test_a_signed_body_is_believed_wherever_it_comes_and_whatever_the_amount(world: World) -> None:
    payout_id = big(world)
    door = Door(world, proves=True)
    assert door.post(door.told(world.bank.settles()), None).note == "paid"
    assert world.state(payout_id) == "paid"


def test_a_hint_about_what_is_decided_asks_nobody(door: Door) -> None:
    world, payout_id = door.world, door.world.submitted()
    world.hears(payout_id, world.bank.settles())
    assert door.post(door.told(world.bank.refuses()), None).state == "handled"
    assert (world.bank.asked, world.row(payout_id).needs_review) == ([], False)


def test_a_late_success_of_an_earlier_attempt_finds_its_payout(door: Door) -> None:
    world, payout_id = door.world, door.world.submitted()
    first, token = world.bank.orders[0], door.token(payout_id)
    door.post(door.told(world.bank.refuses("busy", first)), token)
    world.passes(minutes=1)
    assert door.post(door.told(world.bank.settles(first)), token).note == "paid"
    assert world.row(payout_id).needs_review
    assert world.books_agree()


@pytest.mark.parametrize("order", [("lose the answer", True), ("accept", False)])
def test_a_result_while_we_still_call_finds_its_payout(door: Door, order: tuple[str, bool]) -> None:
    world, payout_id = door.world, door.world.held()
    world.bank.script = [order[0]]
    notes: list[str] = []

    def faster(taken: Any) -> None:
        notes.append(door.post(door.told(world.bank.settles(taken)), door.token(payout_id)).note)

    world.bank.during_call = faster
    world.payouts.pay(payout_id)
    assert (notes, world.state(payout_id)) == (["paid"], "paid")
    assert world.books_agree()


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_hint_while_we_call_asks_nobody_about_what_may_not_have_arrived_yet(door: Door, repeatable: bool) -> None:
    world, payout_id = door.world, door.world.held()
    world.bank.repeatable = repeatable
    world.bank.says = PayoutResult(PaymentVerdict.FAILED, code="unknown id", reason="other")
    hint = {"verdict": "failed", "own_id": f"{world.row(payout_id).reference}-1"}
    world.bank.during_call = lambda order: door.post(hint, None)
    world.payouts.pay(payout_id)
    assert (world.state(payout_id), world.bank.asked, world.wallet) == ("submitted", [], 485)


@pytest.mark.parametrize("raw", [b"", b"{}", b"garbage", b'{"Result": {"ResultCode": 1}}', b"\x00\xff"])
def test_a_queue_that_timed_out_is_unknown_asked_about_at_once_and_never_paid_again(door: Door, raw: bytes) -> None:
    world, payout_id = door.world, door.world.submitted()
    assert door.post(raw, door.token(payout_id), "late").state == "handled"
    assert (world.state(payout_id), world.jobs.seconds("ask")) == ("unknown", [30, 0])
    world.passes(seconds=0)
    assert world.bank.asked == [world.bank.orders[0].own_id]
    door.post(raw + b" ", door.token(payout_id), "late")
    world.passes(hours=3)
    assert len(world.bank.asked) == 4
    assert (len(world.bank.orders), world.state(payout_id), world.wallet) == (1, "unknown", 485)


def test_a_queue_that_timed_out_may_still_have_paid(door: Door) -> None:
    world, payout_id = door.world, door.world.submitted()
    door.post(b"", door.token(payout_id), "late")
    assert door.post(door.told(world.bank.settles()), door.token(payout_id)).note == "paid"
    assert door.post(b" ", door.token(payout_id), "late").note == "no news"
    assert world.books_agree()


def test_the_result_of_an_undoing_that_was_asked_for_again_is_believed_under_its_new_id(door: Door) -> None:
    world = door.world
    world.rails["mpesa"] = world.rail(gives_back=world.bank)
    world.give("suspense:mpesa", 500)
    with world.db.transaction() as session:
        world.payouts.refund(session, Refund("mpesa", new_receipt(), Money.major(500), "suspense:mpesa"))
    payout_id = newest(world)
    world.passes(seconds=1)
    settled = replace(world.bank.settles(), own_id=None, provider_id="AG_of_the_repetition")
    door.post(door.told(settled), door.token(payout_id))
    assert world.state(payout_id) == "paid"


def newest(world: World) -> int:
    with world.db.hot() as cursor:
        cursor.execute("SELECT max(id) FROM payouts")
        return int(cursor.fetchone()[0])


def test_a_timeout_from_nowhere_changes_nothing(door: Door) -> None:
    payout_id = door.world.submitted()
    assert door.post(b"{}", "f" * 32, "late").state == "unmatched"
    assert door.world.state(payout_id) == "submitted"


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b'{"verdict": "maybe"}', b"\xff"])
def test_what_is_no_result_is_unreadable(door: Door, raw: bytes) -> None:
    assert door.post(raw, door.token(door.world.submitted())).state == "unreadable"


def test_what_nobody_knows_is_kept_until_its_id_is_known(door: Door) -> None:
    handled = door.post({"verdict": "paid", "own_id": "x", "provider_id": "AG_nobody"}, None)
    assert (handled.state, handled.match) == ("unmatched", "AG_nobody")


def test_another_rails_id_is_not_ours(door: Door) -> None:
    world = door.world
    world.submitted()
    handlers = PayoutCallbacks(world.desk, world.payouts, "payhero", Channel("w", About.PAYOUT, read))
    body = json.dumps(door.told(world.bank.settles())).encode()
    assert handlers(world.attempts(world.row(world.bank.orders[0].own_id[:-2]).id)[0].token, body).state == "unmatched"


def undone(door: Door, *script: str) -> tuple[int, dict[str, Any]]:
    """What is given back at the rail, and what the rail tells of it; none of our ids is in that."""
    world, bank = door.world, door.world.bank
    world.rails["mpesa"], bank.repeatable, bank.script = world.rail(gives_back=bank), False, list(script)
    world.give("suspense:mpesa", 500)
    with world.db.transaction() as session:
        reference = world.payouts.refund(session, Refund("mpesa", new_receipt(), Money.major(500), "suspense:mpesa"))
    assert reference
    world.passes(seconds=1)
    told = door.told(bank.settles())
    del told["own_id"]
    return world.row(reference).id, told


def test_what_was_undone_is_believed_at_its_address_although_the_answer_to_the_call_was_lost(door: Door) -> None:
    world, (payout_id, told) = door.world, undone(door, "lose the answer")
    assert door.post(told, "0" * 32).state == "unmatched", "whoever does not know the address proves nothing"
    assert (door.post(told, door.token(payout_id)).note, world.state(payout_id)) == ("paid", "paid")
    assert world.books_agree()


@pytest.mark.parametrize(("verdict", "state"), [("paid", "paid"), ("failed", "submitted")])
def test_of_another_call_for_what_is_undone_only_success_is_about_it(door: Door, verdict: str, state: str) -> None:
    payout_id, told = undone(door)
    door.post(told | {"provider_id": "of another call", "verdict": verdict}, door.token(payout_id))
    assert door.world.state(payout_id) == state
