"""Where the SMS provider reports deliveries: ``POST /sms/delivery``, with or without the token of the address."""

from __future__ import annotations

from hmac import compare_digest

from flask import Blueprint, Response, request

from gateway.domain.errors import TryLater
from gateway.inbox import Inbox
from gateway.services.report_callbacks import SMS_REPORT, NoteReport, ReadReport, form_of
from gateway.web.callbacks import body


def sms_blueprint(inbox: Inbox, read: ReadReport, note: NoteReport, token: str = "") -> Blueprint:
    """Reports are noted at once; one that overtook its own message is kept in the inbox and brought again.

    When ``token`` (the setting ``CALLBACK_TOKEN``) is set and the address has one, they must be the same.
    """
    blueprint = Blueprint("sms", __name__)

    @blueprint.post("/sms/delivery", defaults={"given": None})
    @blueprint.post("/sms/delivery/<given>")
    def delivery(given: str | None) -> Response:
        if given is not None and token and not compare_digest(given.encode(), token.encode()):
            return Response("not ours", 404, mimetype="text/plain")
        raw = body()
        report = read(form_of(raw))
        try:
            if report is not None and not note(report):
                inbox.keep(SMS_REPORT, None, raw, dict(request.headers))
        except TryLater:
            return Response("not stored, send again", 503, mimetype="text/plain")
        return Response("ok", 200, mimetype="text/plain")

    return blueprint
