"""Key rotation: every sealed value is sealed again under the first key of ``ENCRYPTION_KEY``.

The order for people: put the new key first everywhere (``new,old``) and restart; rotate; then drop the old one. It
works while the gateway runs: a value is replaced only where it is still the one that was read, so nothing that was
changed or wiped meanwhile comes back. Stopped half-way, it is simply started again and skips what is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Text

from gateway.db import Database
from gateway.vault import Unreadable, Vault


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column with sealed values; ``key`` is the table's primary key."""

    table: str
    column: str
    key: str = "id"

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


#: Every sealed column of the schema; a test compares this with the catalog.
SEALED = (
    SealedColumn("vault", "sealed", key="name"),
    SealedColumn("accounts", "phone_sealed"),
    SealedColumn("accounts", "stellar_secret_sealed"),
    SealedColumn("claims", "recipient_sealed"),
    SealedColumn("payments", "payer_sealed"),
    SealedColumn("arrivals", "typed_sealed"),
    SealedColumn("arrivals", "payer_sealed"),
    SealedColumn("payouts", "payee_sealed"),
    SealedColumn("inbox", "body_sealed"),
    SealedColumn("messages", "phone_sealed"),
    SealedColumn("messages", "body_sealed"),
)


@dataclass(slots=True)
class Rotated:
    """How many values were sealed again, by column, and how many no key opens (they are left alone)."""

    resealed: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether the old keys can be dropped without losing anything that could be read until now."""
        return not any(self.unreadable.values())


def rotate_keys(db: Database, vault: Vault, *, columns: Sequence[SealedColumn] = SEALED, batch: int = 200) -> Rotated:
    """Seal everything under the first key; each batch is a short transaction of its own."""
    done = Rotated()
    for column in columns:
        done.resealed[str(column)] = done.unreadable[str(column)] = 0
        for rows in _batches(db, column, batch):
            changes, unreadable = _resealed(vault, rows)
            done.resealed[str(column)] += _write(db, column, changes)
            done.unreadable[str(column)] += unreadable
    return done


def _batches(db: Database, column: SealedColumn, size: int) -> Iterator[Sequence[Row[tuple[object, str]]]]:
    """All values in key order, ``size`` rows at a time."""
    after: object = "" if column.key == "name" else 0
    query = text(
        f"SELECT {column.key} AS key, {column.column} AS sealed FROM {column.table} "  # noqa: S608 - names of SEALED
        f"WHERE {column.key} > :after AND {column.column} IS NOT NULL ORDER BY {column.key} LIMIT :size"
    )
    while True:
        with db.reading() as connection:
            rows = connection.execute(query, {"after": after, "size": size}).all()
        if not rows:
            return
        yield rows
        after = rows[-1].key


def _resealed(vault: Vault, rows: Sequence[Row[tuple[object, str]]]) -> tuple[list[tuple[object, str, str]], int]:
    """Key, old and new value of each row that is under an older key, and how many are under none of ours."""
    changes: list[tuple[object, str, str]] = []
    unreadable = 0
    for row in rows:
        try:
            if not vault.is_current(row.sealed):
                changes.append((row.key, row.sealed, vault.reseal(row.sealed)))
        except Unreadable:
            unreadable += 1
    return changes, unreadable


def _write(db: Database, column: SealedColumn, changes: Sequence[tuple[object, str, str]]) -> int:
    """Replace the values that are still what was read; returns how many."""
    if not changes:
        return 0
    keys, old, new = (list(values) for values in zip(*changes, strict=True))
    key_type = Text() if column.key == "name" else BigInteger()
    statement = text(
        f"UPDATE {column.table} SET {column.column} = change.new "  # noqa: S608 - names of SEALED
        "FROM unnest(:keys, :old, :new) AS change (key, old, new) "
        f"WHERE {column.key} = change.key AND {column.column} = change.old RETURNING 1"
    ).bindparams(
        bindparam("keys", type_=ARRAY(key_type)),
        bindparam("old", type_=ARRAY(Text())),
        bindparam("new", type_=ARRAY(Text())),
    )
    with db.transaction() as session:
        return len(session.execute(statement, {"keys": keys, "old": old, "new": new}).all())
