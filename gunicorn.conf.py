"""How gunicorn serves the gateway. A command line or GUNICORN_CMD_ARGS overrides every value.

Threads, because nothing stands between a laptop's browser and us, and a browser opens connections it says nothing on:
each would hold a sync worker. Behind a proxy that buffers, ``--worker-class sync --threads 1 --workers 4`` has the
shorter tails.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from prometheus_client.multiprocess import mark_process_dead

from gateway.environment import read_environment
from gateway.observability import configure_logging
from gateway.preflight import CannotStart, check, sentences
from gateway.settings import BadSettings, load_settings

bind = f"127.0.0.1:{os.environ.get('PORT', '5000')}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 8  # as many as DATABASE_POOL_SIZE: a thread never waits for a connection
timeout = 30
graceful_timeout = 10
accesslog = None  # a quarter more CPU per hop; a hop has its own log line and its own counter
control_socket_disable = True  # it would be opened in the home folder
if Path("/dev/shm").is_dir():  # noqa: S108
    worker_tmp_dir = "/dev/shm"  # noqa: S108  (a slow disk under the heartbeat file stops a worker)


def on_starting(_server: Any) -> None:
    """Say once, before any worker is made, why the gateway cannot start."""
    read_environment()
    _log_like_the_gateway()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).mkdir(parents=True, exist_ok=True)
    try:
        check(load_settings())
    except (BadSettings, CannotStart) as reason:
        sys.stderr.writelines(f"{sentence}\n" for sentence in sentences(reason))
        sys.exit(1)


def _log_like_the_gateway() -> None:
    configure_logging()
    own = logging.getLogger("gunicorn.error")
    own.handlers, own.propagate = [], True


def child_exit(_server: Any, worker: Any) -> None:
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        mark_process_dead(worker.pid)
