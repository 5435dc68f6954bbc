"""One world of money in per test."""

from __future__ import annotations

import pytest

from gateway.db import Database
from gateway.vault import Vault
from tests.conftest import Clock
from tests.services.payments.world import World


@pytest.fixture
def world(db: Database, vault: Vault, clock: Clock) -> World:
    return World(db, vault, clock)
