"""Where a rail asks whether it may take money for us: answered at once, and always with 200."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from gateway.services.arrival_callbacks import Gate
from gateway.web.callbacks import body
from integrations.protocols import Rail


def paybill_blueprint(gate: Gate, rails: Mapping[str, Rail]) -> Blueprint:
    """``POST /hooks/<token>/paybill-check`` for the rail that asks; nothing is stored, for nothing has happened yet."""
    blueprint = Blueprint("paybill", __name__)
    asking = next(((rail.name, rail.checks_arrivals) for rail in rails.values() if rail.checks_arrivals), None)

    @blueprint.post("/hooks/<token>/paybill-check")
    def check(token: str) -> ResponseReturnValue:
        if asking is None:
            return jsonify(ResultCode=1, ResultDesc="No such address"), 404
        name, checks = asking
        return jsonify(dict(checks.answer(gate.refusal(name, checks, token, body())))), 200

    return blueprint
