"""The stand-ins for all providers on one loopback HTTP server: ``serve()`` and a JSON control API.

Providers' own addresses: ``/at/version1/...`` (Africa's Talking), ``/mpesa/...`` (Daraja), ``/payhero/...`` (both of
PayHero's contracts: ``Basic`` credentials speak v2, a ``Bearer`` key the older one), ``/flutterwave/v3/...`` and
``/stripe/v1/...``; ``/flutterwave/pay/<id>`` and ``/stripe/pay/<id>`` are pages on which people type a test card.

Control, JSON in and out; a phone may be written in any usual form, and a call that makes no sense gets 400 with
``{"error": "..."}``:

=======================================  ==============================================================================
``GET  /control/health``                 ``{"status": "ok", "quiet"}``: nothing is planned or under way
``GET  /control/magic``                  every number and card with a fate of its own: ``{"mpesa": [...], ...}``
``POST /control/gateway``                ``{"url"}``: where hops, events and reports are posted to
``POST /control/at/dial``                ``{"phone", "service_code", "network_code"?, "text"?}``: a screen
``POST /control/at/answer``              ``{"session_id", "input"}`` -> a screen
``POST /control/at/repeat``              ``{"session_id"}``: the last hop again -> a screen; the session does not move
``POST /control/at/drop``                ``{"session_id"}``: cut off; the gateway is told ``Incomplete``
``POST /control/at/network``             ``{"delay_seconds"?, "deadline_seconds"?}``: a slow network; -> both
``GET  /control/at/inbox?phone=``        ``{"messages": [{"id", "phone", "sender", "text", "cost", "at", "status"}]}``
``GET  /control/at/books``               ``{"balance", "messages"}``: all messages that were accepted
``POST /control/at/balance``             ``{"balance"}`` in shillings
``POST /control/at/settings``            ``{"report_seconds"?, "hang_seconds"?}``
``GET  /control/mpesa/prompts?phone=``   ``{"prompts": [{"id", "phone", "amount", "reference", ...}], "balance"}``
``POST /control/mpesa/accept``           ``{"id", "pin_ok"?: true}`` -> ``{"code", "receipt"}``
``POST /control/mpesa/refuse``           ``{"id"}``: the person cancels (1032)
``POST /control/mpesa/ignore``           ``{"id"}``: the prompt's time is over now (1037)
``GET  /control/mpesa/books``            ``{"subscribers": {phone: shillings}, "receipts": [...], "organisation",
                                         "opening", "available"}``: ``organisation`` is the sum of the receipts
``GET  /control/<rail>/statement``       ``{"lines": [...]}``, see ``integrations.statements``; every rail has one
``POST /control/mpesa/balance``          ``{"phone", "balance"}`` in shillings
``POST /control/mpesa/paybill``          ``{"phone", "amount", "account", "msisdn_form"?: "clear"|"masked"|"hash"}``
                                         -> ``{"code", "receipt"}``: a person pays unasked; may be refused
``GET  /control/mpesa/portal.csv``       the organisation portal's statement, as ``integrations.mpesa.portal`` reads it
``POST /control/mpesa/settings``         any number or switch of ``integrations.mpesa.options.Options``
``POST /control/mpesa/expire-tokens``    ``{}``: every access token is refused from now on
``GET  /control/payhero/prompts?phone=`` as M-Pesa's, and so are ``accept``, ``refuse``, ``ignore``, ``balance``
``GET  /control/payhero/books``          as M-Pesa's; ``amount`` of a receipt is negative for a withdrawal
``POST /control/payhero/settings``       M-Pesa's and ``{"payout_seconds"?, "contract"?}``: callbacks as in ``v2`` or
                                         ``older``; empty: as in the request
``POST /control/flutterwave/pay``        ``{"reference", "card"}``: as on the page -> ``{"status", "transaction_id"}``
``POST /control/flutterwave/transfer``   ``{"reference", "status"}``: a transfer under way is SUCCESSFUL or FAILED now
``GET  /control/flutterwave/books``      ``{"pages", "charges", "transfers", "available": {currency: minor}}``
``POST /control/flutterwave/settings``   ``{"envelopes"?, "create_hangs"?, "hang_seconds"?, "webhook_seconds"?,``
                                         ``"pending_seconds"?, "transfer_seconds"?}``; ``envelopes``: not flat webhooks
``POST /control/stripe/pay``             ``{"reference", "card"}`` -> ``{"refused", "session"}``
``POST /control/stripe/expire``          ``{"reference"}``: nobody paid in time
``GET  /control/stripe/books``           ``{"sessions", "refunds", "balance_minor"}``
``POST /control/stripe/settings``        ``{"create_hangs"?, "hang_seconds"?, "webhook_seconds"?, "pending_seconds"?}``
=======================================  ==============================================================================

A screen is ``{"session_id", "text", "open", "seconds", "error"}``: ``open`` says that an answer is awaited, ``error``
why the network ended the session by itself. Without the control API the same is there as Python: ``Simulators``.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from gateway.domain.clock import Clock, utc_now
from integrations.africastalking.magic import Magic as SmsMagic
from integrations.africastalking.network import NetworkOptions, UssdNetwork
from integrations.africastalking.simulator import AfricasTalkingSimulator
from integrations.africastalking.simulator import Options as SmsOptions
from integrations.mpesa.simulator import MpesaSimulator
from integrations.rails import Bench
from integrations.registry import RAILS
from integrations.simulation import BadControl, Gateway, Handler, Later, Reply, Request, json_reply

MOST_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Options:
    """How the simulated world behaves, part by part."""

    rails: Mapping[str, object] = field(default_factory=dict)
    sms: SmsOptions = field(default_factory=SmsOptions)
    network: NetworkOptions = field(default_factory=NetworkOptions)


class Simulators:
    """All stand-ins and their server. ``url`` is what goes into ``SIMULATORS_URL``."""

    def __init__(self, gateway: Gateway, options: Options, environ: Mapping[str, str], clock: Clock) -> None:
        self.gateway = gateway
        self.later = Later()
        self.sms = AfricasTalkingSimulator(self.later, gateway, options.sms, clock=clock)
        self.network = UssdNetwork(self.later, gateway, options.network, clock=clock)
        self.rails: dict[str, Any] = {
            kind.name: kind.simulator(Bench(self.later, gateway, clock, options.rails.get(kind.name), environ))
            for kind in RAILS
        }
        self.url = ""
        self._routes = self._all_routes()
        self._server: WSGIServer | None = None

    @property
    def mpesa(self) -> MpesaSimulator:
        """The rail that tests and demonstrations look into most."""
        found: MpesaSimulator = self.rails[MpesaSimulator.name]
        return found

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """The WSGI application."""
        reply = self.handle(_request(environ))
        status = HTTPStatus(reply.status)
        headers = [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))]
        headers += [("Location", reply.location)] if reply.location else []
        start_response(f"{status.value} {status.phrase}", headers)
        return [reply.body]

    def handle(self, request: Request) -> Reply:
        handler = self._routes.get((request.method, request.path)) or self._under(request)
        if handler is None:
            return json_reply({"error": "no such address"}, 404)
        try:
            return handler(request)
        except BadControl as bad:
            return json_reply({"error": str(bad)}, 400)

    def _under(self, request: Request) -> Handler | None:
        """The handler of the nearest ``/something/*`` above an address: what follows is for it to read."""
        parts = request.path.split("/")
        above = ("/".join(parts[:length]) + "/*" for length in range(len(parts) - 1, 1, -1))
        found = (self._routes.get((request.method, path)) for path in above)
        return next((handler for handler in found if handler), None)

    def start(self, host: str, port: int) -> None:
        self._server = make_server(host, port, self, server_class=_Server, handler_class=_QuietHandler)
        self.url = f"http://{host}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="simulators", daemon=True).start()

    def close(self) -> None:
        """Stop answering and forget what was planned."""
        self.later.close()
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def __enter__(self) -> Simulators:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _all_routes(self) -> dict[tuple[str, str], Handler]:
        parts = {
            "/at": self.sms.routes,
            "/control/at": self.sms.controls | self.network.controls,
            "/control": {
                ("GET", "/health"): lambda _: json_reply({"status": "ok", "quiet": self.later.quiet}),
                ("GET", "/magic"): self._magic,
                ("POST", "/gateway"): self._set_gateway,
            },
        }
        for name, rail in self.rails.items():
            parts |= {f"/{name}": rail.routes, f"/control/{name}": rail.controls}
        return {(method, at + path): do for at, routes in parts.items() for (method, path), do in routes.items()}

    def _magic(self, _: Request) -> Reply:
        sms = [{"name": each.name, "phone": each.e164, "meaning": each.meaning} for each in SmsMagic]
        return json_reply({name: rail.magic() for name, rail in self.rails.items()} | {"sms": sms})

    def _set_gateway(self, request: Request) -> Reply:
        url = request.json.get("url")
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise BadControl("url must start with http:// or https://")
        self.gateway.url = url.rstrip("/")
        return json_reply({"url": self.gateway.url})


def serve(
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    gateway_url: str = "",
    ussd_api_key: str = "",
    environ: Mapping[str, str] | None = None,
    options: Options | None = None,
    clock: Clock = utc_now,
) -> Simulators:
    """Start all stand-ins in threads of this process; port 0 takes a free one. ``close()`` the handle at the end.

    ``environ`` has the gateway's settings by their environment names: secrets that it shares with its providers.
    """
    gateway = Gateway(gateway_url.rstrip("/"), ussd_api_key)
    simulators = Simulators(gateway, options or Options(), environ or {}, clock)
    simulators.start(host, port)
    return simulators


def _request(environ: dict[str, Any]) -> Request:
    length = environ.get("CONTENT_LENGTH") or "0"
    size = min(int(length), MOST_BYTES) if length.isdigit() else 0
    headers = {k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k.startswith("HTTP_")}
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO", ""),
        headers=headers,
        query=dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
        body=environ["wsgi.input"].read(size),
    )


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: a request line may hold a phone number."""


def main(arguments: Sequence[str] | None = None) -> None:
    """``python -m integrations.simulators --port 5900 --gateway http://127.0.0.1:5000``; runs until it is ended."""
    parser = argparse.ArgumentParser(prog="integrations.simulators", description="The stand-ins for all providers.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--gateway", required=True, help="where hops, events and delivery reports are posted to")
    asked = parser.parse_args(arguments)
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))
    api_key = os.environ.get("USSD_API_KEY", "")
    with serve(asked.port, host=asked.host, gateway_url=asked.gateway, ussd_api_key=api_key, environ=os.environ):
        threading.Event().wait()


if __name__ == "__main__":
    main()
