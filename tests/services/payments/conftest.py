"""One world of money in per test."""

from __future__ import annotations

import pytest

from gateway.db import Database
from gateway.vault import Vault
from tests.conftest import Clock
from tests.services.payments.world import World


@pytest.fixture(params=["mpesa", "payhero"])
def world(request: pytest.FixtureRequest, db: Database, vault: Vault, clock: Clock) -> World:
    """Whichever rail prompts payers, the rules are the same."""
    return World(db, vault, clock, collect_rail=request.param)
