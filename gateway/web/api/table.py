"""Every route of the API, in the order in which it is described."""

from __future__ import annotations

from gateway.parts import Parts
from gateway.web.api.credits import CreditRoutes
from gateway.web.api.payments import PaymentRoutes
from gateway.web.api.payouts import PayoutRoutes
from gateway.web.api.people import People
from gateway.web.api.route import Routes


def api_routes(parts: Parts) -> Routes:
    """The table that the blueprint serves and the document describes."""
    people = People(parts.accounts, parts.vault)
    return (
        *PaymentRoutes(parts.payments, parts.views, people).table(),
        *PayoutRoutes(parts.payouts, parts.views, people).table(),
        *CreditRoutes(parts.credits, parts.payments, people).table(),
    )
