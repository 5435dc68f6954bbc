"""Sessions in Redis: taken by one hop at a time, remembered without waiting, and never on a dead wire."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
import redis

from gateway.sessions import Record, SessionStore

RECORD = Record("tag", 3, "digest", "CON Page", "home", "en", {"s": "home"}, 1.0)


@pytest.fixture
def session() -> str:
    return secrets.token_hex(8)


@pytest.fixture
def store(redis_url: str) -> Iterator[SessionStore]:
    return SessionStore(redis_url, 180, 600)


def test_one_hop_at_a_time_holds_a_session(store: SessionStore, session: str) -> None:
    assert store.open(session, "one") == (True, None)
    assert store.open(session, "two") == (False, None)
    store.close(session, RECORD)
    assert store.open(session, "two") == (True, RECORD)


def test_answers_nobody_waited_for_are_not_taken_for_later_ones(store: SessionStore, session: str) -> None:
    for _ in range(3):
        assert store.open(session, "one")[0]
        store.close(session, RECORD, b'{"a": "draft"}', fresh=True)
    assert store.open(session, "one") == (True, RECORD)
    assert store.draft(RECORD.tag) == {"a": "draft"}


def test_a_refused_write_costs_its_session_and_nothing_else(
    store: SessionStore, session: str, redis_server: redis.Redis
) -> None:
    assert store.open(session, "one")[0]
    store._tell(("LPUSH", f"ussd:session:{session}", "x"), ("SET", f"ussd:session:{session}", "y", "NO SUCH OPTION"))
    redis_server.delete(f"ussd:session:{session}")
    assert store.open(session, "two") == (False, None)


def test_a_wire_that_died_while_it_rested_swallows_nothing(
    store: SessionStore, session: str, redis_server: redis.Redis
) -> None:
    assert store.open(session, "one")[0]
    store._line()._connection._sock.shutdown(2)
    store.close(session, RECORD)
    assert SessionStore.open(store, session, "two") == (True, RECORD)


def test_who_waits_has_the_answer_as_soon_as_it_is_there(store: SessionStore, session: str) -> None:
    assert store.open(session, "one")[0]
    store.close(session, RECORD)
    assert store.open(session, "another hop")[0]
    assert store.wait(session, "two", 1, lambda record: record.seen == 3) == (False, RECORD)
    assert store.wait(session, "two", 0.1, lambda record: False) == (False, RECORD)
