"""A stand-in for Flutterwave v3: its addresses, its hosted page, its webhooks, over books of its own.

Webhooks go to the one address of the dashboard: ``/hooks/<CALLBACK_TOKEN>/flutterwave`` of the gateway.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from integrations import cards
from integrations.cards import Play
from integrations.flutterwave import bodies
from integrations.flutterwave.ledger import Books, Charge, Page
from integrations.flutterwave.magic import Magic, Payee
from integrations.flutterwave.purse import Purse
from integrations.rails import SIMULATED, Bench
from integrations.reading import major, printable, web_address
from integrations.simulation import BadControl, Handler, Reply, Request, json_reply, post, set_options
from integrations.statements import written_line

#: A key that Flutterwave does not know; any other is welcome.
WRONG_KEY = "wrong"
_MOST_MINUTES = 1440


@dataclass(slots=True)
class Options:
    """How the simulated Flutterwave behaves; times in seconds."""

    envelopes: bool = False
    create_hangs: bool = False
    hang_seconds: float = 12.0
    webhook_seconds: float = 0.2
    pending_seconds: float = 1.0
    transfer_seconds: float = 0.2


class FlutterwaveSimulator:
    """Pages and charges here, transfers and refunds in ``purse``. Control: ``integrations.simulators`` tells."""

    name = "flutterwave"

    def __init__(self, bench: Bench) -> None:
        self.options: Options = bench.options or Options()
        self.books = Books()
        self._bench = bench
        self._hash = bench.environ.get("FLUTTERWAVE_HASH") or SIMULATED
        self._address = f"/hooks/{bench.environ.get('CALLBACK_TOKEN') or '0' * 32}/flutterwave"
        self.purse = Purse(self.books, self.options, bench, self.tell)
        routes: dict[tuple[str, str], Handler] = {
            ("POST", "/v3/payments"): self._create,
            ("GET", "/v3/transactions/verify_by_reference"): self._verify_by_reference,
            ("GET", "/v3/transactions/*"): self._verify,
        }
        self.routes: Mapping[tuple[str, str], Handler] = {
            **{at: partial(_for_members, handler) for at, handler in (routes | self.purse.routes).items()},
            ("GET", "/pay/*"): self._show,
            ("POST", "/pay/*"): self._typed,
        }
        self.controls: Mapping[tuple[str, str], Handler] = {
            ("POST", "/pay"): self._pay,
            ("POST", "/settings"): self._set_options,
            ("GET", "/books"): lambda _: json_reply(self.books.as_json()),
            ("GET", "/statement"): self._statement,
            **self.purse.controls,
        }

    def magic(self) -> list[dict[str, str]]:
        payees = [{"name": each.name, "phone": each.e164, "meaning": each.meaning} for each in Payee]
        return cards.magic_of(Magic) + payees

    def tell(self, body: Mapping[str, Any], url: str = "") -> None:
        """Post a webhook, with the hash in its header, to the dashboard's address or another."""
        headers = {"Content-Type": "application/json", "verif-hash": self._hash}
        if url or self._bench.gateway.url:
            post(url or self._bench.gateway.url + self._address, data=json.dumps(body).encode(), headers=headers)

    def pay(self, page: Page, typed: object) -> Charge:
        """A card is typed on a page; raises ``BadControl`` when it is no test card or the page is over."""
        play = cards.play_of(Magic, typed)
        with self.books.lock:
            if page.over or self._bench.clock() >= page.ends_at:
                raise BadControl("this page is over")
            charges = [self._charge(page, play) for _ in range(play.times)]
            page.tries_left -= 1
            page.over = not play.refusal or page.tries_left < 0
        for charge in charges:
            self._plan(charge, play)
        return charges[0]

    def _create(self, request: Request) -> Reply:
        fields, now = request.json, self._bench.clock()
        page = self._read(fields, now)
        if isinstance(page, str):
            return _error(400, page)
        with self.books.lock:
            if self.books.page_of(page.reference):
                return _error(400, "Duplicate tx_ref")
            self.books.pages[page.id] = page
        if self.options.create_hangs:
            time.sleep(self.options.hang_seconds)
            return _error(503, "Service Unavailable")
        link = f"http://{request.headers.get('host', '')}/flutterwave/pay/{page.id}"
        return json_reply({"status": "success", "message": "Hosted Link", "data": {"link": link}})

    def _read(self, fields: Mapping[str, Any], now: datetime) -> Page | str:
        """A page, or what is wrong with the request for one."""
        customer = fields.get("customer")
        amount = major(fields.get("amount"), fields.get("currency", "NGN"))
        reference, back = printable(fields.get("tx_ref")), web_address(fields.get("redirect_url"))
        minutes, tries = fields.get("session_duration", _MOST_MINUTES), fields.get("max_retry_attempt", 5)
        if not isinstance(customer, dict) or "@" not in str(customer.get("email")):
            return "customer.email is required"
        if amount is None or reference is None or back is None:
            return "amount, currency, tx_ref or redirect_url is not valid"
        if type(minutes) is not int or not 1 <= minutes <= _MOST_MINUTES or type(tries) is not int:
            return "session_duration or max_retry_attempt is not valid"
        title = str(fields.get("customizations", {}).get("description", ""))
        ends_at = now + timedelta(minutes=minutes)
        return Page(f"flwlnk-{secrets.token_hex(13)}", reference, amount, back, title, customer, tries, now, ends_at)

    def _verify_by_reference(self, request: Request) -> Reply:
        return _verified(self.books.charge_of(request.query.get("tx_ref", "")))

    def _verify(self, request: Request) -> Reply:
        number, _, word = request.path.partition("/v3/transactions/")[2].partition("/")
        charge = self.books.charges.get(int(number)) if number.isascii() and number.isdigit() else None
        return _verified(charge) if word == "verify" else _error(404, "Cannot GET")

    def _show(self, request: Request) -> Reply:
        page = self.books.pages.get(request.path.rpartition("/")[2])
        if page is None or page.over:
            return cards.notice("Flutterwave", "Mlango", "This page is over.", 404 if page is None else 200)
        return cards.form("Flutterwave", page.title, str(page.amount))

    def _typed(self, request: Request) -> Reply:
        """Somebody typed a card, or gave up. Redirected as Flutterwave does; a refused card is shown on the page."""
        page = self.books.pages.get(request.path.rpartition("/")[2])
        if page is None:
            return self._show(request)
        if request.form.get("do") == "cancel":
            page.over = True
            return cards.back_to(page.return_url, status="cancelled", tx_ref=page.reference)
        try:
            charge = self.pay(page, request.form.get("card"))
        except BadControl as bad:
            return cards.form("Flutterwave", page.title, str(page.amount), str(bad))
        if charge.status == "failed" and not page.over:
            return cards.form("Flutterwave", page.title, str(page.amount), f"{charge.response}. Try another card.")
        told = {"status": charge.status, "tx_ref": page.reference, "transaction_id": str(charge.id)}
        return cards.back_to(page.return_url, **told)

    def _charge(self, page: Page, play: Play) -> Charge:
        status = "failed" if play.refusal else "pending" if play.slow else "successful"
        response = play.refusal or ("Pending" if play.slow else "Approved")
        charge = Charge(self.books.number(), page, status, response, self._bench.clock())
        self.books.charges[charge.id] = charge
        return charge

    def _plan(self, charge: Charge, play: Play) -> None:
        """What is told about a charge, and when."""
        if play.webhook == "early":
            self._told(charge, play)
        elif play.webhook != "lost":
            for _ in range(2 if play.webhook == "twice" else 1):
                self._bench.later.do(self.options.webhook_seconds, partial(self._told, charge, play))
        if charge.status == "pending":
            self._bench.later.do(self.options.pending_seconds, partial(self._arrive, charge, play))

    def _arrive(self, charge: Charge, play: Play) -> None:
        charge.status, charge.response = "successful", "Approved"
        self._told(charge, play)

    def _told(self, charge: Charge, play: Play) -> None:
        shape = bodies.envelope if self.options.envelopes else bodies.flat
        self.tell(shape(charge, 100 if play.forged else 1))

    def _pay(self, request: Request) -> Reply:
        page = self.books.page_of(str(request.json.get("reference")))
        if page is None:
            raise BadControl("no page has this reference")
        charge = self.pay(page, request.json.get("card"))
        return json_reply({"status": charge.status, "transaction_id": charge.id})

    def _set_options(self, request: Request) -> Reply:
        set_options(self.options, request.json)
        return json_reply({"ok": True})

    def _statement(self, _: Request) -> Reply:
        return json_reply({"lines": [written_line(line) for line in self.books.statement()]})


def _for_members(handler: Handler, request: Request) -> Reply:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not key or key == WRONG_KEY:
        return _error(401, "Invalid authorization key")
    return handler(request)


def _verified(charge: Charge | None) -> Reply:
    if charge is None:
        return _error(404, "No transaction was found for this id")
    return json_reply({"status": "success", "message": "Transaction fetched", "data": bodies.verified(charge)})


def _error(status: int, message: str) -> Reply:
    return json_reply({"status": "error", "message": message, "data": None}, status)
