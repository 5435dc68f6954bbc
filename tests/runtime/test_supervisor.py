"""``make run``: comes up on nothing, is brought down as a whole, comes up again on the same data."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from tests.runtime.conftest import House, Run, quiet_port

pytestmark = pytest.mark.slow


def _all_gone(processes: list[psutil.Process], seconds: int = 15) -> bool:
    return not psutil.wait_procs(processes, timeout=seconds)[1]


def test_it_comes_up_on_nothing_and_goes_down_with_everything_it_started(house: House) -> None:
    run = house.start().until_up()
    assert f"http://127.0.0.1:{house.port}/simulator" in house.said
    assert house.get("/ready")[0] == 200
    assert house.get("/simulator")[1].startswith("http://127.0.0.1:")
    started = run.children()
    assert len(started) >= 8
    assert run.end(signal.SIGINT) == 0
    assert _all_gone(started)
    assert house.get("/health")[0] == 0


def test_a_second_run_finds_the_data_and_the_keys_of_the_first(house: House) -> None:
    house.start().until_up().end()
    keys = (house.folder / ".data" / "secrets.env").read_text()
    assert (house.folder / ".data" / "secrets.env").stat().st_mode & 0o777 == 0o600
    (house.folder / "output").unlink()
    assert house.start().until_up().end() == 0
    assert (house.folder / ".data" / "secrets.env").read_text() == keys


def test_a_second_terminal_reaches_the_running_servers(house: House) -> None:
    run = house.start().until_up()
    done = house.once("-m", "flask", "--app", "wsgi", "init-db")
    assert (done.returncode, done.stdout.strip()) == (0, "The database is up to date."), done.stderr
    run.end()
    assert not (house.folder / ".data" / "running.env").exists()
    assert house.once("-m", "flask", "--app", "wsgi", "init-db").returncode == 1


def test_two_runs_do_not_share_one_folder(house: House) -> None:
    run = house.start().until_up()
    refused = house.once("-m", "gateway.laptop.supervisor", PORT=str(quiet_port()))
    assert refused.returncode == 1
    assert refused.stderr.startswith("Another `make run` uses ")
    assert refused.stderr.count("\n") == 1
    assert house.get("/ready")[0] == 200
    run.end()


@pytest.mark.parametrize("words", [("gunicorn",), ("flask", "worker"), ("postgres",), ("redis",)])
def test_a_part_that_dies_is_started_again(house: House, words: tuple[str, ...]) -> None:
    run = house.start().until_up()
    died = run.child(*words)
    assert died
    died.kill()
    run.until(lambda: "starting it again" in house.said, "noticed")
    run.until(lambda: run.child(*words) not in (None, died) and house.get("/ready")[0] == 200, "ready again")
    assert run.end() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_nothing_is_left_when_the_supervisor_itself_is_killed(house: House) -> None:
    run = house.start().until_up()
    started = run.children()
    run.end(signal.SIGKILL)
    # all are told at once: a worker may wait half a minute for a database that ends before it
    assert _all_gone(started, seconds=45)
    (house.folder / "output").unlink()
    assert house.start().until_up().end() == 0


def test_a_port_in_use_is_one_line(house: House) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", house.port))
        taken.listen()
        done = house.once("-m", "gateway.laptop.supervisor")
    assert done.returncode == 1
    assert done.stderr == f"Port {house.port} is in use: choose another one with `make run PORT=5001`.\n"


def test_a_web_process_that_dies_at_once_ends_everything_with_one_clear_line(house: House) -> None:
    run = house.start(BREAK_WEB="yes")
    assert run.process.wait(60) == 1
    last = house.said.strip().splitlines()[-1]
    assert "process ended at once" in last
    _nothing_runs_in(house.folder)


def test_wrong_settings_are_told_before_anything_starts(house: House) -> None:
    done = house.once("-m", "gateway.laptop.supervisor", CLAIM_DAYS="0", PUBLIC_URL="x")
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["CLAIM_DAYS", "PUBLIC_URL"]
    assert not (house.folder / ".data" / "postgresql").exists()


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("DATABASE_URL", "postgresql://postgres:hunter2@127.0.0.1:1/none", "PostgreSQL at DATABASE_URL"),
        ("REDIS_URL", "redis://:hunter2@127.0.0.1:1/0", "Redis at REDIS_URL"),
    ],
)
def test_a_server_that_is_down_is_one_line(house: House, setting: str, value: str, sentence: str) -> None:
    done = house.once("-m", "gateway.laptop.supervisor", **{setting: value})
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr
    _nothing_runs_in(house.folder)


def _nothing_runs_in(folder: Path) -> None:
    left = [p.info for p in psutil.process_iter(["cwd", "cmdline"]) if str(p.info["cwd"]).startswith(str(folder))]
    assert left == []


def test_redis_in_python_is_enough(house: House, tmp_path: Path) -> None:
    """A machine without redis-server: nothing but Python on the PATH."""
    run: Run = house.start(PATH=str(Path(sys.executable).parent)).until_up()
    assert run.child("gateway.laptop.fake_redis")
    assert house.get("/ready")[0] == 200
    assert run.end() == 0
