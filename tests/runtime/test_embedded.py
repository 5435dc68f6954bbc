"""The servers of a laptop with nothing configured: real data, kept between runs, also after an unclean end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import psycopg2
import pytest
import redis
from sqlalchemy import create_engine

from gateway.laptop.embedded import EmbeddedPostgres, EmbeddedRedis
from gateway.preflight import CannotStart

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data" / "postgresql"


@pytest.fixture
def postgres(data: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data)
    yield server
    server.stop()


def _run(url: str, sql: str) -> None:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
    connection.close()


def _count(url: str) -> int:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM kept")
        row = cursor.fetchone()
    connection.close()
    assert row
    return int(row[0])


def test_every_driver_understands_the_address(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("mlango",)
    engine = create_engine(url)
    with engine.connect() as other:
        assert other.exec_driver_sql("SELECT current_setting('TimeZone')").scalar() == "UTC"
    engine.dispose()


def test_data_survives_an_orderly_end(postgres: EmbeddedPostgres, data: Path) -> None:
    _run(postgres.start(), "CREATE TABLE kept AS SELECT 1 AS one")
    pid = postgres.child.pid if postgres.child else None
    postgres.stop()
    assert pid
    assert not psutil.pid_exists(pid)
    again = EmbeddedPostgres(data)
    assert _count(again.start()) == 1
    again.stop()


def test_a_killed_server_starts_again_with_what_was_committed(postgres: EmbeddedPostgres, data: Path) -> None:
    _run(postgres.start(), "CREATE TABLE kept AS SELECT 1 AS one")
    assert postgres.child
    assert postgres.child.pid
    os.kill(postgres.child.pid, signal.SIGKILL)
    postgres.stop()
    assert (data / "postmaster.pid").exists()
    again = EmbeddedPostgres(data)
    assert _count(again.start()) == 1
    again.stop()


def test_a_note_whose_number_is_another_process_by_now_does_not_stop_the_start(
    postgres: EmbeddedPostgres, data: Path
) -> None:
    postgres.start()
    postgres.stop()
    # of the server's own user: PostgreSQL itself only believes a note about a process it could signal
    someone = subprocess.Popen(["sleep", "60"], user=65534 if os.geteuid() == 0 else None)
    try:
        (data / "postmaster.pid").write_text(f"{someone.pid}\n{data}\n1700000000\n5432\n/tmp\n\n")
        postgres.start()
        assert someone.poll() is None
    finally:
        someone.kill()
        someone.wait()


def test_a_server_that_outlived_its_supervisor_is_ended_first(postgres: EmbeddedPostgres, data: Path) -> None:
    _run(postgres.start(), "CREATE TABLE kept AS SELECT 1 AS one")
    second = EmbeddedPostgres(data)
    assert _count(second.start()) == 1
    assert postgres.child
    assert not postgres.child.running
    second.stop()


def test_a_folder_that_is_no_cluster_is_left_alone_and_named(data: Path) -> None:
    data.mkdir(parents=True)
    (data / "holiday.jpg").touch()
    with pytest.raises(CannotStart, match="not a cluster"):
        EmbeddedPostgres(data).start()
    assert (data / "holiday.jpg").exists()


def test_a_damaged_cluster_is_told_in_one_sentence_with_the_servers_own_words(
    postgres: EmbeddedPostgres, data: Path
) -> None:
    postgres.start()
    postgres.stop()
    (data / "global" / "pg_control").unlink()
    with pytest.raises(CannotStart, match="did not start") as refused:
        EmbeddedPostgres(data).start()
    assert len(refused.value.sentences) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_it_also_works_for_a_user_who_is_not_root() -> None:
    process = multiprocessing.get_context("fork").Process(target=_start_and_stop_as_nobody)
    process.start()
    process.join(60)
    assert process.exitcode == 0


def _start_and_stop_as_nobody() -> None:
    os.setgid(65534)
    os.setuid(65534)
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "postgresql")
        _run(server.start(), "CREATE TABLE kept ()")
        server.stop()


@pytest.mark.parametrize("program", [None, ""], ids=["from the PATH", "in Python"])
def test_redis_answers_what_sessions_ask(tmp_path: Path, program: str | None) -> None:
    server = EmbeddedRedis(tmp_path / "redis", program=program)
    client = redis.Redis.from_url(server.start())
    client.set("ussd:session:1", b'{"screen": "home"}\r\n\x00', ex=180)
    assert client.get("ussd:session:1") == b'{"screen": "home"}\r\n\x00'
    assert 0 < client.ttl("ussd:session:1") <= 180
    assert client.eval("return redis.call('GET', KEYS[1])", 1, "ussd:session:1") == b'{"screen": "home"}\r\n\x00'
    assert client.set("lock", 1, nx=True, px=1000)
    assert client.set("lock", 1, nx=True, px=1000) is None
    client.close()
    server.stop()
    assert server.child
    assert not server.child.running
