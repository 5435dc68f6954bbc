"""Where the provider tells that a USSD session has ended: ``POST /ussd/events``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Blueprint, Response

from gateway.domain.errors import TryLater
from gateway.services.report_callbacks import form_of
from gateway.services.session_events import SessionEvents
from gateway.web.callbacks import body
from integrations.protocols import SessionEnded

ReadEnded = Callable[[Mapping[str, str]], SessionEnded | None]


def events_blueprint(events: SessionEvents, read: ReadEnded) -> Blueprint:
    """Answers 200 to everything: an event is best effort, and nothing depends on it. 503 while it cannot be stored."""
    blueprint = Blueprint("events", __name__)

    @blueprint.post("/ussd/events")
    def ended() -> Response:
        event = read(form_of(body()))
        try:
            if event is not None:
                events.record(event)
        except TryLater:
            return Response("not stored, send again", 503, mimetype="text/plain")
        return Response("ok", 200, mimetype="text/plain")

    return blueprint
