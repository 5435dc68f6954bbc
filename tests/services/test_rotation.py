"""Key rotation: after it the old key can be dropped, and nothing was forgotten."""

from __future__ import annotations

import secrets

import psycopg2
import pytest
from sqlalchemy import text

from gateway.db import Database
from gateway.domain.phone import Phone
from gateway.services import rotation
from gateway.services.rotation import SEALED, rotate_keys
from gateway.vault import Unreadable, Vault
from integrations.stellar.keypairs import StellarKeypairs, public_key_of
from tests.conftest import ROOT
from tests.services.people_kit import Kit, new_phone

OLD, NEW = "the old key of the house", "the new key of the house"


@pytest.fixture
def db(make_database):
    """A database of its own: these tests seal everything in it again."""
    url = make_database()
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute((ROOT / "schema.sql").read_text())
    database = Database(url, pool_size=3)
    yield database
    database.close()


@pytest.fixture
def old(db):
    """The vault of a gateway that only knows the old key; its pepper is the database's."""
    pepper = Vault.new_pepper(OLD)
    with db.transaction() as session:
        session.execute(text("INSERT INTO vault VALUES ('pepper', :sealed)"), {"sealed": pepper})
    return Vault(OLD, pepper)


def _both(db):
    return Vault(f"{NEW},{OLD}", _pepper(db))


def _pepper(db):
    with db.reading() as connection:
        return connection.execute(text("SELECT sealed FROM vault WHERE name = 'pepper'")).scalar_one()


def _everything(db, vault, clock):
    """A row with something in every sealed column; returns the member."""
    kit = Kit(db, vault, clock)
    member = kit.accounts.create_account(new_phone(), "Jane", pin="8305")
    sealed = vault.seal("+254712345678")
    rows = {
        "claims (reference, sender_id, recipient_index, recipient_sealed, recipient_last4, amount_minor, fee_minor, "
        "currency, expires_at)": "(:ref, :id, :index, :sealed, '5678', 100, 0, 'KES', now())",
        "payments (reference, account_id, idempotency_key, rail, amount_minor, currency, payer_index, payer_sealed, "
        "token)": "(:ref, :id, :ref, 'mpesa', 100, 'KES', :index, :sealed, :ref)",
        "arrivals (rail, receipt, amount_minor, currency, typed_sealed, payer_sealed, token)": "('mpesa', :ref, 100, "
        "'KES', :sealed, :sealed, :ref)",
        "payouts (reference, idempotency_key, purpose, way, rail, held_from, amount_minor, currency, payee_sealed)": ""
        "(:ref, :ref, 'withdraw', 'send', 'mpesa', 'wallet:x', 100, 'KES', :sealed)",
        "inbox (source, digest, body_sealed)": "('mpesa.stk', :index, :sealed)",
        "messages (phone_sealed, phone_last4, kind, body_sealed)": "(:sealed, '5678', 'otp', :sealed)",
    }
    with db.transaction() as session:
        for table, values in rows.items():
            named = {"ref": secrets.token_hex(8), "id": member.id, "index": secrets.token_bytes(8), "sealed": sealed}
            statement = text(f"INSERT INTO {table} VALUES {values}")
            wanted = {name: value for name, value in named.items() if f":{name}" in values}
            session.execute(statement, wanted)
    return member


def _values(db):
    with db.reading() as connection:
        return {
            str(column): list(
                connection.execute(
                    text(f"SELECT {column.column} FROM {column.table} WHERE {column.column} IS NOT NULL")
                ).scalars()
            )
            for column in SEALED
        }


def test_no_sealed_column_of_the_schema_is_forgotten(db):
    with db.reading() as connection:
        found = connection.execute(
            text(
                "SELECT table_name || '.' || column_name FROM information_schema.columns "
                "WHERE table_schema = 'public' AND column_name ~ '(^|_)sealed$'"
            )
        ).scalars()
        assert set(found) == {str(column) for column in SEALED}


def test_after_rotation_the_old_key_can_be_dropped(db, old, clock):
    member = _everything(db, old, clock)
    done = rotate_keys(db, _both(db))
    assert done.complete
    assert all(count > 0 for count in done.resealed.values())
    only_new = Vault(NEW, _pepper(db))
    for column, values in _values(db).items():
        assert values, column
        assert all(only_new.open(value) for value in values)
        for value in values:
            with pytest.raises(Unreadable):
                old.open(value)
    kit = Kit(db, only_new, clock)
    kit.pins.check(member.number, "8305")
    phone = Phone(only_new.open(kit.accounts.by_number(member.number).phone_sealed))
    assert kit.accounts.by_phone(phone).number == member.number


def test_a_second_run_finds_nothing_to_do(db, old, clock):
    _everything(db, old, clock)
    rotate_keys(db, _both(db))
    before = _values(db)
    assert not any(rotate_keys(db, _both(db)).resealed.values())
    assert _values(db) == before


def test_a_run_that_was_stopped_is_simply_started_again(db, old, clock):
    kit = Kit(db, old, clock)
    for _ in range(5):
        kit.accounts.create_account(new_phone(), "Jane", send_sms=False)

    class Killed(BaseException):
        pass

    class Dying(Vault):
        left = 3

        def reseal(self, sealed: str) -> str:
            self.left -= 1
            if self.left < 0:
                raise Killed
            return super().reseal(sealed)

    accounts = [column for column in SEALED if column.table == "accounts"]
    with pytest.raises(Killed):
        rotate_keys(db, Dying(f"{NEW},{OLD}", _pepper(db)), columns=accounts, batch=2)
    done = rotate_keys(db, _both(db), columns=accounts, batch=2)
    assert sum(done.resealed.values()) == 10 - 2
    assert all(_both(db).is_current(value) for value in _values(db)["accounts.phone_sealed"])


def test_what_was_wiped_or_changed_meanwhile_stays_so(db, old, clock, monkeypatch):
    _everything(db, old, clock)
    both, write = _both(db), rotation._write
    newer = both.seal("+254700000000")

    meanwhile = {
        "messages.body_sealed": "UPDATE messages SET body_sealed = NULL",
        "accounts.phone_sealed": f"UPDATE accounts SET phone_sealed = '{newer}'",
    }

    def overtaken(db_, column, changes):
        with db.transaction() as session:
            session.execute(text(meanwhile.pop(str(column), "SELECT 1")))
        return write(db_, column, changes)

    monkeypatch.setattr(rotation, "_write", overtaken)
    rotate_keys(db, both)
    values = _values(db)
    assert not meanwhile
    assert values["messages.body_sealed"] == []
    assert values["accounts.phone_sealed"] == [newer]


def test_what_no_key_opens_is_counted_and_left_alone(db, old, clock):
    _everything(db, old, clock)
    with db.transaction() as session:
        session.execute(text("UPDATE inbox SET body_sealed = 'gibberish'"))
    done = rotate_keys(db, _both(db))
    assert not done.complete
    assert done.unreadable["inbox.body_sealed"] == 1
    assert _values(db)["inbox.body_sealed"] == ["gibberish"]


def test_a_stellar_secret_is_still_its_accounts_after_rotation(db, old, clock):
    kit = Kit(db, old, clock)
    kit.accounts._keypairs = StellarKeypairs()
    kit.accounts.create_account(new_phone(), "Jane", send_sms=False)
    rotate_keys(db, _both(db))
    row = kit.one("SELECT stellar_public_key, stellar_secret_sealed FROM accounts")
    assert public_key_of(Vault(NEW, _pepper(db)).open(row.stellar_secret_sealed)) == row.stellar_public_key
