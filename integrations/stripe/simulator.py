"""A stand-in for Stripe: Checkout Sessions with their page, refunds, and signed events, over books of its own.

Events go to ``/hooks/<CALLBACK_TOKEN>/stripe`` of the gateway, signed with ``STRIPE_WEBHOOK_SECRET``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from integrations import cards
from integrations.cards import Play
from integrations.rails import SIMULATED, Bench
from integrations.reading import minor, printable, web_address
from integrations.simulation import BadControl, Handler, Reply, Request, json_reply, post, set_options
from integrations.statements import written_line
from integrations.stripe.callbacks import COMPLETED, EXPIRED, FAILED, SUCCEEDED, signature
from integrations.stripe.ledger import Books, Refund, Session, new_id
from integrations.stripe.magic import Magic

#: A key that Stripe does not know; any other is welcome.
WRONG_KEY = "wrong"
#: About half a dollar: less is refused.
LEAST_MINOR = 6_500
_LEAST, _MOST = timedelta(minutes=30), timedelta(hours=24)
_ITEM = "line_items[0][price_data]"


@dataclass(slots=True)
class Options:
    """How the simulated Stripe behaves; times in seconds."""

    create_hangs: bool = False
    hang_seconds: float = 12.0
    webhook_seconds: float = 0.2
    pending_seconds: float = 1.0


class StripeSimulator:
    """Control: ``integrations.simulators`` tells."""

    name = "stripe"

    def __init__(self, bench: Bench) -> None:
        self.options: Options = bench.options or Options()
        self.books = Books()
        self._bench = bench
        self._secret = bench.environ.get("STRIPE_WEBHOOK_SECRET") or SIMULATED
        self._address = f"/hooks/{bench.environ.get('CALLBACK_TOKEN') or '0' * 32}/stripe"
        routes: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/checkout/sessions"): partial(self._once, self._create),
            ("GET", "/v1/checkout/sessions/*"): self._session,
            ("POST", "/v1/refunds"): partial(self._once, self._give_back),
            ("GET", "/v1/refunds/*"): self._refund,
            ("GET", "/v1/balance"): self._balance,
        }
        self.routes: Mapping[tuple[str, str], Handler] = {
            **{at: partial(_for_members, handler) for at, handler in routes.items()},
            ("GET", "/pay/*"): self._show,
            ("POST", "/pay/*"): self._typed,
        }
        self.controls: Mapping[tuple[str, str], Handler] = {
            ("POST", "/pay"): self._pay,
            ("POST", "/expire"): self._expire,
            ("POST", "/settings"): self._set_options,
            ("GET", "/books"): lambda _: json_reply(self.books.as_json()),
            ("GET", "/statement"): self._statement,
        }

    def magic(self) -> list[dict[str, str]]:
        return cards.magic_of(Magic)

    def pay(self, session: Session, typed: object) -> str:
        """A card is typed on a page: why it was refused, or nothing. Raises ``BadControl``."""
        play = cards.play_of(Magic, typed)
        with self.books.lock:
            if session.status != "open" or self._bench.clock() >= session.ends_at:
                raise BadControl("this page is over")
            if play.refusal and not play.slow:
                return play.refusal  # no event: the page stays open for another card
            session.status, session.payment_intent = "complete", new_id("pi")
            if not play.slow:
                self._take(session)
        self._plan(session, play)
        return ""

    def expire(self, session: Session) -> None:
        """Nobody paid in time."""
        with self.books.lock:
            if session.status != "open":
                raise BadControl("this page is over")
            session.status = "expired"
        self._tell(EXPIRED, session)

    def _once(self, handler: Handler, request: Request) -> Reply:
        """The same key again gets the first answer; with other fields, an error."""
        key = request.headers.get("idempotency-key", "")
        with self.books.lock:
            known = self.books.answers.get(key)
            if known and known[0] != request.form:
                return _error(400, "idempotency_error", "", "Keys can only be used with the same parameters")
            reply = known[1] if known else handler(request)
            if key and reply.status == 200:
                self.books.answers[key] = (request.form, reply)
        if self.options.create_hangs and not known:
            time.sleep(self.options.hang_seconds)
        return reply

    def _create(self, request: Request) -> Reply:
        form, now = request.form, self._bench.clock()
        amount = minor(_number(form.get(f"{_ITEM}[unit_amount]")), form.get(f"{_ITEM}[currency]"))
        back, over = web_address(form.get("success_url")), web_address(form.get("cancel_url"))
        ends_at = datetime.fromtimestamp(_number(form.get("expires_at")), UTC)
        if form.get("mode") != "payment" or form.get("line_items[0][quantity]") != "1" or amount is None:
            return _error(400, "invalid_request_error", "parameter_invalid", "mode, line_items")
        if amount.minor < LEAST_MINOR:
            return _error(400, "invalid_request_error", "amount_too_small", "must be at least $0.50 US or equivalent")
        if back is None or over is None or not _LEAST <= ends_at - now <= _MOST:
            return _error(400, "invalid_request_error", "parameter_invalid", "success_url, cancel_url, expires_at")
        reference = printable(form.get("client_reference_id")) or ""
        number, title = new_id("cs_test"), form.get(f"{_ITEM}[product_data][name]", "")
        url = f"http://{request.headers.get('host', '')}/stripe/pay/{number}"
        session = Session(number, reference, amount, title, back, over, url, now, ends_at)
        self.books.sessions[number] = session
        return json_reply(session.as_json())

    def _session(self, request: Request) -> Reply:
        session = self.books.sessions.get(request.path.rpartition("/")[2])
        return json_reply(session.as_json()) if session else _missing("checkout.session")

    def _give_back(self, request: Request) -> Reply:
        session = self.books.paid_by(request.form.get("payment_intent", ""))
        if session is None:
            return _missing("payment_intent")
        amount = minor(_number(request.form.get("amount", str(session.amount.minor))), session.amount.currency)
        if session.refunded >= session.amount.minor:
            return _error(400, "invalid_request_error", "charge_already_refunded", "has already been refunded")
        if amount is None or not 0 < amount.minor <= session.amount.minor - session.refunded:
            return _error(400, "invalid_request_error", "parameter_invalid", "amount")
        session.refunded += amount.minor
        own_id = request.form.get("metadata[reference]", "")
        back = Refund(new_id("re"), session, amount, own_id, self._bench.clock())
        self.books.refunds[back.id] = back
        return json_reply(back.as_json())

    def _refund(self, request: Request) -> Reply:
        back = self.books.refunds.get(request.path.rpartition("/")[2])
        return json_reply(back.as_json()) if back else _missing("refund")

    def _balance(self, _: Request) -> Reply:
        held = sum(line.amount.minor for line in self.books.statement())
        return json_reply({"object": "balance", "available": [{"amount": held, "currency": "kes"}], "pending": []})

    def _show(self, request: Request) -> Reply:
        session = self.books.sessions.get(request.path.rpartition("/")[2])
        if session is None or session.status != "open":
            return cards.notice("Stripe", "Mlango", "This page is over.", 404 if session is None else 200)
        return cards.form("Stripe", session.title, str(session.amount))

    def _typed(self, request: Request) -> Reply:
        session = self.books.sessions.get(request.path.rpartition("/")[2])
        if session is None:
            return self._show(request)
        if request.form.get("do") == "cancel":
            return cards.back_to(session.cancel_url)
        try:
            refused = self.pay(session, request.form.get("card"))
        except BadControl as bad:
            refused = str(bad)
        if refused:
            return cards.form("Stripe", session.title, str(session.amount), f"{refused}. Try another card.")
        return cards.back_to(session.success_url.replace("{CHECKOUT_SESSION_ID}", session.id))

    def _plan(self, session: Session, play: Play) -> None:
        """What is told about a page that is done with, and when."""
        if play.webhook == "early":
            self._tell(COMPLETED, session)
        elif play.webhook != "lost":
            told = self._written(COMPLETED, session)
            for _ in range(2 if play.webhook == "twice" else 1):
                self._bench.later.do(self.options.webhook_seconds, partial(self._post, told))
        if play.slow:
            self._bench.later.do(self.options.pending_seconds, partial(self._arrive, session, play))

    def _arrive(self, session: Session, play: Play) -> None:
        if not play.refusal:
            self._take(session)
        self._tell(FAILED if play.refusal else SUCCEEDED, session)

    def _take(self, session: Session) -> None:
        session.payment_status, session.paid_at = "paid", self._bench.clock()

    def _tell(self, kind: str, session: Session) -> None:
        self._post(self._written(kind, session))

    def _written(self, kind: str, session: Session) -> bytes:
        event = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": int(self._bench.clock().timestamp()),
            "data": {"object": session.as_json()},
            "livemode": False,
            "type": kind,
        }
        return json.dumps(event, indent=2).encode()

    def _post(self, body: bytes) -> None:
        """Signed at this moment, over exactly these bytes."""
        signed = signature(body, self._secret, int(self._bench.clock().timestamp()))
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signed}
        if self._bench.gateway.url:
            post(self._bench.gateway.url + self._address, data=body, headers=headers)

    def _asked(self, request: Request) -> Session:
        session = self.books.session_of(str(request.json.get("reference")))
        if session is None:
            raise BadControl("no session has this reference")
        return session

    def _pay(self, request: Request) -> Reply:
        session = self._asked(request)
        return json_reply({"refused": self.pay(session, request.json.get("card")), "session": session.id})

    def _expire(self, request: Request) -> Reply:
        session = self._asked(request)
        self.expire(session)
        return json_reply({"session": session.id})

    def _set_options(self, request: Request) -> Reply:
        set_options(self.options, request.json)
        return json_reply({"ok": True})

    def _statement(self, _: Request) -> Reply:
        return json_reply({"lines": [written_line(line) for line in self.books.statement()]})


def _for_members(handler: Callable[[Request], Reply], request: Request) -> Reply:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not key or key == WRONG_KEY:
        return _error(401, "invalid_request_error", "", "Invalid API Key provided")
    return handler(request)


def _number(value: str | None) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 12 else 0


def _missing(what: str) -> Reply:
    return _error(404, "invalid_request_error", "resource_missing", f"No such {what}")


def _error(status: int, kind: str, code: str, message: str) -> Reply:
    told: dict[str, Any] = {"type": kind, "message": message} | ({"code": code} if code else {})
    return json_reply({"error": told}, status)
