"""Where the environment comes from: the process, then ``.env``, then a ``make run`` that is up on this machine.

The last one is why ``flask --app wsgi books`` in a second terminal reaches the embedded servers of the first.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dotenv import dotenv_values

from gateway.settings import new_token

TOP = Path(__file__).resolve().parent.parent


def read_environment(*, join: bool = True) -> None:
    """Complete ``os.environ`` from ``.env`` and, when no database is named, from a ``make run`` that is up.

    ``join=False`` leaves the second part out: for ``make run`` itself.
    """
    _add(dotenv_values(TOP / ".env"))
    production = os.environ.get("APP_ENV", "").strip().lower() == "production"
    if join and not production and not os.environ.get("DATABASE_URL") and is_running(data_dir()):
        _add(dotenv_values(data_dir() / "running.env"))


def is_running(data: Path) -> bool:
    """Whether a ``make run`` holds this folder: its file of addresses may have outlived it, its lock has not."""
    try:
        with (data / "lock").open(encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def data_dir() -> Path:
    """``DATA_DIR``, seen from the top folder when it is relative."""
    return TOP / os.environ.get("DATA_DIR", ".data")


def _add(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value and not os.environ.get(name):
            os.environ[name] = value


def kept_secrets(data: Path) -> dict[str, str]:
    """``ENCRYPTION_KEY`` and ``CALLBACK_TOKEN`` of this machine: made once, kept in a file only its owner reads."""
    path = data / "secrets.env"
    kept = {name: value for name, value in dotenv_values(path).items() if value} if path.exists() else {}
    missing = {"ENCRYPTION_KEY", "CALLBACK_TOKEN"} - kept.keys()
    if missing:
        kept |= {name: new_token() for name in sorted(missing)}
        write_private(path, kept)
    return kept


def write_private(path: Path, values: Mapping[str, str]) -> None:
    """``NAME='value'`` lines, whole or not at all, mode 0600."""
    fresh = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.writelines(f"{name}='{value}'\n" for name, value in values.items())
    fresh.replace(path)
