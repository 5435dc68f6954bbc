"""Who may use the API: keys that are shown once, found by a digest, limited by scopes and rates."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from werkzeug.test import Client

from gateway.app import create_app
from gateway.domain.scopes import Scope
from tests.api.client import Program, is_problem
from tests.api.conftest import Shop

Person = Callable[..., str]


def _runs(shop: Shop, *words: str) -> tuple[int, str]:
    """The exit code and what was printed; a log line that a test run prints before it is left out."""
    done = shop.app.test_cli_runner().invoke(args=["api-key", *words])
    return done.exit_code, "\n".join(line for line in done.stdout.splitlines() if " api_key." not in line)


def test_a_key_is_printed_once_and_kept_as_a_digest_only(shop: Shop) -> None:
    code, printed = _runs(shop, "create", "till 7")
    secret = printed.strip()
    assert code == 0
    assert re.fullmatch(r"mk_[0-9a-z]{8}_[0-9a-f]{48}", secret)
    assert Program(shop.app, secret).gets("/credits/packages").status_code == 200
    assert secret not in _runs(shop, "list")[1]
    assert secret[:11] in _runs(shop, "list")[1]
    with shop.parts.db.reading() as connection:
        rows = connection.exec_driver_sql("SELECT row_to_json(k)::text FROM api_keys k").scalars().all()
    assert not [row for row in rows if secret in row or secret[12:] in row]


def test_a_key_without_a_named_scope_may_do_everything_and_a_named_one_only_that(shop: Shop) -> None:
    everything = Program(shop.app, _runs(shop, "create", "all")[1].strip())
    reads = Program(shop.app, _runs(shop, "create", "reads", "--scope", "credits:read")[1].strip())
    assert everything.gets("/payments/7F3K9QAB").status_code == 404
    assert reads.gets("/credits/packages").status_code == 200
    is_problem(reads.gets("/payments/7F3K9QAB"), 403, "scope_missing")
    is_problem(reads.posts("/credits/spend", {}), 403, "scope_missing")


def test_an_unknown_scope_and_an_empty_name_make_no_key(shop: Shop) -> None:
    assert _runs(shop, "create", "x", "--scope", "everything:write")[0] == 2
    assert _runs(shop, "create", "")[0] == 1


@pytest.mark.parametrize("by", ["prefix", "name"])
def test_a_revoked_key_opens_nothing(shop: Shop, by: str) -> None:
    secret = _runs(shop, "create", f"leaving by {by}")[1].strip()
    program = Program(shop.app, secret)
    assert program.gets("/credits/packages").status_code == 200
    assert _runs(shop, "revoke", secret[:11] if by == "prefix" else f"leaving by {by}")[0] == 0
    is_problem(program.gets("/credits/packages"), 401, "unauthorised")
    assert _runs(shop, "revoke", secret[:11])[0] == 1


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic {key}",
        "{key}",
        "Bearer {key}x",
        "Bearer x{key}",
        "Bearer {wrong}",
        "Bearer \x80",
    ],
)
def test_nothing_but_an_open_key_opens(shop: Shop, program: Program, header: str) -> None:
    wrong = program.key[:-1] + ("0" if program.key[-1] != "0" else "1")
    sent = {"Authorization": header.format(key=program.key, wrong=wrong)}
    answer = Client(shop.app).get("/api/v1/credits/packages", headers=sent)
    is_problem(answer, 401, "unauthorised")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_when_a_key_was_used_is_noted(shop: Shop, program: Program) -> None:
    program.gets("/credits/packages")
    prefix = program.key[:11]
    assert shop.count("SELECT count(*) FROM api_keys WHERE prefix = %s AND last_used_at IS NOT NULL", prefix) == 1


def test_too_many_requests_of_one_key_wait_and_others_do_not(shop: Shop) -> None:
    settings = shop.parts.settings.model_copy(update={"api_reads_per_minute": 3})
    app = create_app(settings, shop.parts.providers)
    keys = app.extensions["mlango"].api_keys
    busy, other = (Program(app, keys.create(name, [Scope.CREDITS_READ]).secret) for name in ("busy", "other"))
    answers = [busy.gets("/credits/packages") for _ in range(5)]
    limited = next(answer for answer in answers if answer.status_code == 429)
    is_problem(limited, 429, "rate_limited")
    assert 1 <= int(limited.headers["Retry-After"]) <= 60
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert other.gets("/credits/packages").status_code == 200
    is_problem(busy.posts("/credits/spend", {}), 403, "scope_missing")  # writes are counted apart
    app.extensions["mlango"].close()


def test_everybody_with_a_key_passes_while_redis_is_away(shop: Shop) -> None:
    away = shop.parts.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0", "api_reads_per_minute": 1})
    app = create_app(away, shop.parts.providers)
    program = Program(app, app.extensions["mlango"].api_keys.create("patient", [Scope.CREDITS_READ]).secret)
    assert [program.gets("/credits/packages").status_code for _ in range(3)] == [200, 200, 200]
    app.extensions["mlango"].close()
