"""From a rail's raw body to money: kept once, believed only when it fits, never dropped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from gateway.db import Database
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.inbox import Inbox
from gateway.models.inbox import InboxItem, InboxState
from gateway.services.callbacks import Callbacks
from gateway.services.payment_callbacks import PaymentCallbacks
from gateway.vault import Vault
from gateway.web.callbacks import MOST_BYTES, callbacks_blueprint, keep
from integrations.protocols import About, Channel, PaymentResult, PaymentVerdict
from tests.conftest import Clock
from tests.services.payments.world import World, fresh_phone, new_receipt


def read(raw: bytes) -> PaymentResult | None:
    """A rail's reader, as small as can be: our own words as JSON."""
    try:
        told = json.loads(raw)
        return PaymentResult(
            PaymentVerdict(told["verdict"]),
            provider_id=told.get("id"),
            receipt=told.get("receipt"),
            amount=Money.major(told["amount"]) if "amount" in told else None,
            payer=Phone(told["payer"]) if "payer" in told else None,
            code=str(told.get("code", "0")),
            reason=told.get("reason", ""),
            request_id=told.get("request"),
            reference=told.get("reference"),
        )
    except (ValueError, KeyError, TypeError):
        return None


CHANNEL = Channel("stk", About.PAYMENT, read)


class Door:
    """The address of the rail, and the worker behind it."""

    def __init__(self, world: World) -> None:
        self.world = world
        rail = replace(world.rail.as_rail, channels=(CHANNEL,))
        self.inbox = Inbox(world.db, world.vault, world.jobs, world.clock)
        handlers = {f"{rail.name}.stk": PaymentCallbacks(world.desk, world.payments, rail.name, CHANNEL)}
        self.callbacks = Callbacks(world.db, world.vault, self.inbox, world.jobs, world.clock, handlers)
        app = Flask(__name__)
        app.register_blueprint(callbacks_blueprint(self.inbox, {rail.name: rail}))
        app.add_url_rule("/alias", view_func=lambda: keep(self.inbox, rail.name, CHANNEL, None), methods=["POST"])
        self.client: FlaskClient = app.test_client()

    def told(self, payment_id: int, **changes: Any) -> dict[str, Any]:
        """What the rail would send of a paid payment."""
        row = self.world.row(payment_id)
        told = {
            "verdict": "paid",
            "id": row.provider_id,
            "receipt": new_receipt(),
            "amount": row.amount.whole_units,
            "payer": self.world.phone.e164,
        }
        return {key: value for key, value in (told | changes).items() if value is not None}

    def post(self, told: object, token: str | None) -> int:
        """Post a body and run the jobs it made; returns the HTTP status."""
        raw = told if isinstance(told, bytes) else json.dumps(told).encode()
        answer = self.client.post(f"/hooks/{token}/stk" if token else "/alias", data=raw)
        assert answer.get_json()["ResultCode"] == 0
        self.run_inbox()
        return answer.status_code

    def deliver(self, payment_id: int, **changes: Any) -> InboxItem:
        """What the rail sends to the payment's own address, and what became of it."""
        self.post(self.told(payment_id, **changes), self.world.row(payment_id).token)
        return self.last()

    def run_inbox(self) -> None:
        while jobs := [job for job in self.world.jobs.waiting if job[0] == "inbox"]:
            for job in jobs:
                self.world.jobs.waiting.remove(job)
                self.callbacks.handle(job[1])

    def last(self) -> InboxItem:
        with self.world.db.transaction() as session:
            return session.query(InboxItem).order_by(InboxItem.id.desc()).limit(1).one()

    def count(self) -> int:
        with self.world.db.transaction() as session:
            return session.query(InboxItem).count()


@pytest.fixture
def door(world: World) -> Door:
    return Door(world)


def test_a_callback_at_the_payments_own_address_credits(door: Door) -> None:
    payment_id = door.world.prompted()
    item = door.deliver(payment_id)
    assert (item.state, item.note) == ("handled", "confirmed")
    assert (door.world.wallet, door.world.rail.asked) == (Money.major(500), [])


def test_a_callback_is_answered_before_it_is_handled(door: Door) -> None:
    payment_id = door.world.prompted()
    row = door.world.row(payment_id)
    door.client.post(f"/hooks/{row.token}/stk", data=json.dumps(door.told(payment_id)))
    assert door.world.row(payment_id).state == "prompted"
    door.run_inbox()
    assert door.world.row(payment_id).state == "confirmed"


@pytest.mark.parametrize("raw", [b"", b"garbage", b"{}", b"\x00\xff\xfe", b"[1,2]", b"null", b'{"Body":{}}'])
def test_any_body_is_answered_200_and_kept(door: Door, raw: bytes) -> None:
    token = door.world.row(door.world.prompted()).token
    before = door.count()
    assert door.post(raw, token) == 200
    item = door.last()
    assert (door.count(), item.state) == (before + 1, "unreadable")
    assert door.inbox.body(item) == raw


@pytest.mark.parametrize("token", ["0" * 32, "nonsense", "a%00b", "x" * 5000, "%F0%9F%98%80", "' OR 1=1 --"])
def test_an_address_nobody_knows_is_answered_200_and_kept_too(door: Door, token: str) -> None:
    before = door.count()
    assert door.post({"verdict": "paid", "id": token[:40], "n": door.world.number}, token) == 200
    assert (door.count(), door.last().state) == (before + 1, "unmatched")


def test_a_body_that_is_too_long_is_answered_200_and_kept_in_part(door: Door) -> None:
    raw = door.world.number.encode() * MOST_BYTES
    assert door.post(raw, "0" * 32) == 200
    assert door.inbox.body(door.last()) == raw[:MOST_BYTES]


def test_the_same_body_twice_is_one_row_and_one_job(door: Door) -> None:
    payment_id = door.world.prompted()
    told, token = door.told(payment_id), door.world.row(payment_id).token
    door.post(told, token)
    before = door.count()
    door.post(told, token)
    assert (door.count(), door.world.wallet) == (before, Money.major(500))


def test_a_body_is_sealed_at_rest_and_keeps_no_credential(door: Door) -> None:
    payment_id = door.world.prompted()
    told = json.dumps(door.told(payment_id))
    token = door.world.row(payment_id).token
    door.client.post(f"/hooks/{token}/stk", data=told, headers={"Authorization": "Bearer s3cret", "User-Agent": "rail"})
    item = door.last()
    assert door.world.phone.msisdn not in item.body_sealed
    assert "s3cret" not in door.world.vault.open(item.body_sealed)
    assert "rail" in door.world.vault.open(item.body_sealed)


def test_a_body_that_cannot_be_stored_is_answered_503(vault: Vault, clock: Clock, world: World) -> None:
    away = Database("postgresql://postgres@127.0.0.1:1/nowhere")
    app, rails = Flask(__name__), {world.rail.name: replace(world.rail.as_rail, channels=(CHANNEL,))}
    app.register_blueprint(callbacks_blueprint(Inbox(away, vault, world.jobs, clock), rails))
    assert app.test_client().post(f"/hooks/{'0' * 32}/stk", data=b"{}").status_code == 503


def test_dying_between_handling_and_writing_it_down_credits_once(door: Door) -> None:
    payment_id = door.world.prompted()
    item = door.deliver(payment_id)
    with door.world.db.transaction() as session:
        session.execute(text("UPDATE inbox SET state = 'received', handled_at = NULL WHERE id = :i"), {"i": item.id})
    door.callbacks.handle(item.id)
    assert (door.last().note, door.world.wallet) == ("repeated", Money.major(500))


def test_a_handled_body_is_not_looked_at_again(door: Door) -> None:
    item = door.deliver(door.world.prompted())
    door.callbacks.handle(item.id)
    assert door.last().attempts == 1


def test_an_item_whose_job_was_lost_is_found_again(door: Door) -> None:
    payment_id = door.world.prompted()
    token = door.world.row(payment_id).token
    door.client.post(f"/hooks/{token}/stk", data=json.dumps(door.told(payment_id)))
    door.world.jobs.waiting.clear()
    door.callbacks.retry_due()
    assert not door.world.jobs.of("inbox", door.last().id)
    door.world.clock.move(minutes=3)
    door.callbacks.retry_due()
    door.run_inbox()
    assert door.world.wallet == Money.major(500)


# Hints: nothing is signed, so what does not fit is asked about.


def test_an_untokened_success_credits_nothing_by_itself(door: Door) -> None:
    payment_id = door.world.prompted()
    door.post(door.told(payment_id), token=None)
    assert (door.world.wallet, door.world.row(payment_id).state) == (Money(0), "prompted")
    assert door.world.rail.asked == [door.world.row(payment_id).provider_id]
    assert door.last().state == "received"


def test_an_untokened_success_credits_when_the_rail_says_so_but_its_receipt_is_not_believed(door: Door) -> None:
    payment_id = door.world.prompted()
    door.world.rail_says(payment_id, PaymentVerdict.PAID, code="0")
    door.post(door.told(payment_id, receipt="FORGED" + door.world.number), token=None)
    assert (door.world.wallet, door.world.row(payment_id).receipt) == (Money.major(500), None)
    item = door.deliver(payment_id)
    assert (item.note, door.world.wallet) == ("completed", Money.major(500))


def test_a_token_of_another_payment_is_only_a_hint(door: Door) -> None:
    payment_id = door.world.prompted()
    other = door.world.another()
    other_id = other.prompted()
    door.post(door.told(payment_id), other.row(other_id).token)
    assert (door.world.wallet, other.wallet) == (Money(0), Money(0))
    assert (door.world.row(payment_id).state, other.row(other_id).state) == ("prompted", "prompted")
    door.world.rail_says(payment_id, PaymentVerdict.PAID, code="0")
    door.post(door.told(payment_id), other.row(other_id).token)
    assert (door.world.wallet, other.wallet) == (Money.major(500), Money(0))


def test_an_untokened_failure_fails_nothing_by_itself(door: Door) -> None:
    payment_id = door.world.prompted()
    door.post(door.told(payment_id, verdict="failed", reason="cancelled"), token=None)
    assert door.world.row(payment_id).state == "prompted"


def test_a_hint_about_a_confirmed_payment_asks_nobody(door: Door) -> None:
    payment_id = door.world.prompted()
    door.deliver(payment_id)
    door.post(door.told(payment_id), token=None)
    assert (door.last().state, door.world.rail.asked) == ("handled", [])


def test_a_large_amount_is_confirmed_by_asking_the_rail(door: Door) -> None:
    payment_id = door.world.prompted(20_001)
    item = door.deliver(payment_id)
    assert (item.state, door.world.wallet) == ("received", Money(0))
    door.world.rail_says(payment_id, PaymentVerdict.PAID, code="0")
    door.world.clock.move(minutes=3)
    door.callbacks.retry_due()
    door.run_inbox()
    row = door.world.row(payment_id)
    assert (row.state, row.receipt is not None, row.needs_review) == ("confirmed", True, False)
    assert door.world.wallet == Money.major(20_001)


def test_a_large_failure_needs_no_asking(door: Door) -> None:
    payment_id = door.world.prompted(20_001)
    door.deliver(payment_id, verdict="failed", reason="cancelled", receipt=None, amount=None, payer=None)
    assert (door.world.row(payment_id).state, door.world.rail.asked) == ("failed", [])


def test_another_payer_than_the_one_we_prompted_is_asked_about_and_reviewed(door: Door) -> None:
    payment_id = door.world.prompted()
    door.deliver(payment_id, payer=fresh_phone().e164)
    assert (door.world.row(payment_id).state, door.world.wallet) == ("prompted", Money(0))
    door.world.rail_says(payment_id, PaymentVerdict.PAID, code="0")
    door.deliver(payment_id, payer=fresh_phone().e164)
    row = door.world.row(payment_id)
    assert (row.state, row.needs_review, row.receipt) == ("confirmed", True, None)


@pytest.mark.parametrize("missing", ["receipt", "amount"])
def test_a_success_without_receipt_or_amount_is_asked_about(door: Door, missing: str) -> None:
    payment_id = door.world.prompted()
    door.deliver(payment_id, **{missing: None})
    assert (len(door.world.rail.asked), door.world.wallet) == (1, Money(0))


@pytest.mark.parametrize("amount", [499, 501, 19_999])
def test_another_amount_than_we_asked_for_is_believed_only_when_the_rail_says_paid(door: Door, amount: int) -> None:
    payment_id = door.world.prompted()
    item = door.deliver(payment_id, amount=amount)
    assert (item.state, door.world.row(payment_id).state, door.world.wallet) == ("received", "prompted", Money(0))
    assert len(door.world.rail.asked) == 1


def test_another_amount_and_receipt_for_a_prompt_that_was_paid_credits_nothing(door: Door) -> None:
    """The rail's *paid* is about the money we have: it would say so of any receipt."""
    payment_id = door.world.prompted()
    item_id = door.deliver(payment_id, amount=5_000).id
    door.deliver(payment_id)
    door.world.rail_says(payment_id, PaymentVerdict.PAID, code="0")
    door.world.clock.move(minutes=3)
    door.callbacks.retry_due()
    door.run_inbox()
    with door.world.db.transaction() as session:
        assert session.get_one(InboxItem, item_id).state == "handled"
    assert door.world.wallet == Money.major(500)


def test_another_receipt_for_a_prompt_that_came_short_credits_nothing(door: Door) -> None:
    payment_id = door.world.prompted()
    door.world.rail_says(payment_id, PaymentVerdict.PAID, code="0")
    door.deliver(payment_id, amount=490)
    assert door.deliver(payment_id, amount=5_000).state == "handled"
    assert (door.world.wallet, door.world.row(payment_id).waiting_minor) == (Money(0), 49_000)


def test_another_prompts_success_at_our_address_is_believed_only_from_the_rail(door: Door) -> None:
    payment_id = door.world.prompted()
    strange = f"ws_CO_{door.world.number}"
    door.deliver(payment_id, id=strange)
    assert (door.world.rail.asked, door.world.wallet) == ([strange], Money(0))
    door.world.rail.says[strange] = PaymentResult(PaymentVerdict.PAID, strange, code="0")
    door.deliver(payment_id, id=strange)
    assert (door.world.wallet, door.world.row(payment_id).needs_review) == (Money.major(500), True)


def test_another_prompts_failure_at_our_address_fails_nothing(door: Door) -> None:
    payment_id = door.world.prompted()
    strange = f"ws_CO_{door.world.number}"
    door.world.rail.says[strange] = PaymentResult(PaymentVerdict.FAILED, strange, code="1032", reason="cancelled")
    item = door.deliver(payment_id, id=strange, verdict="failed", reason="cancelled")
    assert (item.state, door.world.row(payment_id).state) == ("unmatched", "prompted")


# A rail's callback need not carry the id by which it is asked: PayHero's has our reference and another id.


def told_by_reference(door: Door, payment_id: int, **changes: Any) -> dict[str, Any]:
    reference = door.world.row(payment_id).reference
    return {"id": None, "request": "m-1", "reference": reference} | changes


def test_a_callback_with_our_reference_instead_of_the_rails_id_credits(door: Door) -> None:
    payment_id = door.world.prompted()
    item = door.deliver(payment_id, **told_by_reference(door, payment_id))
    assert (item.note, door.world.wallet, door.world.rail.asked) == ("confirmed", Money.major(500), [])


def test_our_reference_alone_is_enough(door: Door) -> None:
    payment_id = door.world.prompted()
    assert door.deliver(payment_id, **told_by_reference(door, payment_id, request=None)).note == "confirmed"


def test_our_reference_without_the_token_is_only_a_hint(door: Door) -> None:
    payment_id = door.world.prompted()
    told = door.told(payment_id, **told_by_reference(door, payment_id))
    door.post(told, token=None)
    assert (door.last().state, door.world.wallet) == ("received", Money(0))
    assert door.world.rail.asked == [door.world.row(payment_id).provider_id]


@pytest.mark.parametrize(
    "changes", [{"request": "m-2"}, {"reference": "NOTOURS1"}, {"request": None, "reference": None}]
)
def test_a_callback_whose_ids_are_not_ours_is_asked_about(door: Door, changes: dict[str, Any]) -> None:
    payment_id = door.world.prompted()
    item = door.deliver(payment_id, **told_by_reference(door, payment_id, **changes))
    assert (item.state, door.world.wallet) == ("received", Money(0))
    assert door.world.rail.asked == [door.world.row(payment_id).provider_id]


def test_a_callback_before_we_know_any_id_is_matched_by_our_reference(door: Door) -> None:
    payment_id = door.world.prompted()
    forget = text("UPDATE payments SET provider_id = NULL, request_id = NULL WHERE id = :i")
    with door.world.db.transaction() as session:
        session.execute(forget, {"i": payment_id})
    assert door.deliver(payment_id, **told_by_reference(door, payment_id)).note == "confirmed"


def test_a_short_callback_is_short_whatever_a_later_hint_says(door: Door) -> None:
    payment_id = door.world.prompted()
    door.world.rail_says(payment_id, PaymentVerdict.PAID, code="0")
    assert door.deliver(payment_id, amount=200).note == "short"
    door.post(door.told(payment_id), token=None)
    assert (door.world.row(payment_id).state, door.world.wallet) == ("failed", Money(0))


def test_an_untokened_result_before_we_know_its_id_is_kept_and_matched_when_we_do(door: Door) -> None:
    world = door.world
    payment_id = world.request()

    def hint(provider_id: str) -> None:
        door.post({"verdict": "paid", "id": provider_id, "amount": 500, "receipt": new_receipt()}, token=None)
        assert door.last().state == InboxState.UNMATCHED
        world.rail.says[provider_id] = PaymentResult(PaymentVerdict.PAID, provider_id, code="0")

    world.rail.during_prompt = hint
    world.payments.push(payment_id)
    assert world.jobs.of("inbox", door.last().id)
    door.run_inbox()
    assert (door.last().state, world.wallet) == ("handled", Money.major(500))


def test_unmatched_bodies_are_tried_again_with_growing_gaps(door: Door) -> None:
    door.post({"verdict": "paid", "id": f"nobody-{door.world.number}"}, token=None)
    gaps = []
    for _ in range(5):
        item = door.last()
        gaps.append((item.due_at - door.world.clock()).total_seconds())
        door.world.clock.now = item.due_at
        door.callbacks.retry_due()
        door.run_inbox()
        assert door.last().state == "unmatched"
    assert gaps == [120, 240, 480, 960, 1920]


@pytest.fixture(autouse=True)
def _settled_inbox(db: Database) -> Iterator[None]:
    """Tests share a database: nothing of one is due in another."""
    yield
    with db.transaction() as session:
        session.execute(text("UPDATE inbox SET state = 'handled', handled_at = now() WHERE handled_at IS NULL"))
