"""What holds for every sequence of entries, whatever is asked for."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.errors import KeyReused, Refusal
from gateway.domain.references import new_reference
from gateway.services.ledger import BadEntry, Entry
from tests.ledger.conftest import Books

WHO = ["a", "b", "c", "frozen", "fees", "float:mpesa", "clearing:mpesa", "wallet:ML-NOBODY"]
legs = st.lists(st.tuples(st.sampled_from(WHO), st.sampled_from(WHO), st.integers(-1, 600)), min_size=1, max_size=4)
walks = st.lists(st.tuples(legs, st.integers(0, 4)), min_size=1, max_size=8)

relaxed = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def people(books: Books) -> dict[str, str]:
    named = {"a": books.wallet(1_000), "b": books.wallet(100), "c": books.wallet(), "frozen": books.wallet(500)}
    with books.database.hot() as cursor:
        books.ledger.freeze(cursor, named["frozen"])
    return named


def snapshot(books: Books) -> list[tuple[object, ...]]:
    """Every balance row, byte for byte, with the row's own version; and how many postings there are."""
    with books.database.hot() as cursor:
        cursor.execute(
            "SELECT account_id, debits, credits, floor, ctid::text, xmin::text FROM ledger_balances ORDER BY 1"
        )
        rows = list(cursor.fetchall())
        cursor.execute(
            "SELECT count(*), sum(used) FROM ledger_postings, (SELECT sum(used) AS used FROM limit_counters) l"
        )
        return [*rows, cursor.fetchone()]


def post(books: Books, entry: Entry) -> Refusal | BadEntry | None:
    try:
        return books.ledger.post_alone(books.database, entry).refusal
    except BadEntry as bug:
        return bug


@relaxed
@given(walk=walks)
def test_money_is_neither_made_nor_lost_and_no_wallet_goes_below_nothing(books: Books, walk) -> None:  # type: ignore[no-untyped-def]
    named, prefix = people(books), new_reference()
    for moves, key in walk:
        entry = books.entry([(named.get(d, d), named.get(c, c), n) for d, c, n in moves], f"{prefix}{key}")
        with suppress(KeyReused):
            post(books, entry)
    with books.database.hot() as cursor:
        assert set(books.ledger.check(cursor).values()) == {0}
    assert all(books.holds(code) >= 0 for code in named.values())
    assert books.holds(named["frozen"]) >= 500


@relaxed
@given(moves=legs)
def test_a_refusal_leaves_every_balance_byte_identical(books: Books, moves) -> None:  # type: ignore[no-untyped-def]
    named = people(books)
    entry = books.entry([(named.get(d, d), named.get(c, c), n) for d, c, n in moves])
    before = snapshot(books)
    refused = post(books, entry)
    after = snapshot(books)
    if refused is None:
        assert len(moves) + before[-1][0] == after[-1][0]  # type: ignore[operator]
    else:
        assert before == after


@relaxed
@given(moves=legs)
def test_an_entry_and_its_reversal_leave_everybody_as_before(books: Books, moves) -> None:  # type: ignore[no-untyped-def]
    named = people(books) | {"frozen": books.wallet(500)}
    codes = [named.get(who, who) for who in WHO[:-1]]
    before = [books.holds(code) for code in codes]
    there = [(named.get(d, d), named.get(c, c), n) for d, c, n in moves]
    if post(books, books.entry(there)) is None:
        back = [(credit, debit, amount) for debit, credit, amount in there]
        assert post(books, books.entry(back)) is None
    assert [books.holds(code) for code in codes] == before
