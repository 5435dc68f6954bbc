"""What the database itself refuses, whoever asks."""

from __future__ import annotations

import psycopg2
import pytest

from gateway.services.ledger import Ledger
from tests.ledger.conftest import Books

EDITS = [
    "UPDATE ledger_transfers SET refusal = 'not_enough_money'",
    "DELETE FROM ledger_transfers",
    "TRUNCATE ledger_transfers CASCADE",
    "UPDATE ledger_postings SET amount = amount + 1",
    "DELETE FROM ledger_postings",
    "TRUNCATE ledger_postings",
    "UPDATE ledger_checkpoints SET debits = 0",
    "DELETE FROM ledger_checkpoints",
    "TRUNCATE ledger_checkpoints",
    "DELETE FROM ledger_balances",
    "TRUNCATE ledger_balances",
    "UPDATE ledger_accounts SET currency = 'USD'",
    "UPDATE ledger_accounts SET code = 'wallet:mine' WHERE code = 'fees'",
    "DELETE FROM ledger_accounts WHERE code = 'suspense:mpesa'",
    "TRUNCATE ledger_accounts CASCADE",
]


@pytest.mark.parametrize("edit", EDITS)
def test_history_cannot_be_edited(cursor, books: Books, edit: str) -> None:  # type: ignore[no-untyped-def]
    books.wallet(100)
    with pytest.raises(psycopg2.errors.RestrictViolation, match="append-only"):
        cursor.execute(edit)


INSERT = "INSERT INTO ledger_postings SELECT max(t.id), 9, %s, %s, %s, %s FROM ledger_transfers t"
ACCOUNT = "(SELECT id FROM ledger_accounts WHERE code = '{}')"


@pytest.mark.parametrize(
    ("debit", "credit", "amount", "currency", "error"),
    [
        ("fees", "float:mpesa", 0, "KES", psycopg2.errors.CheckViolation),
        ("fees", "float:mpesa", -5, "KES", psycopg2.errors.CheckViolation),
        ("fees", "fees", 5, "KES", psycopg2.errors.CheckViolation),
        ("fees", "float:dollars", 5, "KES", psycopg2.errors.ForeignKeyViolation),
        ("fees", "float:dollars", 5, "USD", psycopg2.errors.ForeignKeyViolation),
    ],
)
def test_a_posting_that_cannot_be_right_is_not_taken(
    cursor, books: Books, debit, credit, amount, currency, error
) -> None:  # type: ignore[no-untyped-def]
    books.wallet(100)
    Ledger().open_account(cursor, "float:dollars", "USD")
    values = (ACCOUNT.format(debit), ACCOUNT.format(credit), amount, f"'{currency}'")
    with pytest.raises(error):
        cursor.execute(INSERT % values)


@pytest.mark.parametrize("change", ["debits = debits + 101", "credits = credits - 101", "debits = -1"])
def test_no_update_brings_a_wallet_below_its_floor(cursor, books: Books, change: str) -> None:  # type: ignore[no-untyped-def]
    jane = books.wallet(100)
    with pytest.raises(psycopg2.errors.CheckViolation):
        cursor.execute(f"UPDATE ledger_balances SET {change} WHERE account_id = {ACCOUNT.format(jane)}")


BALANCE = "UPDATE ledger_balances SET {} WHERE account_id = {{jane}}"
FEES = "FROM ledger_accounts WHERE code = 'fees'"
TRANSFER = "INSERT INTO ledger_transfers (scope, key, request_hash, kind, reference) VALUES ('x', 'x', 'x', 'x', 'x')"
REFUSED = "(SELECT max(id) FROM ledger_transfers WHERE refusal IS NOT NULL)"
BREAKS = [
    ("debits_unlike_credits", BALANCE.format("credits = credits + 1")),
    ("balances_unlike_postings", BALANCE.format("debits = debits + 1, credits = credits + 1")),
    ("accounts_under_floor", BALANCE.format("floor = 1000")),
    ("checkpoints_unlike_postings", f"INSERT INTO ledger_checkpoints SELECT id, 1, 7, 7 {FEES}"),
    ("transfers_unlike_postings", TRANSFER),
    ("transfers_unlike_postings", f"INSERT INTO ledger_postings SELECT {REFUSED}, 1, id, {{jane}}, 1, 'KES' {FEES}"),
]


@pytest.mark.parametrize(("column", "damage"), BREAKS)
def test_the_check_view_sees_damage(database_url: str, books: Books, ledger: Ledger, column: str, damage: str) -> None:
    """The floor's own check has to be lifted to do one of the damages; all of it is rolled back."""
    jane = books.wallet(100)
    books.move(jane, "fees", 101)
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_balances DROP CONSTRAINT ledger_balances_above_floor")
        cursor.execute(damage.format(jane=ACCOUNT.format(jane)))
        assert ledger.check(cursor)[column] != 0
        connection.rollback()
    connection.close()
