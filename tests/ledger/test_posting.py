"""An action on the books and its outcome, one per line."""

from __future__ import annotations

import pytest

from gateway.db import Database
from gateway.domain.errors import (
    AccountFrozen,
    AccountNotFound,
    AmountTooLarge,
    DayLimitReached,
    KeyReused,
    NotEnoughMoney,
    Refusal,
)
from gateway.domain.money import Money
from gateway.domain.references import new_reference
from gateway.services.ledger import AlreadyReversed, BadEntry, Cap, Entry, Ledger, Leg
from tests.ledger.conftest import Books

#: Jane holds 1,000, Otieno 50, Frozen 500. A line: legs, the refusal (or None), what Jane and Otieno hold after it.
OUTCOMES = [
    ("all of it", [("jane", "otieno", 1_000)], None, 0, 1_050),
    ("one cent too much", [("jane", "otieno", 1_001)], NotEnoughMoney, 1_000, 50),
    ("amount and fee fit exactly", [("jane", "otieno", 995), ("jane", "fees", 5)], None, 0, 1_045),
    ("the fee is one cent too much", [("jane", "otieno", 995), ("jane", "fees", 6)], NotEnoughMoney, 1_000, 50),
    ("there and back nets to nothing", [("jane", "otieno", 5_000), ("otieno", "jane", 5_000)], None, 1_000, 50),
    ("the second leg cannot pay", [("jane", "otieno", 10), ("otieno", "fees", 61)], NotEnoughMoney, 1_000, 50),
    ("money comes in from the float", [("float:mpesa", "jane", 700)], None, 1_700, 50),
    ("money goes out by clearing", [("jane", "clearing:mpesa", 700)], None, 300, 50),
    ("clearing may go below nothing", [("clearing:mpesa", "jane", 10_000_000)], None, 10_001_000, 50),
    ("nobody has that account", [("jane", "wallet:ML-NOBODY", 1)], AccountNotFound, 1_000, 50),
    ("nobody pays either", [("wallet:ML-NOBODY", "jane", 1)], AccountNotFound, 1_000, 50),
    ("a frozen wallet pays nothing", [("frozen", "jane", 1)], AccountFrozen, 1_000, 50),
    ("a frozen wallet is paid", [("jane", "frozen", 1)], None, 999, 50),
    ("a frozen second payer stops all", [("jane", "otieno", 1), ("frozen", "fees", 1)], AccountFrozen, 1_000, 50),
]


@pytest.mark.parametrize(
    ("legs", "refusal", "jane", "otieno"), [line[1:] for line in OUTCOMES], ids=[line[0] for line in OUTCOMES]
)
def test_an_entry_and_what_becomes_of_it(books: Books, db: Database, legs, refusal, jane: int, otieno: int) -> None:  # type: ignore[no-untyped-def]
    people = {"jane": books.wallet(1_000), "otieno": books.wallet(50), "frozen": books.wallet(500)}
    with db.hot() as cursor:
        books.ledger.freeze(cursor, people["frozen"])
    entry = books.entry(
        [(people.get(debit, debit), people.get(credit, credit), amount) for debit, credit, amount in legs]
    )
    posted = books.ledger.post_alone(db, entry)
    assert type(posted.refusal) is (refusal or type(None))
    assert not posted.replayed
    assert (books.holds(people["jane"]), books.holds(people["otieno"])) == (jane, otieno)
    if posted.balance is not None and refusal is None:
        assert posted.balance.minor == books.holds(entry.legs[0].debit)


def test_a_replay_gives_the_first_answer_and_moves_nothing(books: Books) -> None:
    jane, otieno = books.wallet(100), books.wallet()
    first = books.move(jane, otieno, 60, key="once-" + jane)
    second = books.move(jane, otieno, 60, key="once-" + jane)
    assert (second.transfer_id, second.reference, second.replayed) == (first.transfer_id, first.reference, True)
    assert second.balance == first.balance == Money(40)
    assert (books.holds(jane), books.holds(otieno)) == (40, 60)


def test_a_refusal_is_remembered_even_when_money_has_come_since(books: Books) -> None:
    jane, otieno = books.wallet(10), books.wallet()
    first = books.move(jane, otieno, 60, key="poor-" + jane)
    books.move("float:mpesa", jane, 1_000)
    second = books.move(jane, otieno, 60, key="poor-" + jane)
    assert isinstance(first.refusal, NotEnoughMoney)
    assert isinstance(second.refusal, NotEnoughMoney)
    assert second.replayed
    assert books.holds(otieno) == 0
    assert books.move(jane, otieno, 60, key="rich-" + jane).refusal is None


def test_the_same_key_with_another_request_is_an_error(books: Books) -> None:
    jane, otieno = books.wallet(100), books.wallet()
    books.move(jane, otieno, 60, key="k-" + jane)
    with pytest.raises(KeyReused):
        books.move(jane, otieno, 61, key="k-" + jane)
    assert books.holds(jane) == 40


def test_the_same_key_in_another_scope_is_another_request(books: Books) -> None:
    jane, otieno = books.wallet(100), books.wallet()
    books.move(jane, otieno, 10, key="k-" + jane)
    books.move(jane, otieno, 10, key="k-" + jane, scope="elsewhere")
    assert books.holds(jane) == 80


def test_or_refuse_raises_what_was_remembered(books: Books) -> None:
    posted = books.move(books.wallet(1), books.wallet(), 2)
    with pytest.raises(NotEnoughMoney):
        posted.or_refuse()


def test_a_reference_already_taken_costs_no_transfer(books: Books) -> None:
    jane, otieno = books.wallet(100), books.wallet()
    first = books.move(jane, otieno, 10)
    second = books.move(jane, otieno, 10, reference=first.reference)
    assert second.refusal is None
    assert second.reference != first.reference
    assert books.holds(jane) == 80


def test_accounts_named_after_the_reference_follow_it_to_another(books: Books, db: Database) -> None:
    jane = books.wallet(100)
    taken = books.move(jane, books.wallet(), 10).reference
    claim = f"claim:{taken}"
    posted = books.ledger.post_alone(db, books.entry([(jane, claim, 10)], reference=taken, opens=(claim,)))
    assert posted.reference != taken
    assert books.holds(f"claim:{posted.reference}") == 10
    with pytest.raises(AccountNotFound):
        books.holds(claim)


def test_an_account_opened_by_a_refused_entry_does_not_stay(books: Books, db: Database) -> None:
    reference = new_reference()
    claim = f"claim:{reference}"
    entry = books.entry([(books.wallet(1), claim, 10)], reference=reference, opens=(claim,))
    assert isinstance(books.ledger.post_alone(db, entry).refusal, NotEnoughMoney)
    with pytest.raises(AccountNotFound):
        books.holds(claim)


def test_a_refusal_of_the_caller_is_remembered_and_moves_nothing(books: Books) -> None:
    jane, otieno = books.wallet(100), books.wallet()
    refused = AmountTooLarge(Money(50))
    first = books.move(jane, otieno, 60, key="large-" + jane, refused=refused)
    later = books.move(jane, otieno, 60, key="large-" + jane)
    assert isinstance(first.refusal, AmountTooLarge)
    assert isinstance(later.refusal, AmountTooLarge)
    assert later.refusal.most == Money(50)
    assert books.holds(otieno) == 0


def test_a_limit_refuses_by_name_and_says_how_much(books: Books) -> None:
    jane, otieno = books.wallet(1_000), books.wallet()

    def send(amount: int) -> Refusal | None:
        return books.move(jane, otieno, amount, caps=(Cap(jane, "day", "2026-01-31", amount, 100),)).refusal

    assert send(60) is None
    refusal = send(41)
    assert isinstance(refusal, DayLimitReached)
    assert refusal.most == Money(100)
    assert send(40) is None
    assert isinstance(send(1), DayLimitReached)
    assert books.holds(jane) == 900


def test_a_refused_entry_uses_up_no_limit(books: Books) -> None:
    jane, otieno = books.wallet(50), books.wallet()
    cap = Cap(jane, "day", "2026-01-31", 90, 100)
    assert isinstance(books.move(jane, otieno, 90, caps=(cap,)).refusal, NotEnoughMoney)
    books.move("float:mpesa", jane, 50)
    assert books.move(jane, otieno, 90, caps=(cap,)).refusal is None


def test_a_transfer_is_reversed_at_most_once(books: Books) -> None:
    jane, otieno = books.wallet(100), books.wallet(500)
    sent = books.move(jane, otieno, 100)
    assert books.move(otieno, jane, 100, reverses=sent.transfer_id).refusal is None
    with pytest.raises(AlreadyReversed):
        books.move(otieno, jane, 100, reverses=sent.transfer_id)
    assert books.holds(jane) == 100


def test_a_leg_from_an_account_to_itself_is_a_bug(books: Books) -> None:
    jane = books.wallet(100)
    with pytest.raises(BadEntry):
        books.move(jane, jane, 1)


@pytest.mark.parametrize("amount", [0, -1])
def test_nothing_and_less_cannot_be_moved(books: Books, amount: int) -> None:
    with pytest.raises(BadEntry):
        books.move(books.wallet(100), books.wallet(100), amount)


def test_an_entry_without_legs_cannot_be_written(books: Books, db: Database) -> None:
    with pytest.raises(BadEntry):
        books.ledger.post_alone(db, books.entry([]))


def test_ragged_arrays_are_refused_by_the_function_itself(cursor, books: Books) -> None:  # type: ignore[no-untyped-def]
    jane, otieno = books.wallet(100), books.wallet()
    call = "SELECT refusal FROM ledger_post('ragged', %s, 'h', 'test', %s, 'KES', %s, %s, %s)"
    for debit, credit, amounts in (([jane], [otieno, otieno], [1, 2]), ([jane, jane], [otieno], [1]), ([], [], [])):
        cursor.execute(
            call.replace("%s, %s, %s)", "%s::text[], %s::text[], %s::bigint[])"),
            (new_reference(), new_reference(), debit, credit, amounts),
        )
        assert cursor.fetchone() == ("malformed_entry",)


def test_one_entry_never_joins_two_currencies(cursor, books: Books, ledger: Ledger) -> None:  # type: ignore[no-untyped-def]
    jane = books.wallet(100)
    ledger.open_account(cursor, "float:dollars", "USD")
    cursor.execute(
        "SELECT refusal FROM ledger_post('mixed', %s, 'h', 'test', %s, 'KES', %s, %s, %s)",
        (new_reference(), new_reference(), [jane], ["float:dollars"], [1]),
    )
    assert cursor.fetchone() == ("mixed_currencies",)
    with pytest.raises(BadEntry):
        books.move(jane, "float:dollars", 1)


def test_an_account_is_opened_once_and_keeps_its_currency(cursor, ledger: Ledger) -> None:  # type: ignore[no-untyped-def]
    code = f"wallet:ML-{new_reference(6)}"
    assert ledger.open_account(cursor, code) == ledger.open_account(cursor, code)
    with pytest.raises(Exception, match="is open in KES"):
        ledger.open_account(cursor, code, "USD")
    with pytest.raises(Exception, match="no kind of account"):
        ledger.open_account(cursor, "purse:1")


def test_a_thawed_wallet_pays_again(books: Books, cursor) -> None:  # type: ignore[no-untyped-def]
    jane, otieno = books.wallet(100), books.wallet()
    books.ledger.freeze(cursor, jane)
    assert isinstance(books.move(jane, otieno, 1).refusal, AccountFrozen)
    books.ledger.unfreeze(cursor, jane)
    assert books.move(jane, otieno, 1).refusal is None


def test_what_was_decided_is_found_under_its_key(books: Books, cursor) -> None:  # type: ignore[no-untyped-def]
    jane, otieno = books.wallet(100), books.wallet()
    key = new_reference(16)
    assert books.ledger.find(cursor, "test", key) is None
    books.ledger.post(cursor, books.entry([(jane, otieno, 95), (jane, "fees", 5)], key))
    found = books.ledger.find(cursor, "test", key)
    assert found is not None
    assert (found.amounts, found.refusal) == ((Money(95), Money(5)), None)
    books.ledger.post(cursor, books.entry([(jane, otieno, 95)], key + "2"))
    refused = books.ledger.find(cursor, "test", key + "2")
    assert refused is not None
    assert isinstance(refused.refusal, NotEnoughMoney)


def test_the_totals_of_the_books_are_equal_on_both_sides(books: Books, cursor) -> None:  # type: ignore[no-untyped-def]
    books.move(books.wallet(1_000), "fees", 10)
    rows = books.ledger.books(cursor)
    kes = [row for row in rows if row.balance.currency == "KES"]
    held = sum(row.balance.minor for row in kes if row.account_class == "asset")
    owed = sum(row.balance.minor for row in kes if row.account_class != "asset")
    assert held == owed > 0
    assert {row.kind for row in kes} >= {"wallet", "float", "fees", "clearing", "suspense"}


def test_an_entry_of_two_currencies_is_a_bug(books: Books) -> None:
    legs = (Leg("a", "b", Money(1)), Leg("a", "b", Money(1, "USD")))
    with pytest.raises(BadEntry):
        books.ledger.post_alone(books.database, Entry("test", "k", "test", "R", legs))
