"""The application: parts built once, blueprints that take what they use, one handler for what nobody expected."""

from __future__ import annotations

import structlog
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from gateway.cli import add_commands
from gateway.parts import Parts, build
from gateway.settings import Settings
from gateway.web.callbacks import callbacks_blueprint
from gateway.web.events import events_blueprint
from gateway.web.health import health
from gateway.web.simulator import simulator
from gateway.web.sms import sms_blueprint
from gateway.web.source import Networks, behind_proxies
from gateway.web.ussd import Door
from integrations.africastalking.callbacks import read_session_ended
from integrations.registry import Providers
from integrations.simulators import serve

log = structlog.get_logger()


def create_app(settings: Settings, providers: Providers | None = None) -> Flask:
    """A whole gateway on the given settings. Without providers and without their settings, simulators start here."""
    if providers is None and settings.simulators_on and not settings.simulators_url:
        served = serve(gateway_url=settings.public_url, environ=settings.shared_with_providers)
        settings = settings.model_copy(update={"simulators_url": served.url})
    parts = build(settings, providers)
    app = Flask("gateway")
    app.extensions["mlango"] = parts
    _open_routes(app, parts)
    app.register_error_handler(Exception, _unexpected)
    add_commands(app, parts)
    return app


def _open_routes(app: Flask, parts: Parts) -> None:
    settings = parts.settings
    app.register_blueprint(health(parts.db, parts.store.is_up, parts.metrics))
    networks = Networks(settings.callback_networks)
    app.register_blueprint(callbacks_blueprint(parts.inbox, parts.providers.rails, networks, parts.metrics))
    app.register_blueprint(
        sms_blueprint(
            parts.inbox, parts.providers.sms.read_report, parts.messages.delivery_report, settings.callback_token
        )
    )
    app.register_blueprint(events_blueprint(parts.session_events, read_session_ended))
    if settings.simulators_on:
        app.register_blueprint(simulator(settings.simulators_url, settings.shortcode))
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


def _unexpected(error: Exception) -> Response | HTTPException:
    """The one handler of what nobody named: recorded once, answered without a trace of it."""
    if isinstance(error, HTTPException):
        return error
    log.error("unexpected", exc_info=error)
    return Response(
        "Something went wrong on our side. Nothing was changed by this request.", 500, mimetype="text/plain"
    )
