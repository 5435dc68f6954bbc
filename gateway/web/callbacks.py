"""Where the rails call back: store, answer 200, handle later.

Every body gets 200, also garbage and an empty one: a provider that sees an error may stop calling, and what is
wrong with a body is ours to find out, not its. The one exception is 503 when the body could not be stored: then the
provider (or its operator) can know that we have not got it. Nothing else is lost silently.
"""

from __future__ import annotations

import re

from flask import Blueprint, Response, jsonify, request

from gateway.domain.errors import TryLater
from gateway.inbox import Inbox
from gateway.services.payment_callbacks import STK

#: A result has about 600 bytes. Of what is longer the beginning is kept, and found to be unreadable.
MOST_BYTES = 64 * 1024


#: What we put into addresses. Anything else was never ours, and is kept as a hint without a token.
_TOKEN = re.compile(r"[0-9a-f]{16,64}", re.ASCII)


def callbacks_blueprint(inbox: Inbox, source: str = STK) -> Blueprint:
    """``POST /hooks/<token>/stk``; ``source`` is the handler's name in ``Callbacks``."""
    blueprint = Blueprint("callbacks", __name__)

    @blueprint.post("/hooks/<token>/stk")
    def stk(token: str) -> tuple[Response, int]:
        return keep(inbox, source, token)

    return blueprint


def keep(inbox: Inbox, source: str, token: str | None) -> tuple[Response, int]:
    """Store the request's body for ``source`` and say so as Daraja likes it; ``token`` ``None`` marks a hint.

    Contract aliases without a token call this too.
    """
    known_form = token if token and _TOKEN.fullmatch(token) else None
    try:
        inbox.keep(source, known_form, body(), dict(request.headers))
    except TryLater:
        return jsonify(ResultCode=1, ResultDesc="Not stored, send again"), 503
    return jsonify(ResultCode=0, ResultDesc="Accepted"), 200


def body() -> bytes:
    """The first 64 KB of the request, whatever its type says."""
    return request.stream.read(MOST_BYTES)
