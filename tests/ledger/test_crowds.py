"""The books under many hands at once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import psycopg2
import pytest

from gateway.db import Database
from gateway.domain.errors import NotEnoughMoney, TryLater
from gateway.domain.money import Money
from gateway.domain.references import new_reference
from gateway.services.ledger import Cap, Ledger, Posted
from tests.ledger.conftest import Books
from tests.ledger.crowd import together


def test_one_key_from_24_callers_is_one_transfer(books: Books) -> None:
    jane, otieno = books.wallet(1_000), books.wallet()
    posted = together([lambda: books.move(jane, otieno, 100, key="k" + jane)] * 24)
    assert len({one.transfer_id for one in posted}) == 1
    assert [one.replayed for one in posted].count(False) == 1
    assert (books.holds(jane), books.holds(otieno)) == (900, 100)


def test_one_refused_key_from_24_callers_is_one_refusal(books: Books) -> None:
    """The refusal is written after the claim of the key is undone: in between another caller may take the key."""
    for _ in range(10):
        jane, otieno = books.wallet(50), books.wallet()
        posted = together([lambda jane=jane, otieno=otieno: books.move(jane, otieno, 100, key="k" + jane)] * 24)
        assert len({one.transfer_id for one in posted}) == 1
        assert {type(one.refusal) for one in posted} == {NotEnoughMoney}
        assert [one.replayed for one in posted].count(False) == 1


def test_many_keys_asked_for_many_times_move_once_each(books: Books) -> None:
    jane, otieno = books.wallet(10_000), books.wallet()
    keys = [f"{jane}-{number}" for number in range(25)]

    def caller(seed: int) -> Callable[[], None]:
        order = random.Random(seed).sample(keys, len(keys))
        return lambda: [books.move(jane, otieno, 1, key=key) for key in order] and None

    together([caller(seed) for seed in range(12)])
    assert books.holds(otieno) == 25


def test_a_wallet_is_never_overdrawn_by_a_race(books: Books) -> None:
    jane, shops = books.wallet(1_000), [books.wallet() for _ in range(24)]
    posted = together([lambda shop=shop: books.move(jane, shop, 100) for shop in shops])
    assert [one.refusal is None for one in posted].count(True) == 10
    assert all(one.refusal is None or isinstance(one.refusal, NotEnoughMoney) for one in posted)
    assert (books.holds(jane), sum(map(books.holds, shops))) == (0, 1_000)


def test_two_legs_between_few_accounts_in_any_order_never_deadlock(books: Books, cursor) -> None:  # type: ignore[no-untyped-def]
    wallets = [books.wallet(100_000) for _ in range(6)]
    cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    before = cursor.fetchone()

    def caller(seed: int) -> Callable[[], int]:
        chance = random.Random(seed)

        def run() -> int:
            for _ in range(25):
                a, b, c = chance.sample(wallets, 3)
                books.ledger.post_alone(books.database, books.entry([(a, b, 7), (c, a, 3)]))
            return 25

        return run

    assert sum(together([caller(seed) for seed in range(16)])) == 400
    assert sum(map(books.holds, wallets)) == 600_000
    cursor.execute("SELECT pg_stat_clear_snapshot()")
    cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert cursor.fetchone() == before


def test_parallel_sends_cannot_pass_a_limit_together(books: Books) -> None:
    jane, otieno = books.wallet(10_000), books.wallet()
    cap = Cap(jane, "day", "2026-01-31", 100, 1_000)
    posted = together([lambda: books.move(jane, otieno, 100, caps=(cap,))] * 24)
    assert [one.refusal is None for one in posted].count(True) == 10
    assert books.holds(otieno) == 1_000


def test_a_replay_waits_for_no_money_lock(books: Books, database_url: str) -> None:
    jane, otieno = books.wallet(100), books.wallet()
    books.move(jane, otieno, 10, key="k" + jane)
    with psycopg2.connect(database_url) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM ledger_balances FOR UPDATE")
        began = time.monotonic()
        assert books.move(jane, otieno, 10, key="k" + jane).replayed
        assert time.monotonic() - began < 1
    holder.close()


@pytest.mark.slow
def test_a_lock_that_is_not_to_be_had_says_try_later_and_the_key_still_works(
    books: Books, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    jane, otieno = books.wallet(100), books.wallet()
    monkeypatch.setattr("gateway.db._OPTIONS", "-c lock_timeout=50")
    impatient = Database(database_url, pool_size=2)
    entry = books.entry([(jane, otieno, 10)])
    with psycopg2.connect(database_url) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM ledger_balances FOR UPDATE")
        with pytest.raises(TryLater):
            books.ledger.post_alone(impatient, entry)
    holder.close()
    assert not books.ledger.post_alone(impatient, entry).replayed
    assert books.holds(otieno) == 10
    impatient.close()


def test_checkpoints_under_writers_never_miss_a_transfer_in_flight(books: Books, database_url: str, cursor) -> None:  # type: ignore[no-untyped-def]
    """Slow writers hold ids below those that have committed: a plain "up to the highest id" counts past them."""
    wallets = [books.wallet(1_000_000) for _ in range(4)]
    running = [True]

    def write(seed: int) -> None:
        chance = random.Random(seed)
        connection = psycopg2.connect(database_url)
        while running[0]:
            with connection, connection.cursor() as slow:
                wallet = chance.choice(wallets)
                books.ledger.post(slow, books.entry([(wallet, "fees", 3), ("float:mpesa", wallet, 2)]))
                time.sleep(chance.choice((0, 0.002, 0.02)))
        connection.close()

    def check() -> int:
        made = 0
        try:
            for _ in range(25):
                made += _checkpointed(cursor)
                time.sleep(0.02)
                assert books.ledger.check(cursor)["checkpoints_unlike_postings"] == 0
        finally:
            running[0] = False
        return made

    results = together([*[lambda seed=seed: write(seed) for seed in range(5)], check])
    assert results[-1] >= 10
    assert books.ledger.balance(cursor, "fees") == _earned(cursor)


def _earned(cursor) -> Money:  # type: ignore[no-untyped-def]
    """What the fees account holds by all postings, without any checkpoint."""
    cursor.execute("""
        SELECT sum(amount)::bigint FROM ledger_postings p JOIN ledger_accounts a ON a.id = p.credit_account
        WHERE a.code = 'fees'
    """)
    return Money(cursor.fetchone()[0])


def _checkpointed(cursor) -> bool:  # type: ignore[no-untyped-def]
    try:
        Ledger().checkpoint(cursor)
    except TryLater:
        return False
    return True


def test_a_checkpoint_gives_up_rather_than_keep_payers_waiting(books: Books, database_url: str, cursor) -> None:  # type: ignore[no-untyped-def]
    jane, otieno = books.wallet(100), books.wallet()
    with psycopg2.connect(database_url) as holder, holder.cursor() as slow:
        books.ledger.post(slow, books.entry([(jane, otieno, 1)]))
        began = time.monotonic()
        with pytest.raises(TryLater):
            books.ledger.checkpoint(cursor)
        assert time.monotonic() - began < 1
    holder.close()
    books.ledger.checkpoint(cursor)
    assert books.holds(otieno) == 1


@pytest.mark.parametrize("steps", range(1, 5))
def test_a_caller_killed_between_two_statements_leaves_nothing_behind(
    books: Books, database_url: str, cursor, steps: int
) -> None:  # type: ignore[no-untyped-def]
    """The transaction of a claim, say: open, post, note, tell; the server ends it after each of them."""
    jane, code = books.wallet(100), f"claim:{new_reference()}"
    entry = books.entry([(jane, code, 60)])
    victim = psycopg2.connect(database_url)
    doing = victim.cursor()
    for step in (
        lambda: books.ledger.open_account(doing, code),
        lambda: books.ledger.post(doing, entry),
        lambda: doing.execute("SELECT 1"),
        lambda: books.ledger.freeze(doing, code),
    )[:steps]:
        step()
    cursor.execute("SELECT pg_terminate_backend(%s)", (victim.info.backend_pid,))
    with pytest.raises(psycopg2.OperationalError):
        victim.commit()
    assert books.holds(jane) == 100
    assert books.ledger.find(cursor, entry.scope, entry.key) is None
    with books.database.transaction() as session:
        again = session.connection().connection.cursor()
        books.ledger.open_account(again, code)
        assert books.ledger.post(again, entry).refusal is None
    assert (books.holds(jane), books.holds(code)) == (40, 60)


def test_a_commit_whose_answer_was_lost_is_the_same_commit(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    jane, otieno = books.wallet(100), books.wallet()
    honest, lost = Ledger._post, []

    def forgetful(self: Ledger, cursor, entry, tell) -> Posted:  # type: ignore[no-untyped-def]
        posted = honest(self, cursor, entry, tell)
        if not lost:
            lost.append(posted)
            raise psycopg2.OperationalError("server closed the connection unexpectedly")
        return posted

    monkeypatch.setattr(Ledger, "_post", forgetful)
    posted = books.move(jane, otieno, 10)
    assert (posted.transfer_id, posted.replayed) == (lost[0].transfer_id, True)
    assert books.holds(otieno) == 10


def test_a_restarted_server_costs_nobody_an_error(books: Books, database_url: str, cursor) -> None:  # type: ignore[no-untyped-def]
    jane, otieno = books.wallet(100), books.wallet()
    own = Database(database_url, pool_size=4)
    together([lambda: own.is_up()] * 4)
    with own.hot() as one, own.hot() as two, own.hot() as three:
        pids = [held.connection.info.backend_pid for held in (one, two, three)]
    for pid in pids:
        cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
    time.sleep(0.1)
    assert books.ledger.post_alone(own, books.entry([(jane, otieno, 10)])).refusal is None
    assert own.is_up()
    with own.transaction() as session:
        assert (
            books.ledger.post(session.connection().connection.cursor(), books.entry([(jane, otieno, 10)])).refusal
            is None
        )
    assert books.holds(otieno) == 20
    own.close()


def test_accounts_are_found_by_index_however_many_there_are(cursor, books: Books) -> None:  # type: ignore[no-untyped-def]
    """Without statistics, with generic plans: what a web process sees on a fresh database."""
    books.wallet(100)
    cursor.execute("SET plan_cache_mode = force_generic_plan")
    cursor.execute("SET enable_seqscan = off")
    looks = {
        "SELECT * FROM ledger_accounts WHERE code = ANY (ARRAY['a', 'b'] || ARRAY['c'])": "ledger_accounts_code_key",
        "SELECT FROM ledger_transfers WHERE scope = 'a' AND key = 'b'": "ledger_transfers_scope_key_key",
        "SELECT FROM ledger_balances WHERE account_id = 7": "ledger_balances_pkey",
        "SELECT FROM ledger_postings WHERE debit_account = 7 ORDER BY transfer_id DESC": "ledger_postings_by_debit",
        "SELECT FROM ledger_postings WHERE credit_account = 7 ORDER BY transfer_id DESC": "ledger_postings_by_credit",
        "SELECT FROM accounts WHERE phone_index = ''": "accounts_phone_index_key",
        "SELECT FROM accounts WHERE number = 'a'": "accounts_number_key",
    }
    for query, index in looks.items():
        cursor.execute("EXPLAIN " + query)
        plan = "\n".join(row[0] for row in cursor.fetchall())
        assert index in plan, plan
        assert "Seq Scan" not in plan, plan
