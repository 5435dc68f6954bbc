"""Two short bad days; ``make bad-day`` has long ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.environment import TOP


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [101, 102])
def test_whatever_happened_on_a_bad_day_every_shilling_is_where_it_belongs(seed: int, tmp_path: Path) -> None:
    size = ["--operations", "60", "--callers", "8", "--folder", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.badday", "--seed", str(seed), *size],
        cwd=TOP, capture_output=True, text=True, timeout=220, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
