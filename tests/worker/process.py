"""A worker process that takes a second over every push and says when it begins and ends."""

from __future__ import annotations

import sys
import time

from gateway.worker import run_worker
from tests.worker.work import Recorder


def slow(*call: object) -> None:
    sys.stdout.write(f"began {call}\n")
    sys.stdout.flush()
    time.sleep(1)
    sys.stdout.write(f"ended {call}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run_worker(sys.argv[1], Recorder(on=slow).work())
