"""People with wallets, and the services that move money between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from gateway.db import Database
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from gateway.domain.references import new_account_number, new_reference
from gateway.models.parties import Party
from gateway.services.claims import Claims
from gateway.services.fees import Fees
from gateway.services.ledger import Entry, Ledger, Leg
from gateway.services.limits import Limits, Standing
from gateway.services.statements import Statements
from gateway.services.transfers import Quote, Sent, Transfers
from gateway.settings import Settings
from gateway.vault import Vault
from tests.conftest import Clock
from ussd_menus.texts import load_texts

_INSERT = """
INSERT INTO accounts (number, phone_index, phone_sealed, phone_last4, name, language, stellar_public_key,
                      stellar_secret_sealed)
VALUES (%s, %s, %s, %s, %s, %s, %s, 'sealed') RETURNING id
"""


@dataclass(frozen=True)
class Person:
    """An account as the services see it, with its phone."""

    id: int
    number: str
    name: str
    language: str
    phone: Phone
    phone_index: bytes = field(repr=False)

    @property
    def party(self) -> Party:
        return Party(self.number, self.name, self.language)


class World:
    """Everything a test of sending needs; amounts are whole shillings."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, settings: Settings) -> None:
        self.db, self.vault, self.clock = database, vault, clock
        self.ledger, words, code = Ledger(), load_texts(), settings.shortcode
        limits = Limits(settings, clock)
        self.claims = Claims(database, self.ledger, vault, words, clock, shortcode=code, days=settings.claim_days)
        self.transfers = Transfers(
            database,
            self.ledger,
            self.claims,
            Fees(settings.transfer_fees),
            limits,
            vault,
            words,
            clock,
            shortcode=code,
        )
        self.statements = Statements(database, self.ledger)
        self._phones = iter(range(10_000_000, 99_999_999))
        self._prefix = new_reference(4)

    def new_phone(self) -> Phone:
        """Unlike any other in this database, and only as long as a phone."""
        return Phone("+2547" + new_digits())

    def person(self, name: str, holds: int = 0, phone: Phone | None = None, language: str = "en") -> Person:
        phone = phone or self.new_phone()
        index, number = self.vault.phone_index(phone), new_account_number()
        row = (number, index, self.vault.seal(phone.e164), phone.last4, name, language, new_reference(20))
        with self.db.hot() as cursor:
            cursor.execute(_INSERT, row)
            person = Person(cursor.fetchone()[0], number, name, language, phone, index)
            self.ledger.open_account(cursor, f"wallet:{number}")
        if holds:
            self.give(person, holds)
        return person

    def give(self, person: Person, amount: int) -> None:
        leg = Leg("float:mpesa", f"wallet:{person.number}", Money.major(amount))
        self.ledger.post_alone(
            self.db, Entry("test", new_reference(16), "deposit", new_reference(), (leg,))
        ).or_refuse()

    def quote(self, sender: Person, phone: Phone, amount: int, standing: Standing | None = None) -> Quote:
        return self.transfers.quote(sender.number, standing or Standing("basic"), phone, Money.major(amount))

    def send(
        self, sender: Person, phone: Phone, amount: int, key: str | None = None, standing: Standing | None = None
    ) -> Sent:
        standing = standing or Standing("basic")
        quote = self.quote(sender, phone, amount, Standing("verified"))
        return self.transfers.send(key or new_reference(16), sender.party, standing, quote)

    def holds(self, person: Person) -> int:
        return self.statements.balance(person.number).whole_units

    def activate(self, person: Person) -> int:
        """What happens to claims when an account gets its first PIN; returns how many arrived."""
        with self.db.transaction() as session:
            return len(self.claims.claim_all(session, person))

    def texts_to(self, phone: Phone) -> list[str]:
        """The SMS queued to a phone, oldest first."""
        with self.db.hot() as cursor:
            cursor.execute("SELECT phone_sealed, body FROM messages WHERE phone_last4 = %s ORDER BY id", (phone.last4,))
            return [body for sealed, body in cursor.fetchall() if self.vault.open(sealed) == phone.e164]

    def rows(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        with self.db.hot() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())


def new_digits() -> str:
    return "".join(str("0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(sign) % 10) for sign in new_reference(8))


@pytest.fixture
def settings() -> Settings:
    return Settings(_env_file=None, app_env="test")


@pytest.fixture
def world(db: Database, vault: Vault, clock: Clock, settings: Settings) -> World:
    return World(db, vault, clock, settings)


@pytest.fixture(autouse=True)
def _books_are_right(db: Database) -> Iterator[None]:
    """After every test the check view holds zeros only."""
    yield
    with db.hot() as cursor:
        found = Ledger().check(cursor)
    assert set(found.values()) == {0}, found
