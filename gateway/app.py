"""The application: parts built once, blueprints that take what they use, one handler for what nobody expected."""

from __future__ import annotations

import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from gateway.cli import add_commands
from gateway.domain.clock import Clock, utc_now
from gateway.parts import Parts, build
from gateway.settings import Settings
from gateway.web.api.blueprint import Api
from gateway.web.api.docs import docs_blueprint
from gateway.web.api.gate import Gate, new_limiter
from gateway.web.api.problems import Problems
from gateway.web.api.route import PREFIX
from gateway.web.api.table import api_routes
from gateway.web.callbacks import callbacks_blueprint
from gateway.web.events import events_blueprint
from gateway.web.health import health
from gateway.web.paid import paid_blueprint
from gateway.web.paybill import paybill_blueprint
from gateway.web.simulator import simulator
from gateway.web.sms import sms_blueprint
from gateway.web.source import Networks, behind_proxies
from gateway.web.ussd import Door
from integrations.africastalking.callbacks import read_session_ended
from integrations.registry import Providers
from integrations.simulators import serve

log = structlog.get_logger()


def create_app(settings: Settings, providers: Providers | None = None, clock: Clock = utc_now) -> Flask:
    """A whole gateway on the given settings. Without providers and without their settings, simulators start here."""
    if providers is None and settings.simulators_on and not settings.simulators_url:
        served = serve(gateway_url=settings.public_url, environ=settings.shared_with_providers)
        settings = settings.model_copy(update={"simulators_url": served.url})
    parts = build(settings, providers, clock)
    app = Flask("gateway")
    app.extensions["mlango"] = parts
    _open_routes(app, parts)
    api = _open_api(app, parts)
    app.register_error_handler(Exception, lambda error: _unexpected(error, api))
    add_commands(app, parts)
    return app


def _open_routes(app: Flask, parts: Parts) -> None:
    settings = parts.settings
    app.register_blueprint(health(parts.db, parts.store.is_up, parts.metrics))
    networks = Networks(settings.callback_networks)
    app.register_blueprint(callbacks_blueprint(parts.inbox, parts.providers.rails, networks, parts.metrics))
    app.register_blueprint(paybill_blueprint(parts.gate, parts.providers.rails))
    app.register_blueprint(
        sms_blueprint(
            parts.inbox, parts.providers.sms.read_report, parts.messages.delivery_report, settings.callback_token
        )
    )
    app.register_blueprint(paid_blueprint(parts.views, parts.texts, settings.allowed_origins))
    app.register_blueprint(events_blueprint(parts.session_events, read_session_ended))
    if settings.simulators_on:
        app.register_blueprint(simulator(settings.simulators_url, settings.shortcode, settings.collect_rail))
    door = Door(
        parts.switchboard,
        lambda sentence: parts.texts(sentence, "en"),
        parts.metrics,
        api_key=settings.ussd_api_key,
        token=settings.callback_token,
        untokened=settings.app_env != "production",
    )
    served = behind_proxies(door.before(app.wsgi_app), settings.trusted_proxies)
    app.wsgi_app = served  # type: ignore[method-assign,assignment]


def _open_api(app: Flask, parts: Parts) -> Api:
    """The REST API, and the pages that describe it."""
    settings, routes = parts.settings, api_routes(parts)
    limiter = new_limiter(settings.redis_url)
    limiter.init_app(app)
    gate = Gate(parts.api_keys, limiter, settings.api_reads_per_minute, settings.api_writes_per_minute)
    api = Api(gate, parts.api_requests, Problems(parts.texts), parts.vault)
    app.register_blueprint(api.blueprint(routes))
    app.register_blueprint(docs_blueprint(routes, settings.public_url))
    return api


def _unexpected(error: Exception, api: Api) -> Response | HTTPException:
    """The one handler of what nobody named: recorded once, answered without a trace of it."""
    if request.path.startswith(f"{PREFIX}/"):
        return api.problem(error)
    if isinstance(error, HTTPException):
        return error
    log.error("unexpected", exc_info=error)
    return Response(
        "Something went wrong on our side. Nothing was changed by this request.", 500, mimetype="text/plain"
    )
