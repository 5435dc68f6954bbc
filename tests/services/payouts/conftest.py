"""One world of money out per test; after it the books are right."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.db import Database
from gateway.services.stops import PAYOUTS
from gateway.vault import Vault
from tests.conftest import Clock
from tests.services.payouts.world import World


@pytest.fixture
def world(db: Database, vault: Vault, clock: Clock) -> Iterator[World]:
    made = World(db, vault, clock)
    yield made
    made.stops.lift(PAYOUTS)
    made.health.note("mpesa", answered=True)
