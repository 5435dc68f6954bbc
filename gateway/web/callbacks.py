"""Where the rails call back: store, answer 200, handle later.

Every body gets 200, also garbage and an empty one: a provider that sees an error may stop calling, and what is
wrong with a body is ours to find out, not its. The one exception is 503 when the body could not be stored: then the
provider (or its operator) can know that we have not got it. Nothing else is lost silently.

A body for a rail whose networks are known that comes from elsewhere is kept too, but without the token of its address:
so it is only a hint, and the rail is asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

import structlog
from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from gateway.domain.errors import TryLater
from gateway.inbox import Inbox, source_of
from gateway.web.source import ANYWHERE, Networks
from integrations.protocols import Channel, Rail

_log = structlog.get_logger(__name__)

#: A result has about 600 bytes. Of what is longer the beginning is kept, and found to be unreadable.
MOST_BYTES = 64 * 1024


#: What we put into addresses. Anything else was never ours, and is kept as a hint without a token.
_TOKEN = re.compile(r"[0-9a-f]{16,64}", re.ASCII)


class CountsStrangers(Protocol):
    """Where it is counted that a rail's address was used from elsewhere."""

    def from_elsewhere(self, rail: str) -> None: ...


def callbacks_blueprint(
    inbox: Inbox,
    rails: Mapping[str, Rail],
    networks: Networks = ANYWHERE,
    metrics: CountsStrangers | None = None,
) -> Blueprint:
    """``POST /hooks/<token>/<channel>`` for every channel of every rail; see ``integrations.protocols.Channel``."""
    blueprint = Blueprint("callbacks", __name__)
    channels = {channel.name: (rail.name, channel) for rail in rails.values() for channel in rail.channels}

    @blueprint.post("/hooks/<token>/<channel>")
    def hook(token: str, channel: str) -> ResponseReturnValue:
        known = channels.get(channel)
        if known is None:
            return jsonify(ResultCode=1, ResultDesc="No such address"), 404
        return keep(inbox, *known, _trusted(known[0], channel, token))

    def _trusted(rail: str, channel: str, token: str) -> str | None:
        """The token, unless the body comes from where its rail is not."""
        if networks.has(rail, request.remote_addr):
            return token
        _log.warning("callback.from_elsewhere", rail=rail, channel=channel, address=request.remote_addr)
        if metrics:
            metrics.from_elsewhere(rail)
        return None

    return blueprint


def keep(inbox: Inbox, rail: str, channel: Channel, token: str | None) -> tuple[Response, int]:
    """Store the request's body for a rail's channel and say so as Daraja likes it; ``token`` ``None`` marks a hint.

    Contract aliases without a token call this too. A body that its rail should have signed, and did not, gets 401.
    """
    received = body()
    if channel.signed and not channel.signed(headers(), received):
        return Response(status=401), 401
    known_form = token if token and _TOKEN.fullmatch(token) else None
    try:
        inbox.keep(source_of(rail, channel), known_form, received, headers(), request.remote_addr)
    except TryLater:
        return jsonify(ResultCode=1, ResultDesc="Not stored, send again"), 503
    return jsonify(ResultCode=0, ResultDesc="Accepted"), 200


def headers() -> dict[str, str]:
    """The request's headers, names in lower case."""
    return {name.lower(): value for name, value in request.headers.items()}


def body() -> bytes:
    """The first 64 KB of the request, whatever its type says."""
    return request.stream.read(MOST_BYTES)
