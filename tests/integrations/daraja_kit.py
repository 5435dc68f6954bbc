"""What tests of Daraja's clients share: a line to a scripted Daraja, its answers, and addresses of ours."""

from __future__ import annotations

import socket
from typing import Any

from integrations.http import Patience
from integrations.mpesa.daraja import Daraja
from integrations.mpesa.tokens import PATH, MemoryTokenCache
from tests.conftest import Clock
from tests.integrations.stub import Said, Stub, as_json

QUICK = Patience(timeout_seconds=0.3, attempts=2, pause_seconds=0.01, silences_until_open=4, open_seconds=30)


def addresses(name: str) -> str:
    return f"https://example.org/hooks/0a1b/{name}"


def token(value: str, expires_in: object = 3599) -> Said:
    return as_json({"access_token": value, "expires_in": expires_in})


def error(code: str, message: str | None = "", status: int = 500) -> Said:
    return as_json({"requestId": "r-1", "errorCode": code, "errorMessage": message}, status)


def taken(**changes: Any) -> Said:
    """What Daraja says when it took a request whose result follows."""
    return as_json(
        {
            "ConversationID": "AG_20240706_2010364430d9bbdaf872",
            "OriginatorConversationID": "53e3-4aa8-9fe0-8fb5e4092cdd3533373",
            "ResponseCode": "0",
            "ResponseDescription": "Accept the service request successfully.",
        }
        | changes
    )


def line(stub: Stub, clock: Clock) -> Daraja:
    stub.says(PATH, *(token(f"token-{number}") for number in range(1, 5)))
    return Daraja(stub.url, "key", "secret", clock=clock, patience=QUICK)


def line_to_nobody(clock: Clock) -> Daraja:
    """A line to a port where nobody listens, with a token in hand."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    cache = MemoryTokenCache(clock)
    cache.get = lambda key: "a token"  # type: ignore[method-assign]
    return Daraja(f"http://127.0.0.1:{port}", "key", "secret", clock=clock, tokens=cache, patience=QUICK)
