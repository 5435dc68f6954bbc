"""``/simulator``: two phones in the browser. Their page, and the few control calls they may make."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request

from gateway.simulated import MOST_DELAY_SECONDS, ControlRefused, SimulatedWorld, SimulatorsAway

#: The control calls a page may make; all others stay with the simulators.
FORWARDED = frozenset(
    {"at/answer", "at/repeat", "at/drop", "at/network", "prompt/accept", "prompt/refuse", "prompt/ignore"}
)
_POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def simulator(simulators_url: str, shortcode: str, rail: str = "mpesa") -> Blueprint:
    """The routes; register them only where simulators are on. ``rail`` is the one whose prompts come to the phones."""
    world = SimulatedWorld(simulators_url, rail)
    routes = Blueprint(
        "simulator",
        __name__,
        url_prefix="/simulator",
        template_folder="templates",
        static_folder="static/simulator",
        static_url_path="/static",
    )

    @routes.get("", strict_slashes=False)
    def page() -> str:
        return render_template("simulator.html", shortcode=shortcode, most_delay=MOST_DELAY_SECONDS)

    @routes.post("/news")  # not GET: an address is logged, and a phone number must not be
    def news() -> Response:
        return jsonify(world.news(str(_asked().get("phone", ""))))

    @routes.post("/dial")
    def dial() -> Response:
        asked = _asked()
        phone, network_code = str(asked.get("phone", "")), str(asked.get("network_code", ""))
        return jsonify(world.dial(phone, str(asked.get("dialled", "")), shortcode, network_code))

    @routes.post("/<path:control>")
    def forward(control: str) -> Response:
        if control not in FORWARDED:
            raise ControlRefused("There is no such control.")
        return jsonify(world.do(control, _asked()))

    routes.register_error_handler(ControlRefused, lambda refused: _sorry(refused, 400))
    routes.register_error_handler(SimulatorsAway, lambda away: _sorry(away, 502))
    routes.after_request(_guarded)
    return routes


def _asked() -> dict[str, Any]:
    """The JSON object that was sent. A form of another site cannot send one, and is refused."""
    asked = request.get_json(silent=True)
    if not isinstance(asked, dict):
        raise ControlRefused("Send a JSON object.")
    return asked


def _sorry(error: Exception, status: int) -> tuple[Response, int]:
    return jsonify(error=str(error)), status


def _guarded(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
