"""One rail with a statement per test."""

from __future__ import annotations

import pytest

from gateway.db import Database
from gateway.vault import Vault
from tests.conftest import Clock
from tests.services.reconciliation.world import Reconciled


@pytest.fixture
def world(db: Database, vault: Vault, clock: Clock) -> Reconciled:
    return Reconciled(db, vault, clock)
