"""The simulator's door: tokens, the fields Daraja looks at, and its error bodies."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import string
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.domain.clock import Clock
from integrations.mpesa.magic import Play
from integrations.mpesa.tokens import DEFAULT_SECONDS
from integrations.simulation import Reply, Request, json_reply

#: A consumer key that Daraja does not know; any other is welcome.
WRONG_KEY = "wrong"
ADDRESS = re.compile(r"https?://[!-~]+")
SHORTCODE = re.compile(r"[0-9]{5,7}")
MSISDN = re.compile(r"254[17][0-9]{8}")
_FORBIDDEN = re.compile(r"m-?pesa|safaricom|exec?|cmd|sql|query", re.IGNORECASE)

Shapes = Mapping[str, re.Pattern[str]]


class Door:
    """Gives tokens and lets nobody in without one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, datetime] = {}

    def token(self, request: Request) -> Reply:
        if request.query.get("grant_type") != "client_credentials":
            return error(400, "400.008.02", "Invalid grant type passed")
        key = _consumer_key(request.headers.get("authorization", ""))
        if key is None:
            return error(400, "400.008.01", "Invalid Authentication passed")
        if key == WRONG_KEY:
            return Reply(400)  # recorded: credentials of another environment get an empty body
        token = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(28))
        self._tokens[token] = self._clock() + timedelta(seconds=DEFAULT_SECONDS)
        return json_reply({"access_token": token, "expires_in": DEFAULT_SECONDS})

    def expire(self) -> None:
        """Every token is refused from now on."""
        self._tokens.clear()

    def refusal(self, request: Request, shapes: Shapes) -> Reply | None:
        """Why a request is not looked at: its token, else its first wrong field."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, datetime.min.replace(tzinfo=UTC)) <= self._clock():
            return error(404, "404.001.03", "Invalid Access Token")
        return wrong_field(request.json, shapes)


def wrong_field(fields: Mapping[str, Any], shapes: Shapes) -> Reply | None:
    for name, shape in shapes.items():
        value = fields.get(name)
        good = not isinstance(value, bool) and shape.fullmatch(str(value))
        if not good or (shape is ADDRESS and _FORBIDDEN.search(str(value))):
            return invalid(name)
    return None


def invalid(name: str) -> Reply:
    return error(400, "400.002.02", f"Bad Request - Invalid {name}")


def stopped(play: Play | None, field: str) -> Reply | None:
    """What a gateway in front of M-Pesa says before it looks at a request; ``field`` is the one it refuses."""
    if play and play.http == "refused":
        return invalid(field)
    spiked = play and play.http == "spike"
    return error(500, "500.003.02", "Error Occurred: Spike Arrest Violation") if spiked else None


def error(status: int, code: str, message: str) -> Reply:
    request_id = f"{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(10)}"
    return json_reply({"requestId": request_id, "errorCode": code, "errorMessage": message}, status)


def _consumer_key(authorization: str) -> str | None:
    scheme, _, coded = authorization.partition(" ")
    try:
        key, colon, _ = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return key if scheme == "Basic" and colon else None
