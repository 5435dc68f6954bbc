"""What every test of the books needs: accounts with money in them, and a cursor that commits at once."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2.extensions
import pytest

from gateway.db import Database
from gateway.domain.money import MINOR_UNITS, Money
from gateway.domain.references import new_reference
from gateway.services.ledger import Entry, Ledger, Leg, Posted


@pytest.fixture
def cursor(database_url: str) -> Iterator[psycopg2.extensions.cursor]:
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    yield connection.cursor()
    connection.close()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


class Books:
    """A bookkeeper's shorthand: amounts are minor units, every call is a transaction of its own."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self.database, self.ledger = database, ledger

    def wallet(self, holds: int = 0) -> str:
        code = f"wallet:ML-{new_reference(6)}"
        with self.database.hot() as cursor:
            self.ledger.open_account(cursor, code)
        if holds:
            assert self.move("float:mpesa", code, holds).refusal is None
        return code

    def move(self, debit: str, credit: str, amount: int, key: str | None = None, **more: object) -> Posted:
        return self.ledger.post_alone(self.database, self.entry([(debit, credit, amount)], key, **more))

    def entry(self, legs: list[tuple[str, str, int]], key: str | None = None, **more: object) -> Entry:
        made = tuple(Leg(debit, credit, Money(amount)) for debit, credit, amount in legs)
        fields = {"scope": "test", "key": key or new_reference(16), "kind": "test", "reference": new_reference()}
        return Entry(legs=made, **{**fields, **more})  # type: ignore[arg-type]

    def holds(self, code: str) -> int:
        with self.database.hot() as cursor:
            return self.ledger.balance(cursor, code).minor


@pytest.fixture
def books(db: Database, ledger: Ledger) -> Books:
    return Books(db, ledger)


@pytest.fixture(autouse=True)
def _dollars(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second currency, so that there is something to keep apart."""
    monkeypatch.setitem(MINOR_UNITS, "USD", 100)


@pytest.fixture(autouse=True)
def _books_are_right(request: pytest.FixtureRequest, cursor, ledger: Ledger) -> Iterator[None]:  # type: ignore[no-untyped-def]
    """After every test the check view holds zeros only."""
    yield
    assert set(ledger.check(cursor).values()) == {0}, ledger.check(cursor)
