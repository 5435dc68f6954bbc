"""SMS out: sent once when we can know, never lost, and codes wiped when they are of no more use."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.services.messages import Messages, SendingRules
from gateway.vault import Vault
from integrations.protocols import DeliveryReport, DeliveryStatus, Outcome, SmsReceipt
from tests.services.people_kit import Kit, accepted, new_phone, together

UNKNOWN = SmsReceipt(Outcome.UNKNOWN, reason="timeout")
BUSY = SmsReceipt(Outcome.REJECTED, code=500, reason="InternalServerError", retry=True)
REFUSED = SmsReceipt(Outcome.REJECTED, code=403, reason="InvalidPhoneNumber")


class Killed(BaseException):
    """The process dies here."""


@pytest.fixture
def kit(db, vault, clock):
    return Kit(db, vault, clock)


def queue(kit, phone=None, body="Hello", **options):
    phone = phone or new_phone()
    with kit.db.transaction() as session:
        kit.messages.queue(session, kit.messages.recipient(phone), options.pop("kind", "sent"), body, **options)
    return phone


def row(kit):
    return kit.one("SELECT * FROM messages ORDER BY id LIMIT 1")


def report(kit, status, final=True, provider_id=None):
    provider_id = provider_id or row(kit).provider_id
    return kit.messages.delivery_report(DeliveryReport(provider_id, status, final, "why"))


def test_a_message_is_sent_with_its_id_and_cost(kit, clock):
    phone = queue(kit, reference="7F3K9QAB")
    kit.sms.answers[phone] = [accepted("0.8")]
    assert kit.messages.drain() == 1
    sent = row(kit)
    assert kit.sms.calls == [("Hello", [phone])]
    assert (sent.state, sent.cost_micros, sent.cost_currency, sent.sent_at) == ("sent", 800_000, "KES", clock())
    assert sent.provider_id.startswith("AT_")
    assert kit.messages.drain() == 0


def test_a_message_of_a_decision_that_rolled_back_is_not_sent(kit):
    with kit.db.transaction() as session:
        kit.messages.queue(session, kit.messages.recipient(new_phone()), "sent", "Hello")
        session.rollback()
    assert kit.messages.drain() == 0


def test_one_text_to_many_phones_is_one_call(kit):
    phones = [queue(kit, body="Same") for _ in range(5)]
    other = queue(kit, body="Other")
    assert kit.messages.drain() == 6
    assert kit.sms.calls == [("Same", phones), ("Other", [other])]


def test_the_same_text_twice_to_one_phone_is_sent_twice(kit):
    phone = queue(kit)
    queue(kit, phone)
    kit.messages.drain()
    assert kit.sms.calls == [("Hello", [phone]), ("Hello", [phone])]


def test_a_drain_takes_no_more_than_its_limit_oldest_first(kit):
    phones = [queue(kit) for _ in range(3)]
    assert [kit.messages.drain(2), kit.messages.drain(2), kit.messages.drain(2)] == [2, 1, 0]
    assert kit.sms.calls == [("Hello", phones[:2]), ("Hello", phones[2:])]


def test_the_lease_is_committed_before_the_provider_is_called(kit):
    queue(kit)
    seen = []
    kit.sms.before_answer = lambda: seen.append((row(kit).state, row(kit).attempts))
    kit.messages.drain()
    assert seen == [("sending", 1)]


def test_workers_at_once_send_each_message_once(kit):
    phones = {queue(kit, body=f"To {i}") for i in range(40)}
    assert sum(together(4, lambda: kit.messages.drain(10))) == 40
    assert len(kit.sms.calls) == 40
    assert {phone for _, called in kit.sms.calls for phone in called} == phones


def test_a_busy_provider_is_asked_again_later_and_later(kit, clock):
    phone = queue(kit)
    kit.sms.answers[phone] = [BUSY, BUSY]
    kit.messages.drain()
    assert (row(kit).state, row(kit).failure) == ("queued", "InternalServerError")
    assert kit.messages.drain() == 0
    clock.move(seconds=15)
    assert kit.messages.drain() == 1
    clock.move(seconds=15)
    assert kit.messages.drain() == 0
    clock.move(seconds=15)
    assert kit.messages.drain() == 1
    assert (row(kit).state, row(kit).failure) == ("sent", None)


def test_attempts_have_an_end(kit, clock):
    phone = queue(kit, body="code 123456", secret=True, expires_at=clock() + timedelta(days=9))
    most = SendingRules().most_attempts
    kit.sms.answers[phone] = [BUSY] * (most + 5)
    for _ in range(most + 5):
        kit.messages.drain()
        clock.move(hours=1)
    assert len(kit.sms.calls) == most
    assert (row(kit).state, row(kit).body_sealed) == ("failed", None)


def test_a_definite_refusal_is_final(kit, clock):
    phone = queue(kit)
    kit.sms.answers[phone] = [REFUSED]
    kit.messages.drain()
    clock.move(days=1)
    assert kit.messages.drain() == 0
    assert (row(kit).state, row(kit).failure) == ("failed", "InvalidPhoneNumber")


def test_a_receipt_without_an_answer_is_sent_once_more_then_left(kit, clock):
    phone = queue(kit)
    kit.sms.answers[phone] = [UNKNOWN, UNKNOWN]
    kit.messages.drain()
    assert kit.messages.drain() == 0
    clock.move(minutes=2)
    assert kit.messages.drain() == 1
    clock.move(days=1)
    assert kit.messages.drain() == 0
    assert (row(kit).state, len(kit.sms.calls)) == ("unknown", 2)


def test_a_refusal_in_between_does_not_make_a_third_doubtful_send(kit, clock):
    phone = queue(kit)
    kit.sms.answers[phone] = [UNKNOWN, BUSY, UNKNOWN]
    for _ in range(6):
        kit.messages.drain()
        clock.move(minutes=10)
    assert (row(kit).state, len(kit.sms.calls)) == ("unknown", 3)


def test_a_code_without_an_answer_is_never_sent_again(kit, clock):
    phone = queue(kit, body="code 123456", secret=True)
    kit.sms.answers[phone] = [UNKNOWN]
    kit.messages.drain()
    clock.move(minutes=10)
    assert kit.messages.drain() == 0
    assert (row(kit).state, row(kit).body_sealed) == ("unknown", None)


def test_an_answer_without_a_row_for_the_phone_is_no_answer(kit):
    queue(kit)
    kit.sms.send = lambda text, phones: {}
    kit.messages.drain()
    assert (row(kit).state, row(kit).silences, row(kit).failure) == ("queued", 1, "no answer")


@pytest.mark.parametrize(("secret", "calls", "state"), [(False, 2, "sent"), (True, 1, "unknown")])
def test_a_process_that_dies_in_the_call_counts_as_no_answer(kit, clock, secret, calls, state):
    queue(kit, secret=secret)

    def dies():
        raise Killed

    kit.sms.before_answer = dies
    with pytest.raises(Killed):
        kit.messages.drain()
    kit.sms.before_answer = lambda: None
    assert (row(kit).state, kit.messages.drain()) == ("sending", 0)
    clock.move(minutes=2)
    kit.messages.drain()
    assert (row(kit).state, len(kit.sms.calls)) == (state, calls)


def test_a_late_answer_does_not_touch_a_newer_attempt(kit, clock):
    phone = queue(kit)
    kit.sms.answers[phone] = [accepted(), REFUSED]
    slow = []

    def overtaken():
        if not slow:
            slow.append(True)
            clock.move(minutes=3)
            kit.messages.drain()

    kit.sms.before_answer = overtaken
    kit.messages.drain()
    assert (row(kit).state, row(kit).attempts, len(kit.sms.calls)) == ("sent", 2, 2)


def test_a_late_answer_resolves_the_doubt_about_a_code(kit, clock):
    queue(kit, body="code 123456", secret=True)

    def slow():
        clock.move(minutes=3)
        kit.messages.drain()
        assert row(kit).state == "unknown"

    kit.sms.before_answer = slow
    kit.messages.drain()
    assert row(kit).state == "sent"
    assert report(kit, DeliveryStatus.DELIVERED)
    assert row(kit).state == "delivered"


def test_no_call_begins_when_the_lease_is_nearly_over(kit, clock):
    phones = [queue(kit, body=f"To {i}") for i in range(3)]
    kit.sms.before_answer = lambda: clock.move(seconds=61)
    kit.messages.drain()
    states = [r.state for r in kit.all("SELECT state FROM messages ORDER BY id")]
    assert states == ["sent", "queued", "queued"]
    kit.sms.before_answer = lambda: None
    assert kit.messages.drain() == 2
    assert [called for _, called in kit.sms.calls] == [[phone] for phone in phones]
    assert [r.attempts for r in kit.all("SELECT attempts FROM messages ORDER BY id")] == [1, 1, 1]


def test_a_code_is_sealed_until_delivered_then_wiped(kit):
    phone = queue(kit, body="code 123456", secret=True)
    queued = row(kit)
    assert (queued.body, kit.vault.open(queued.body_sealed)) == (None, "code 123456")
    kit.messages.drain()
    assert kit.sms.texts_to(phone) == ["code 123456"]
    assert row(kit).body_sealed is not None
    assert report(kit, DeliveryStatus.ON_ITS_WAY, final=False)
    assert row(kit).body_sealed is not None
    assert report(kit, DeliveryStatus.DELIVERED)
    assert row(kit).body_sealed is None


@pytest.mark.parametrize("ending", ["refused", "failed report", "expired unsent", "expired sent", "no expiry given"])
def test_a_code_is_wiped_however_it_ends(kit, clock, ending):
    expires_at = None if ending == "no expiry given" else clock() + timedelta(minutes=5)
    phone = queue(kit, body="code 123456", secret=True, expires_at=expires_at)
    if ending == "refused":
        kit.sms.answers[phone] = [REFUSED]
    if ending == "expired unsent":
        clock.move(minutes=5)
    kit.messages.drain()
    if ending == "failed report":
        report(kit, DeliveryStatus.FAILED)
    if ending == "expired sent":
        clock.move(minutes=5)
        kit.messages.drain()
    if ending == "no expiry given":
        clock.move(days=1)
        kit.messages.drain()
    assert row(kit).body_sealed is None


def test_an_expired_code_is_not_sent_any_more(kit, clock):
    phone = queue(kit, body="code 123456", secret=True, expires_at=clock() + timedelta(minutes=5))
    kit.sms.answers[phone] = [BUSY]
    kit.messages.drain()
    clock.move(minutes=5)
    assert kit.messages.drain() == 0
    assert (row(kit).state, row(kit).failure, len(kit.sms.calls)) == ("failed", "expired", 1)


def test_a_report_makes_a_message_delivered_or_failed(kit, clock):
    queue(kit)
    kit.messages.drain()
    assert report(kit, DeliveryStatus.DELIVERED)
    assert (row(kit).state, row(kit).delivered_at) == ("delivered", clock())


@pytest.mark.parametrize("first", [DeliveryStatus.DELIVERED, DeliveryStatus.FAILED])
@pytest.mark.parametrize("then", list(DeliveryStatus))
def test_a_final_state_is_never_left(kit, first, then):
    queue(kit)
    kit.messages.drain()
    report(kit, first)
    assert report(kit, then, final=then is not DeliveryStatus.ON_ITS_WAY)
    assert row(kit).state == first.value


def test_a_failure_that_is_not_final_changes_nothing(kit):
    queue(kit)
    kit.messages.drain()
    assert report(kit, DeliveryStatus.FAILED, final=False)
    assert row(kit).state == "sent"


def test_a_report_that_overtakes_the_answer_is_asked_for_again(kit):
    phone = queue(kit)
    early = accepted()
    kit.sms.answers[phone] = [early]
    heard = []
    kit.sms.before_answer = lambda: heard.append(report(kit, DeliveryStatus.DELIVERED, provider_id=early.provider_id))
    kit.messages.drain()
    assert (heard, row(kit).state) == ([False], "sent")
    assert report(kit, DeliveryStatus.DELIVERED, provider_id=early.provider_id)
    assert row(kit).state == "delivered"


def test_a_row_under_a_lost_key_does_not_hold_up_the_others(kit, clock):
    stranger = Vault("another key, quite unknown", Vault.new_pepper("another key, quite unknown"))
    with kit.db.transaction() as session:
        lost = Messages(kit.db, stranger, kit.sms, clock)
        lost.queue(session, lost.recipient(new_phone()), "sent", "Lost")
    phone = queue(kit)
    kit.messages.drain()
    assert (row(kit).state, row(kit).failure) == ("failed", "unreadable")
    assert kit.sms.texts_to(phone) == ["Hello"]
