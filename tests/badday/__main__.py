"""``python -m tests.badday --seed 7``: a bad day from a seed, and whether every shilling is where it belongs."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from contextlib import redirect_stderr
from pathlib import Path

from gateway.observability import configure_logging
from tests.badday.checks import Checks
from tests.badday.clock import MovedClock
from tests.badday.day import Day
from tests.badday.evening import Evening
from tests.badday.fates import Fates
from tests.badday.servers import Servers
from tests.badday.tally import Tally
from tests.badday.town import KEY, Town

_HEADINGS = {"injected": "Injected", "done": "Done by people", "operator": "Decided by an operator"}


def main() -> int:
    """0 when everything is true that must be, else 1."""
    parser = argparse.ArgumentParser(prog="tests.badday", description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--operations", type=int, default=400)
    parser.add_argument("--callers", type=int, default=30)
    parser.add_argument("--folder", type=Path, help="Where logs are kept; else a new folder, removed when all is well.")
    asked = parser.parse_args()
    folder = (asked.folder or Path(tempfile.mkdtemp(prefix="badday-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    began, tally = time.monotonic(), Tally()
    _say(f"Bad day {asked.seed}: {asked.operations} operations by {asked.callers} callers. Logs: {folder}")
    checked = _live(asked.seed, asked.operations, asked.callers, folder, tally)
    _report(tally, checked)
    failed = any(checked.values())
    again = f"make bad-day SEED={asked.seed} OPERATIONS={asked.operations} CALLERS={asked.callers}"
    _say(f"{'FAIL' if failed else 'PASS'} in {time.monotonic() - began:.0f} s. Again: {again}")
    return 1 if failed else 0


def _live(seed: int, operations: int, callers: int, folder: Path, tally: Tally) -> dict[str, list[str]]:
    clock, chance = MovedClock(), random.Random(f"town {seed}")
    with Servers(folder, KEY) as servers, (folder / "day.log").open("w") as log, redirect_stderr(log):
        town = Town(folder, servers, Fates(seed, tally), clock)
        town.mpesa_options.stk_also_confirms = chance.random() < 0.5
        with town.simulators:
            try:
                town.open()
                Day(town, servers, seed, callers, tally).live(operations)
            finally:
                town.close()
            with (folder / "evening.log").open("w") as evening_log, redirect_stderr(evening_log):
                configure_logging(console=False)
                with Evening(town, clock, tally) as evening:
                    evening.pass_by()
                    return Checks(town, evening, tally).run()


def _report(tally: Tally, checked: dict[str, list[str]]) -> None:
    for heading, title in _HEADINGS.items():
        counts = tally.of(heading)
        _say(f"\n{title} ({counts.total()}):")
        for what, times in sorted(counts.items()):
            _say(f"  {times:>6}  {what}")
    _say("\nChecked:")
    for name, wrong in checked.items():
        _say(f"  {'FAIL' if wrong else 'ok':<5} {name}")
        for sentence in wrong[:20]:
            _say(f"          {sentence}")
    _say("")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
