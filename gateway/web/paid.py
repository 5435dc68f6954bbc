"""``/paid/<token>``: the page a payer comes back to after paying by link. It says what we know, and asks nobody.

Whatever stands in the query was written by a browser: it is not read. Inside a frame of an allowed site the page also
tells its parent window which payment this is and how it stands; who needs to be sure asks the API.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from flask import Blueprint, Response, render_template

from gateway.domain.errors import TryLater
from gateway.domain.words import Words
from gateway.services.money_views import MoneyViews, PaymentSeen

_TOKEN = re.compile(r"[0-9a-f]{16,64}", re.ASCII)
#: While it is open the page looks again by itself, without a script.
_AGAIN_SECONDS = 10
_SAID = {"confirmed": "paid.confirmed", "refunded": "paid.refunded", "failed": "paid.failed", "expired": "paid.failed"}


def paid_blueprint(views: MoneyViews, words: Words, allowed_origins: Sequence[str]) -> Blueprint:
    """``allowed_origins``: the sites that may show the page in a frame and hear how the payment stands."""
    pages = Blueprint("paid", __name__, template_folder="templates")

    @pages.get("/paid/<token>")
    def paid(token: str) -> Response:
        try:
            payment = views.payment_by_token(token) if _TOKEN.fullmatch(token) else None
        except TryLater:
            return _page(503, "en", "paid.away", None)
        if payment is None:
            return _page(404, "en", "paid.unknown", None)
        return _page(200, payment.language, _said(payment), payment)

    def _page(status: int, language: str, said: str, payment: PaymentSeen | None) -> Response:
        nonce = secrets.token_urlsafe(16)
        sentences = {
            "title": words("paid.title", language),
            "thanks": words("paid.thanks", language) if payment else "",
            "said": words(said, language, **({"amount": payment.amount} if payment else {})),
            "reference": words("paid.reference", language, reference=payment.reference) if payment else "",
        }
        origins = list(allowed_origins)
        html = render_template(
            "paid.html", **sentences, language=language, payment=payment, origins=origins, nonce=nonce
        )
        return Response(html, status, _headers(nonce, origins, again=payment is not None and payment.is_open))

    return pages


def _said(payment: PaymentSeen) -> str:
    if payment.reason == "short" and not payment.is_open:
        return "paid.short"
    return _SAID.get(payment.state, "paid.checking")


def _headers(nonce: str, origins: Sequence[str], *, again: bool) -> dict[str, str]:
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors {' '.join(origins) or chr(39) + 'none' + chr(39)}"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return headers | ({"Refresh": str(_AGAIN_SECONDS)} if again else {})
