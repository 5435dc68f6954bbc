"""Ten thousand requests at every door of the rails: nobody gets, loses or hears of money that the rails do not have.

The seed is the same every time; ``FUZZ_SEED=7`` takes another.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import psycopg2
import pytest
from structlog.testing import capture_logs

from gateway.domain.money import Money
from gateway.domain.phone import parse_phone
from gateway.domain.scopes import Scope
from gateway.masking import mask_event
from gateway.schema_command import prepare_database
from gateway.services.limits import Standing
from gateway.settings import Settings
from gateway.web.api.table import api_routes
from integrations.africastalking.simulator import Options as SmsOptions
from integrations.flutterwave.simulator import Options as FlutterwaveOptions
from integrations.mpesa.options import Options as MpesaOptions
from integrations.payhero.asked import Options as PayHeroOptions
from integrations.simulators import Options, serve
from integrations.stripe.simulator import Options as StripeOptions
from tests.api.client import Program
from tests.conftest import ENCRYPTION_KEY
from tests.resilience.fuzz.judge import Judge
from tests.resilience.fuzz.letters import Letter
from tests.resilience.fuzz.noise import ODD, Noise
from tests.resilience.fuzz.stranger import OPEN, TRACES, Stranger
from tests.resilience.fuzz.street import Moving, Row, Street, opened

SEED = int(os.environ.get("FUZZ_SEED", "20261121"))
TIMES, ROUNDS, API_TIMES = 10_002, 3, 2_000
_LONG = 36_000.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def street(make_database: Callable[[], str], redis_url: str) -> Iterator[Street]:
    url = make_database()
    prepare_database(url, ENCRYPTION_KEY)
    _do_not_wait_for_the_disk(url)
    settings = Settings(
        app_env="test",
        database_url=url,
        redis_url=redis_url,
        encryption_key=ENCRYPTION_KEY,
        callback_token="0123456789abcdef",
        push_delay_seconds=0,
        ask_rail_above=0,  # no success is small enough to be believed: the rail is the judge of all of them
        api_writes_per_minute=1_000_000,
        api_reads_per_minute=1_000_000,
    )
    rails: dict[str, object] = {
        "mpesa": MpesaOptions(answer_seconds=0, prompt_seconds=_LONG, opening_balance=100_000),
        "payhero": PayHeroOptions(answer_seconds=0, payout_seconds=0, prompt_seconds=_LONG),
        "flutterwave": FlutterwaveOptions(webhook_seconds=0, pending_seconds=0, transfer_seconds=0),
        "stripe": StripeOptions(webhook_seconds=0, pending_seconds=0),
    }
    clock = Moving()
    options = Options(sms=SmsOptions(report_seconds=0), rails=rails)
    served = serve(options=options, environ=settings.shared_with_providers, clock=clock)
    with served as simulators, opened(settings, simulators, clock) as filled:
        yield filled


def test_ten_thousand_bodies_at_every_door_move_no_money_but_the_rails_own(
    street: Street, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = Stranger(street, SEED)
    judge, chance = Judge(street, stranger.leaky), Random(SEED)
    with capture_logs() as logged:
        for _ in range(ROUNDS):
            for _ in range(TIMES // ROUNDS):
                stranger.posts()
            street.handle()
            assert stranger.wrong == []
            judge.nothing_is_decided_but_by_the_rail()
            _some_post_comes(street, chance)
            judge.nothing_is_decided_but_by_the_rail()
            street.later(20)
            street.fill()
            stranger.looks_around()
            judge.looks_around()
        _all_is_decided(street, stranger.leaky)
        judge.nothing_is_decided_but_by_the_rail()
        judge.everything_agrees()
    assert stranger.counts.total() == TIMES
    for _, channel in street.channels:
        assert stranger.counts[f"hooks/*/{channel.name}"] > TIMES / 150, channel.name
    _nothing_is_read_in_the_logs(street, [*map(_masked, logged), caplog.text])


def test_a_failure_forged_at_a_leaked_address_loses_to_the_money(street: Street) -> None:
    for rail in [rail for rail in street.rails.values() if rail.collects]:
        row, forged = _prompt_and_forged_failure(street, rail.name)
        street.post(forged)
        street.handle()
        assert _state(street, row) == "failed", "whoever has the address may say so"
        street.ends(row)
        street.deliver()
        assert _state(street, row) == "confirmed", "and the money wins"
    for rail in [rail for rail in street.rails.values() if rail.pays_out]:
        row, forged = _payout_and_forged_failure(street, rail.name)
        street.post(forged)
        street.handle()
        assert _state(street, row) == "returned", "whoever has the address may say so"
        street.deliver()
        street.deliver()  # what it answers to our question
        told = next(each for each in street.money() if each.reference == row.reference)
        assert told.needs_review, "the rail has paid all the same: a person looks, and the books say so"
    Judge(street, set()).everything_agrees()


def test_two_thousand_broken_requests_to_the_api_are_refused_and_nothing_breaks(street: Street) -> None:
    chance, program = Random(SEED), Program(street.app, street.parts.api_keys.create("fuzz", tuple(Scope)).secret)
    noise = Noise(chance, [*street.members, *street.phones, *(row.reference for row in street.money())])
    wrong = []
    for _ in range(API_TIMES):
        method, path, how = _api_request(street, chance, noise)
        answer = program.sends(method, path, **how)
        if answer.status_code >= 500 or any(trace in answer.get_data() for trace in TRACES):
            wrong.append((answer.status_code, method, path, how, answer.text[:200]))
    assert wrong == []
    street.hands.work()
    assert street.hands.failed == []
    street.books_are_right()


def _do_not_wait_for_the_disk(url: str) -> None:
    """Ten thousand commits of a database that is dropped at the end."""
    line = psycopg2.connect(url)
    line.autocommit = True
    with line.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{line.info.dbname}" SET synchronous_commit = off')
    line.close()


def _some_post_comes(street: Street, chance: Random) -> None:
    """A few true letters, late and in any order."""
    for letter in chance.sample(street.held, min(5, len(street.held))):
        if letter.door != "paybill":
            street.delivered.add(letter)
            street.post(letter)
    street.handle()


def _all_is_decided(street: Street, leaky: set[str]) -> None:
    """People answer what is open, every letter comes, and time goes on."""
    for row in street.money():
        if row.state in OPEN or row.reference in leaky:
            street.ends(row)
    for seconds in (60, 300, 3600):
        street.deliver()
        street.handle()
        street.later(seconds)
        street.hands.chores()
        street.hands.work()
    street.deliver()
    assert street.hands.failed == []
    assert [row for row in street.money() if row.state in OPEN] == []


def _prompt_and_forged_failure(street: Street, rail: str) -> tuple[Row, Letter]:
    """An open prompt, and a body of another that was refused, made to be about this one."""
    gateway, asked = street.gateway_of(street.rails[rail]), []
    for fate in ("open", "refuse"):
        number, phone = street.member()
        asked.append(street.prompt(gateway, rail, number, phone, 150, fate))
    gateway.close()
    street.quiet()
    return _forged(street, *asked, "SELECT reference, provider_id, request_id FROM payments WHERE reference = %s")


def _payout_and_forged_failure(street: Street, rail: str) -> tuple[Row, Letter]:
    """Of a payout that the rail has made, and of one that it refused, without having told us of either."""
    gateway, (rich, _), asked = street.gateway_of(street.rails[rail]), street.member(), []
    street.fund(rich)
    magic = street.simulators.rails[rail].magic()
    refused = next(each["phone"] for each in magic if each["name"] in ("NOT_REGISTERED", "FAILS"))
    for to in (street.member()[1], parse_phone(refused)):
        held = gateway.payouts.request(rich, Standing("basic"), Money.major(120), f"forged {to.e164}", to=to)
        asked.append(held.reference)
    street.hands.work()
    gateway.close()
    street.quiet()
    ids = "SELECT a.own_id, a.provider_id FROM payout_attempts a JOIN payouts p ON p.id = a.payout_id"
    return _forged(street, *asked, f"{ids} WHERE p.reference = %s")


def _forged(street: Street, ours: str, theirs: str, ids: str) -> tuple[Row, Letter]:
    """The true letter about *theirs*, at the address of *ours* and with its ids."""
    rows = {row.reference: row for row in street.money()}
    letter = next(each for each in street.held if each.token in rows[theirs].tokens)
    body = letter.body
    for old, new in zip(street.rows(ids, theirs)[0], street.rows(ids, ours)[0], strict=True):
        body = body.replace(old.encode(), new.encode()) if old else body
    address = letter.path.replace(letter.token, min(rows[ours].tokens))
    return rows[ours], Letter(address, letter.headers, body)


def _state(street: Street, row: Row) -> str:
    return next(each.state for each in street.money() if each.reference == row.reference)


def _masked(event: Any) -> str:
    return str(dict(mask_event(None, "info", dict(event))))


def _nothing_is_read_in_the_logs(street: Street, lines: list[str]) -> None:
    told = "\n".join(lines)
    digits = [phone[4:] for phone in street.phones]
    secrets = [token for row in street.money() for token in row.tokens]
    secrets += [street.parts.settings.callback_token, street.parts.settings.encryption_key]
    assert len(lines) > 100
    assert [each for each in (*digits, *secrets) if re.search(rf"(?<!\d){re.escape(each)}", told)] == []


def _api_request(street: Street, chance: Random, noise: Noise) -> tuple[str, str, dict[str, Any]]:
    route = chance.choice(list(api_routes(street.parts)))
    known = chance.choice(
        [*street.members, *(row.reference for row in street.money()[:20]), "%00", "x", "%ff", "a" * 900]
    )
    path = "/api/v1" + re.sub(r"<[^>]+>", lambda _: known, route.path)
    good = (
        b'{"to":"+254721300001","from":"ML-7F3K9Q","account":"%s","amount_minor":5000,"currency":"KES","way":"prompt",'
        % (street.members[0].encode())
        + b'"phone":"0721300001","package_id":"pkg_10_credits","credits":1,"because":"a test"}'
    )
    headers = {
        "Content-Type": chance.choice(["application/json"] * 4 + ["text/plain", "", "multipart/form-data", "x" * 300]),
        "Idempotency-Key": chance.choice([str(chance.random())] * 5 + ["", "same", "\xe9", "x" * 5_000]),
    }
    query = {chance.choice(["limit", "cursor", "account", "x"]): str(chance.choice(ODD[:16])).replace("\ud800", "?")}
    method = chance.choice([route.method] * 6 + ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
    return method, path, {"data": noise.of(good), "headers": headers, "query_string": query}
