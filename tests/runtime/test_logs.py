"""Logs are JSON with ids, and the last place where a forgotten secret is caught."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import psycopg2
import pytest
import structlog

from gateway.masking import mask_text
from gateway.observability import also, begin, configure_logging


@pytest.fixture
def logs(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    root = logging.getLogger()
    level = root.level
    configure_logging(console=False)
    yield capsys
    root.handlers, root.level = [], level
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def _line(logs: pytest.CaptureFixture[str]) -> dict[str, object]:
    line: dict[str, object] = json.loads(logs.readouterr().err.strip().splitlines()[-1])
    return line


@pytest.mark.parametrize("written", ["254712345678", "+254712345678", "0712345678", "0712 345 678", "+254-712-345-678"])
def test_a_phone_number_keeps_only_its_last_four_digits(written: str) -> None:
    assert mask_text(f"from {written} today") == "from ****5678 today"


@pytest.mark.parametrize(
    "harmless", ["order 17000000000", "KES 254,712", "took 0.712345678 s", "ML-7F3K9Q", "20:31:07"]
)
def test_what_is_no_phone_number_stays(harmless: str) -> None:
    assert mask_text(harmless) == harmless


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("sessionId=1&text=1*2*4821&x=1", "sessionId=1&text=***&x=1"),
        ('{"pin": "4821", "a": 1}', '{"pin": "***", "a": 1}'),
        ("Authorization: Bearer abcDEF123.x", "Authorization: *** ***"),
        ("MPESA_PASSKEY=bfb279f9 ok", "MPESA_PASSKEY=*** ok"),
        ("postgresql://me:hunter2@db/x", "postgresql://***@db/x"),
        ("ws_CO_191220231020363925708374149", "ws_CO_***4149"),
    ],
)
def test_a_secret_in_running_text_is_masked(written: str, shown: str) -> None:
    assert mask_text(written) == shown


def test_values_with_a_secrets_name_are_masked_at_every_depth(logs: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger("test").info(
        "asked", new_pin="4821", form={"text": "1*4821", "phones": ["0712345678", 254712345678]}, pin_failures=2
    )
    line = _line(logs)
    assert line["new_pin"] == "***"
    assert line["form"] == {"text": "***", "phones": ["****5678", "****5678"]}
    assert line["pin_failures"] == 2


def test_the_standard_librarys_loggers_go_the_same_way_with_the_same_ids(logs: pytest.CaptureFixture[str]) -> None:
    begin(request_id="r1")
    also(session_id="s1")
    logging.getLogger("elsewhere").warning("call from %s", "0712345678")
    line = _line(logs)
    assert (line["event"], line["request_id"], line["session_id"]) == ("call from ****5678", "r1", "s1")
    begin(request_id="r2")
    logging.getLogger("elsewhere").warning("next")
    assert "session_id" not in _line(logs)


def test_a_traceback_is_masked_too(logs: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("no such phone: 0712345678, pin=4821")
    except ValueError:
        logging.getLogger("elsewhere").exception("failed")
    told = str(_line(logs)["exception"])
    assert "no such phone: ****5678" in told
    assert "4821" not in told


def test_a_row_the_database_refused_is_not_repeated(logs: pytest.CaptureFixture[str], database_url: str) -> None:
    connection = psycopg2.connect(database_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO messages (phone_sealed, phone_last4, kind, state) VALUES ('gAAAA', '5678', 'x', 'y')"
            )
    except psycopg2.Error:
        logging.getLogger("elsewhere").exception("failed")
    finally:
        connection.close()
    told = str(_line(logs)["exception"])
    assert "violates check constraint" in told
    assert "Failing row" not in told
