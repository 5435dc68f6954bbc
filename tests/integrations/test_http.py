"""The line between an answer and silence, and what may be repeated."""

from __future__ import annotations

import socket
import threading
import time
from decimal import Decimal

import pytest

from integrations.http import Busy, Http, NoAnswer, NotSent, Patience, decode, operation_of
from tests.integrations.stub import Said, Stub

QUICK = Patience(timeout_seconds=0.3, attempts=3, pause_seconds=0.01, silences_until_open=3, open_seconds=0.4)


@pytest.fixture
def nobody() -> str:
    """An address on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_refused_connection_is_known_to_have_sent_nothing(nobody: str) -> None:
    with pytest.raises(NotSent):
        Http("rail", nobody, QUICK).send("POST", "/push")


def test_a_host_without_an_address_is_known_to_have_sent_nothing() -> None:
    with pytest.raises(NotSent):
        Http("rail", "http://no-such-host.invalid", QUICK).send("POST", "/push")


@pytest.mark.parametrize("said", [Said(hang=1), Said(dead=True)], ids=["silence", "a closed line"])
def test_what_went_out_without_an_answer_is_unknown_and_went_out_once(stub: Stub, said: Said) -> None:
    stub.says("/push", said)
    with pytest.raises(NoAnswer):
        Http("rail", stub.url, QUICK).send("POST", "/push")
    assert len(stub.calls("/push")) == 1


def test_a_question_is_repeated_until_it_is_answered(stub: Stub) -> None:
    stub.says("/query", Said(dead=True), Said(status=503), Said(b'{"a":1}'))
    assert Http("rail", stub.url, QUICK).ask("GET", "/query").fields == {"a": 1}
    assert len(stub.calls("/query")) == 3


def test_an_error_with_a_body_is_an_answer_and_not_repeated(stub: Stub) -> None:
    stub.says("/query", Said(b'{"errorCode":"500.001.1001"}', 500))
    assert Http("rail", stub.url, QUICK).ask("GET", "/query").status == 500
    assert len(stub.calls("/query")) == 1


def test_a_redirect_is_not_followed(stub: Stub) -> None:
    stub.says("/push", Said(status=302, headers={"Location": stub.url + "/elsewhere"}))
    assert Http("rail", stub.url, QUICK).send("POST", "/push").status == 302
    assert stub.calls("/elsewhere") == []


def test_the_breaker_stops_questions_to_a_silent_provider_and_lets_them_try_again_later(stub: Stub) -> None:
    stub.says("/query", Said(status=503), Said(status=503), Said(status=503), Said(b'{"a":1}'))
    http = Http("rail", stub.url, QUICK)
    with pytest.raises(NoAnswer):
        http.ask("GET", "/query")
    assert http.is_shut
    with pytest.raises(Busy):
        http.ask("GET", "/query")
    assert len(stub.calls("/query")) == 3
    time.sleep(0.5)
    assert not http.is_shut
    assert http.ask("GET", "/query").fields == {"a": 1}


def test_silence_to_a_push_never_opens_the_breaker(stub: Stub) -> None:
    stub.says("/push", Said(dead=True))
    http = Http("rail", stub.url, QUICK)
    for _ in range(5):
        with pytest.raises(NoAnswer):
            http.send("POST", "/push")
    assert not http.is_shut
    assert len(stub.calls("/push")) == 5


def test_one_slow_question_does_not_hold_up_another(stub: Stub) -> None:
    stub.says("/slow", Said(b'{"a":1}', hang=0.25))
    stub.says("/quick", Said(b'{"a":2}'))
    http = Http("rail", stub.url, QUICK)
    slow = threading.Thread(target=http.ask, args=("GET", "/slow"))
    slow.start()
    stub.wait_for("/slow")
    http.ask("GET", "/quick")
    assert slow.is_alive()
    slow.join()


def test_errors_tell_neither_address_nor_what_was_sent(stub: Stub) -> None:
    stub.says("/push/secret-token", Said(dead=True))
    with pytest.raises(NoAnswer) as silence:
        Http("rail", stub.url, QUICK).send("POST", "/push/secret-token", json={"Password": "secret"})
    assert "secret" not in str(silence.value)
    assert silence.value.__cause__ is None
    assert silence.value.__suppress_context__


def test_every_call_is_told_to_the_observer_without_its_query(stub: Stub) -> None:
    seen: list[tuple[str, str, str]] = []
    stub.says("/query", Said(b"{}"))
    stub.says("/push", Said(dead=True))
    http = Http(
        "rail", stub.url, QUICK, lambda provider, path, outcome, seconds: seen.append((provider, path, outcome))
    )
    http.send("GET", "/query?phone=254708374149")
    with pytest.raises(NoAnswer):
        http.send("POST", "/push")
    assert seen == [("rail", "/query", "200"), ("rail", "/push", "no_answer")]


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/v3/transactions/4975363/verify", "/v3/transactions/*/verify"),
        ("/v3/refunds/75923", "/v3/refunds/*"),
        ("/v1/checkout/sessions/cs_test_a1YS1URlnyQCN5fUUduORoQ7", "/v1/checkout/sessions/*"),
        ("/mpesa/b2c/v3/paymentrequest", "/mpesa/b2c/v3/paymentrequest"),
        ("/version1/messaging", "/version1/messaging"),
        ("/v3/transactions/verify_by_reference?tx_ref=57MS7J4M", "/v3/transactions/verify_by_reference"),
    ],
)
def test_what_is_counted_by_operation_is_not_counted_by_payment(path: str, operation: str) -> None:
    assert operation_of(path) == operation


def test_amounts_are_exact_decimals() -> None:
    assert decode(b'{"Amount": 0.1}') == {"Amount": Decimal("0.1")}


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\xff\xfe", b'{"a":NaN}', b'{"a":Infinity}', b"[" * 100_000, b"9" * 5_000]
)
def test_what_is_not_json_is_none(content: bytes) -> None:
    assert decode(content) is None
