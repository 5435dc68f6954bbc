"""``POST /ussd`` and ``POST /ussd/<token>``: a hop in, a page out.

The door stands in front of Flask's own dispatcher (``docs/adr/0006-the-hop-before-flask.md``): a hop is the one
request whose every tenth of a millisecond counts, and it needs nothing that Flask prepares for a request.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable
from typing import Protocol
from urllib.parse import unquote_plus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog

from gateway.calls import Call, Reply
from gateway.hop import Switchboard

log = structlog.get_logger()

PATH = "/ussd"
MARK = "at-ussd-hop-metadata"
_MARK_IN_ENVIRON = "HTTP_" + MARK.upper().replace("-", "_")
_MOST_BYTES = 16_384
_USUAL = frozenset({"con", "replayed"})
_SLOW_SECONDS = 0.5
_REQUIRED = ("sessionId", "phoneNumber")


class CountsHops(Protocol):
    def hop(self, screen: str, outcome: str, seconds: float) -> None: ...


class Door:
    """Lets hops in: method, size, who calls, form. Everything refused is an ``END`` sentence."""

    def __init__(
        self,
        switchboard: Switchboard,
        say: Callable[[str], str],
        metrics: CountsHops,
        *,
        api_key: str,
        token: str,
        untokened: bool,
    ) -> None:
        """``api_key`` empty: no header is asked for. ``untokened`` false: only the tokened address is open then."""
        self._switchboard = switchboard
        self._say = say
        self._metrics = metrics
        self._bearer = f"Bearer {api_key}" if api_key else ""
        self._token = token
        self._untokened = untokened

    def before(self, inner: WSGIApplication) -> WSGIApplication:
        """``inner`` with this door in front of it."""

        def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            path: str = environ.get("PATH_INFO", "")
            if path.startswith(PATH) and path.rstrip("/") != "/ussd/events":
                rest = path[len(PATH) :].strip("/")
                if path[len(PATH) : len(PATH) + 1] in ("", "/") and "/" not in rest:
                    return self._answer(environ, start_response, rest)
            return inner(environ, start_response)

        return application

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse, token: str) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "POST":
            return _page(start_response, "405 Method Not Allowed", self._end("no.bad_request"), ("Allow", "POST"))
        if not self._may_enter(environ, token):
            return _page(start_response, "401 Unauthorized", self._end("no.unauthorised"))
        call = _read(environ)
        if call is None:
            return _page(start_response, "400 Bad Request", self._end("no.bad_request"))
        reply = self._timed(call)
        status = "400 Bad Request" if reply.outcome == "malformed" else "200 OK"
        return _page(start_response, status, reply.body, (MARK, f"{reply.screen};{reply.language}"))

    def _timed(self, call: Call) -> Reply:
        started = time.perf_counter()
        reply = self._switchboard.answer(call)
        seconds = time.perf_counter() - started
        self._metrics.hop(reply.screen, reply.outcome, seconds)
        if reply.outcome not in _USUAL or seconds > _SLOW_SECONDS:
            self._note(call, reply, seconds)
        return reply

    def _note(self, call: Call, reply: Reply, seconds: float) -> None:
        """One line a call, at its end, and one for every hop that was not as it should be: metrics count them all."""
        log.info(
            "hop",
            session_id=call.session_id,
            network=call.network_code,
            screen=reply.screen,
            outcome=reply.outcome,
            ms=round(seconds * 1000, 1),
        )

    def _may_enter(self, environ: WSGIEnvironment, token: str) -> bool:
        if token:
            return bool(self._token) and hmac.compare_digest(token.encode(), self._token.encode())
        if self._bearer:
            return hmac.compare_digest(environ.get("HTTP_AUTHORIZATION", "").encode(), self._bearer.encode())
        return self._untokened

    def _end(self, sentence: str) -> str:
        return "END " + self._say(sentence)


def _read(environ: WSGIEnvironment) -> Call | None:
    """The form of a hop, or ``None`` when it is not one."""
    form = _form(environ)
    if form is None or not all(form.get(name, "").strip() for name in _REQUIRED) or "text" not in form:
        return None
    text, service = form["text"], form.get("serviceCode", "").strip()
    return Call(
        form["sessionId"].strip()[:128],
        form["phoneNumber"],
        form.get("networkCode", "").strip()[:16],
        service[:32],
        _without_code(text, service),
        proven=_MARK_IN_ENVIRON in environ,
    )


def _form(environ: WSGIEnvironment) -> dict[str, str] | None:
    """The fields of the body, the last one of a name. The library's parser takes a tenth of a hop: it decodes names
    and values that hold nothing to decode."""
    length: str = environ.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()) or int(length) > _MOST_BYTES:
        return None
    try:
        body: str = environ["wsgi.input"].read(int(length)).decode("ascii")
        fields = (field.partition("=") for field in body.split("&"))
        return {name: _decoded(value) if "%" in value or "+" in value else value for name, _, value in fields}
    except UnicodeDecodeError:
        return None


def _decoded(value: str) -> str:
    return unquote_plus(value, errors="strict")


def _without_code(text: str, service_code: str) -> str:
    """Some gateways repeat the dialled code inside the input: ``*384*123*1*2#`` is ``1*2``."""
    code = service_code.rstrip("#")
    if not text.startswith(code) or not code.startswith("*"):
        return text
    rest = text[len(code) :].removesuffix("#")
    return rest[1:] if rest.startswith("*") else text if rest else ""


def _page(start_response: StartResponse, status: str, body: str, *headers: tuple[str, str]) -> Iterable[bytes]:
    content = body.encode("utf-8")
    start_response(
        status,
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(content))), *headers],
    )
    return [content]
