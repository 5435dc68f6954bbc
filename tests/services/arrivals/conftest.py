"""One world of money that comes by itself per test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from gateway.db import Database
from gateway.vault import Vault
from tests.conftest import Clock
from tests.services.arrivals.world import World


@pytest.fixture
def world(db: Database, vault: Vault, clock: Clock) -> World:
    return World(db, vault, clock)


@pytest.fixture(autouse=True)
def _nothing_is_left_to_do(db: Database) -> Iterator[None]:
    """Tests share a database: nothing of one is due in another."""
    yield
    with db.transaction() as session:
        session.execute(text("UPDATE inbox SET state = 'handled', handled_at = now() WHERE handled_at IS NULL"))
        session.execute(text("UPDATE arrivals SET due_at = NULL"))
