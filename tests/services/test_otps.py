"""One-time codes: few tries, few sends, right once, and nowhere in clear."""

from __future__ import annotations

import re
import time

import fakeredis
import pytest
import redis

from gateway.domain.errors import OtpExpired, OtpLocked, TooManyOtps, TryLater, WrongOtp
from gateway.services.otps import OtpRules, Otps
from tests.services.people_kit import WORDS, Kit, new_phone, together


@pytest.fixture
def kit(db, vault, clock):
    return Kit(db, vault, clock)


@pytest.fixture(params=["server", "fake"])
def client(request, redis_server):
    return redis_server if request.param == "server" else fakeredis.FakeRedis()


@pytest.fixture
def otps(client, kit):
    return _otps(client, kit)


def _otps(client, kit, **rules):
    return Otps(client, kit.db, kit.vault, kit.messages, WORDS, kit.clock, OtpRules(**rules))


def _sent(kit, otps, phone, purpose="signin"):
    otps.send(phone, purpose, "en")
    kit.messages.drain()
    return re.search(r"\d{6}", kit.sms.texts_to(phone)[-1]).group()


def _wrong(code):
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_the_code_of_the_sms_is_right_once(kit, otps):
    phone = new_phone()
    code = _sent(kit, otps, phone)
    otps.check(phone, "signin", code)
    with pytest.raises(OtpExpired):
        otps.check(phone, "signin", code)


def test_the_code_is_for_one_phone_and_one_purpose(kit, otps):
    phone, other = new_phone(), new_phone()
    code = _sent(kit, otps, phone)
    with pytest.raises(OtpExpired):
        otps.check(phone, "register", code)
    with pytest.raises(OtpExpired):
        otps.check(other, "signin", code)


def test_blanks_and_dashes_are_forgiven(kit, otps):
    phone = new_phone()
    code = _sent(kit, otps, phone)
    otps.check(phone, "signin", f" {code[:3]}-{code[3:]} ")


def test_odd_input_is_a_wrong_code(kit, otps):
    phone = new_phone()
    _sent(kit, otps, phone)
    with pytest.raises(WrongOtp):
        otps.check(phone, "signin", "é½")
    with pytest.raises(WrongOtp):
        otps.check(phone, "signin", "")


def test_three_wrong_codes_lock_for_an_hour_also_the_right_one_and_a_new_one(kit, otps):
    phone = new_phone()
    code = _sent(kit, otps, phone)
    for left in (2, 1):
        with pytest.raises(WrongOtp) as wrong:
            otps.check(phone, "signin", _wrong(code))
        assert wrong.value.tries_left == left
    for tried in (_wrong(code), code):
        with pytest.raises(OtpLocked) as locked:
            otps.check(phone, "signin", tried)
        assert locked.value.minutes == 60
    with pytest.raises(OtpLocked):
        otps.send(phone, "signin", "en")


def test_a_new_code_gives_no_tries_back(kit, otps):
    phone = new_phone()
    for left in (2, 1):
        code = _sent(kit, otps, phone)
        with pytest.raises(WrongOtp) as wrong:
            otps.check(phone, "signin", _wrong(code))
        assert wrong.value.tries_left == left
    code = _sent(kit, otps, phone)
    with pytest.raises(OtpLocked):
        otps.check(phone, "signin", _wrong(code))


def test_the_code_before_is_void(kit, otps):
    phone = new_phone()
    first = _sent(kit, otps, phone)
    second = _sent(kit, otps, phone)
    if first != second:
        with pytest.raises(WrongOtp):
            otps.check(phone, "signin", first)
    otps.check(phone, "signin", second)


def test_a_right_code_forgets_earlier_mistakes(kit, otps):
    phone = new_phone()
    for _ in range(2):
        code = _sent(kit, otps, phone)
        for left in (2, 1):
            with pytest.raises(WrongOtp) as wrong:
                otps.check(phone, "signin", _wrong(code))
            assert wrong.value.tries_left == left
        otps.check(phone, "signin", code)


def test_three_codes_in_a_quarter_of_an_hour(kit, otps):
    phone = new_phone()
    for _ in range(3):
        otps.send(phone, "signin", "en")
    with pytest.raises(TooManyOtps) as refused:
        otps.send(phone, "signin", "en")
    assert refused.value.minutes == 15
    assert len(kit.all("SELECT 1 FROM messages")) == 3


def test_sends_at_once_are_counted_too(kit, otps):
    phone = new_phone()
    answers = together(8, lambda: otps.send(phone, "signin", "en"))
    assert answers.count(None) == 3
    assert len(kit.all("SELECT 1 FROM messages")) == 3


def test_twenty_wrong_codes_at_once_are_three_tries(kit, otps):
    phone = new_phone()
    code = _sent(kit, otps, phone)
    answers = together(20, lambda: otps.check(phone, "signin", _wrong(code)))
    assert sum(isinstance(answer, WrongOtp) for answer in answers) <= 2
    with pytest.raises((OtpLocked, OtpExpired)):
        otps.check(phone, "signin", code)


def test_of_right_answers_at_once_one_is_right(kit, otps):
    phone = new_phone()
    code = _sent(kit, otps, phone)
    answers = together(3, lambda: otps.check(phone, "signin", code))
    assert answers.count(None) == 1


def test_of_right_answers_that_were_both_compared_one_is_right(kit, otps):
    phone = new_phone()
    code = _sent(kit, otps, phone)
    keys = otps._keys(phone, "signin")
    _, stored = otps._count_try(keys)
    otps.check(phone, "signin", code)
    with pytest.raises(OtpExpired):
        otps._use(keys, stored.decode())


def test_a_code_a_lock_and_a_window_end(kit, client):
    phone = new_phone()
    otps = _otps(client, kit, life=1, lock=1, tries_window=1, sends_window=1, most_tries=1, most_sends=1)
    code = _sent(kit, otps, phone)
    with pytest.raises(TooManyOtps):
        otps.send(phone, "signin", "en")
    time.sleep(1.1)
    with pytest.raises(OtpExpired):
        otps.check(phone, "signin", code)
    with pytest.raises(OtpLocked):
        otps.check(phone, "signin", _wrong(_sent(kit, otps, phone)))
    time.sleep(1.1)
    otps.check(phone, "signin", _sent(kit, otps, phone))


def test_redis_knows_neither_phone_nor_code(kit):
    client, phone = fakeredis.FakeRedis(), new_phone()
    code = _sent(kit, _otps(client, kit), phone)
    held = b" ".join([*client.keys("*"), *(client.get(key) or b"" for key in client.keys("*"))])
    assert phone.e164[1:].encode() not in held
    assert phone.national.encode() not in held
    assert code.encode() not in held.split()
    assert all(client.ttl(key) > 0 for key in client.keys("*"))


def test_the_sms_is_sealed_and_ends_with_the_code(kit, otps, clock):
    otps.send(new_phone(), "signin", "sw")
    row = kit.one("SELECT body, body_sealed, expires_at FROM messages")
    assert row.body is None
    assert "dakika 5" in kit.vault.open(row.body_sealed)
    assert (row.expires_at - clock()).total_seconds() == 300


@pytest.mark.slow
def test_without_redis_people_are_asked_to_try_later(kit):
    server = fakeredis.FakeServer()
    server.connected = False
    otps = _otps(fakeredis.FakeRedis(server=server), kit)
    with pytest.raises(TryLater):
        otps.send(new_phone(), "signin", "en")
    with pytest.raises(TryLater):
        otps.check(new_phone(), "signin", "123456")
    nobody = _otps(redis.Redis(port=1, socket_connect_timeout=1), kit)
    with pytest.raises(TryLater):
        nobody.check(new_phone(), "signin", "123456")


def test_a_client_that_decodes_answers_will_do(kit):
    phone = new_phone()
    otps = _otps(fakeredis.FakeRedis(decode_responses=True), kit)
    otps.check(phone, "signin", _sent(kit, otps, phone))


def test_one_caller_has_codes_sent_to_a_few_people_only(client, kit):
    otps = _otps(client, kit, most_asked=4)
    asker = new_phone().last4 + "-asks"
    for _ in range(4):
        otps.send(new_phone(), "signin", "en", asked_by=asker)
    with pytest.raises(TooManyOtps):
        otps.send(new_phone(), "signin", "en", asked_by=asker)
    otps.send(new_phone(), "signin", "en", asked_by=f"{asker} another")
