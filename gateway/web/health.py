"""/health for load balancers, /ready for whoever waits for all parts, /metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, jsonify
from sqlalchemy import text

from gateway.db import Database
from gateway.domain.errors import TryLater
from gateway.metrics import Metrics

#: The worker writes its heartbeat every ten seconds.
_HEARTBEAT = text(
    "SELECT coalesce(max(last_heartbeat) > now() - interval '60 seconds', false) FROM procrastinate_workers"
)


def health(db: Database, redis_is_up: Callable[[], bool], metrics: Metrics) -> Blueprint:
    """The three pages. ``redis_is_up`` answers within about a second and raises nothing."""
    pages = Blueprint("health", __name__)

    @pages.get("/health")
    def alive() -> Response:
        return jsonify(status="ok")

    @pages.get("/ready")
    def ready() -> tuple[Response, int]:
        parts = {"database": db.is_up(), "redis": redis_is_up(), "worker": worker_is_alive(db)}
        return jsonify({name: "up" if up else "down" for name, up in parts.items()}), 200 if all(
            parts.values()
        ) else 503

    @pages.get("/metrics")
    def numbers() -> Response:
        page, content_type = metrics.text()
        return Response(page, content_type=content_type)

    return pages


def worker_is_alive(db: Database) -> bool:
    """Whether any worker's heart beat within the last minute."""
    try:
        with db.reading() as connection:
            return bool(connection.execute(_HEARTBEAT).scalar())
    except TryLater:
        return False
