"""One world of money in per test."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from gateway.db import Database
from gateway.vault import Vault
from tests.conftest import Clock
from tests.services.payments.world import World


@pytest.fixture
def world(db: Database, vault: Vault, clock: Clock) -> World:
    with db.transaction() as session:
        session.execute(
            text(
                "CREATE TABLE IF NOT EXISTS fake_postings (scope text, key text, debit text, credit text, amount bigint)"
            )
        )
    return World(db, vault, clock)
