"""A stand-in for PayHero, by both contracts: ``Basic`` credentials speak v2, a ``Bearer`` key the older one."""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Mapping
from typing import Any

from gateway.domain.clock import Clock, utc_now
from integrations.payhero import bodies, controls
from integrations.payhero.asked import OLDER, V2, Options
from integrations.payhero.client import PAYMENTS, SERVICE_WALLET, STATUS, WALLET_OF_CHANNEL, WALLETS
from integrations.payhero.magic import Magic, PaidMagic, play_of
from integrations.payhero.prompts import Prompts
from integrations.payhero.sent import NoFloat, Withdrawals
from integrations.payhero.withdrawals import TRANSACTIONS, WITHDRAW
from integrations.rails import Bench
from integrations.simulation import Handler, Later, Reply, Request, json_reply

#: A user name or key that PayHero does not know; any other is welcome.
WRONG_KEY = "wrong"
CHANNEL_ID = 1

_PAYMENT = {
    "amount": re.compile(r"[1-9][0-9]{0,5}"),
    "phone_number": re.compile(r"(?:\+?254|0)[17][0-9]{8}"),
    "channel_id": re.compile(r"[1-9][0-9]{0,8}"),
    "provider": re.compile(r"m-?pesa"),
    "callback_url": re.compile(r"https?://[!-~]+"),
}
_WITHDRAWAL = {
    "external_reference": re.compile(r"[!-~]{1,64}"),
    "amount": re.compile(r"[1-9][0-9]{0,5}"),
    "phone_number": re.compile(r"254[17][0-9]{8}"),
    "network_code": re.compile(r"63902"),
    "channel": re.compile(r"mobile"),
    "channel_id": re.compile(r"[1-9][0-9]{0,8}"),
    "payment_service": re.compile(r"b2c"),
    "callback_url": re.compile(r"https?://[!-~]+"),
}


class PayHeroSimulator:
    """PayHero's addresses. Control: ``integrations.simulators`` tells."""

    name = "payhero"

    def __init__(self, later: Later, options: Options | None = None, *, clock: Clock = utc_now) -> None:
        self.options = options or Options()
        self.prompts = Prompts(later, self.options, clock)
        self.withdrawals = Withdrawals(self.prompts)
        self.routes: Mapping[tuple[str, str], Handler] = {
            ("POST", PAYMENTS): self._pay,
            ("GET", STATUS): self._only_v2(self._status),
            ("POST", WITHDRAW): self._only_v2(self._withdraw),
            ("GET", TRANSACTIONS): self._only_v2(self._transactions),
            ("GET", WALLETS): self._only_v2(self._wallet),
            ("GET", f"{WALLET_OF_CHANNEL}/{CHANNEL_ID}"): self._only_v2(self._channel),
        }
        self.controls = controls.of(self.prompts, self.options, clock)

    @classmethod
    def on(cls, bench: Bench) -> PayHeroSimulator:
        return cls(bench.later, bench.options, clock=bench.clock)

    def magic(self) -> list[dict[str, str]]:
        known = [*Magic, *PaidMagic]
        return [{"name": each.name, "phone": each.e164, "meaning": each.meaning} for each in known]

    def _pay(self, request: Request) -> Reply:
        contract, fields = contract_of(request), request.json
        if contract is None:
            return _refused(401, "Invalid credentials")
        if wrong := _wrong_field(fields, _PAYMENT):
            return _refused(400, f"{wrong} is not valid")
        phone = _e164(fields["phone_number"])
        play = play_of(phone)
        if play and play.http == "refused":
            return _refused(200, "The request could not be queued")
        prompt = self.prompts.show(phone, fields, contract)
        if play and play.http == "hangs":
            return self._hang()
        return json_reply(bodies.queued(prompt), 201 if contract == V2 else 200)

    def _withdraw(self, request: Request) -> Reply:
        fields = request.json
        if wrong := _wrong_field(fields, _WITHDRAWAL):
            return _refused(400, f"{wrong} is not valid")
        phone = _e164(fields["phone_number"])
        if phone == PaidMagic.NOT_ACCEPTED.e164:
            return _refused(200, "The request could not be queued")
        try:
            sent = self.withdrawals.send(phone, fields)
        except NoFloat:
            return _refused(400, "Insufficient wallet balance")
        return self._hang() if sent.fate.http == "hangs" else json_reply(bodies.taken(sent))

    def _status(self, request: Request) -> Reply:
        asked = request.query.get("reference", "")
        found = self.prompts.find(asked) or self.withdrawals.find(asked)
        return json_reply(bodies.told(found)) if found else _refused(404, "transaction not found")

    def _transactions(self, request: Request) -> Reply:
        """The newest first."""
        page, per = _number(request, "page", 1), _number(request, "per", 20)
        asked = [(each.shown_at, bodies.told(each) | bodies.row(each)) for each in self.prompts.all()]
        sent = [(each.sent_at, bodies.told(each) | bodies.row(each)) for each in self.withdrawals.all()]
        newest = [row for _, row in sorted(asked + sent, key=lambda found: found[0], reverse=True)]
        shown = newest[(page - 1) * per : page * per]
        return json_reply({"transactions": shown, "pagination": {"page": page, "per": per, "count": len(newest)}})

    def _wallet(self, request: Request) -> Reply:
        """Its own fees are never charged: the service wallet holds what it held."""
        kind = request.query.get("wallet_type", "")
        balance = 500 if kind == SERVICE_WALLET else self.prompts.books.wallet
        told = {"id": 1, "account_id": 1, "wallet_type": kind, "currency": "KES", "available_balance": balance}
        return json_reply(told)

    def _channel(self, _: Request) -> Reply:
        return json_reply({"id": CHANNEL_ID, "balance_plain": {"balance": self.prompts.books.wallet}})

    def _hang(self) -> Reply:
        time.sleep(self.options.hang_seconds)
        return Reply(504)

    def _only_v2(self, handler: Handler) -> Handler:
        """The older contract has one address only."""

        def guarded(request: Request) -> Reply:
            contract = contract_of(request)
            return handler(request) if contract == V2 else _refused(404 if contract else 401, "no such address")

        return guarded


def contract_of(request: Request) -> str | None:
    """The contract that the credentials belong to, ``None`` when they are refused."""
    scheme, _, told = request.headers.get("authorization", "").partition(" ")
    if scheme == "Bearer" and told not in ("", WRONG_KEY):
        return OLDER
    try:
        user, colon, _ = base64.b64decode(told, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return V2 if scheme == "Basic" and colon and user not in ("", WRONG_KEY) else None


def _wrong_field(fields: Mapping[str, Any], shapes: Mapping[str, re.Pattern[str]]) -> str:
    """The first field that is missing or not of its form."""
    for name, shape in shapes.items():
        value = fields.get(name)
        if isinstance(value, bool) or not shape.fullmatch(str(value)):
            return name
    return ""


def _number(request: Request, name: str, usual: int) -> int:
    told = request.query.get(name, "")
    return int(told) if told.isascii() and told.isdigit() and 0 < int(told) < 1000 else usual


def _e164(told: object) -> str:
    return "+254" + str(told)[-9:]


def _refused(status: int, message: str) -> Reply:
    """No error body of PayHero's is known."""
    return json_reply({"success": False, "status": "FAILED", "error_message": message}, status)
