"""``/openapi.json`` for programs, and ``/docs``, the same for people: one page that fetches nothing from elsewhere."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, render_template

from gateway.domain.scopes import ALLOWS
from gateway.web.api.openapi import address, codes, document, every_problem, example
from gateway.web.api.route import Nothing, Routes

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def docs_blueprint(routes: Routes, public_url: str) -> Blueprint:
    """Both are public: they say what there is, and open nothing."""
    pages = Blueprint("docs", __name__, template_folder="../templates")
    described = document(routes, public_url)

    @pages.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(described)

    @pages.get("/docs")
    def page() -> Response:
        shown = [
            {
                "route": route,
                "address": address(route),
                "operation": described["paths"][address(route)][route.method.lower()],
                "takes": None if route.takes is Nothing else route.takes,
                "sent": example(route.takes) if route.writes else None,
                "given": example(route.gives),
                "codes": codes(route),
            }
            for route in routes
        ]
        html = render_template(
            "api_docs.html", routes=shown, problems=every_problem(routes), scopes=ALLOWS, info=described["info"]
        )
        return Response(html, headers={"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"})

    return pages
