"""A process of ours: started in a group of its own, ended with everything it started."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Child:
    """One child process. It leads its own process group, so a Ctrl-C in the terminal reaches only its parent."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        log: Path | None = None,
        user: int | None = None,
        group: int | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        """``log`` takes what it writes (else our own stderr); ``user`` and ``group`` are for root only."""
        self.name = name
        self._command = list(command)
        self._env = env
        self._folder = folder
        self._log = log
        self._user = user
        self._group = group
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it; a child that is running already is left alone."""
        if self.running:
            return
        self._kill_group()
        output = self._log.open("ab") if self._log else None
        try:
            self._process = self._spawn(output.fileno() if output else sys.stderr.fileno())
        finally:
            if output:
                output.close()

    def _spawn(self, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603
            self._command,
            env=self._env,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=self._user,
            group=self._group,
            extra_groups=None if self._user is None else [],
            start_new_session=True,
            preexec_fn=die_with_parent(self._stop_signal),
        )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    def ask_to_stop(self) -> None:
        if self._process and self.running:
            with suppress(ProcessLookupError):
                self._process.send_signal(self._stop_signal)

    def end(self, grace_seconds: float = 8) -> None:
        """Ask it to stop, wait, then kill what is left of its group."""
        if self._process is None:
            return
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_seconds)
        self._kill_group()
        self._process.wait()

    def _kill_group(self) -> None:
        """What a dead or stubborn leader left behind, so that it holds no port and no file."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def die_with_parent(stop_signal: signal.Signals) -> Callable[[], None]:
    """For ``preexec_fn``: Linux ends the child also when its parent was killed with -9."""

    def ask_the_kernel() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(stop_signal))

    return ask_the_kernel


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
