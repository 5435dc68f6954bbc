"""A stand-in for Daraja: its addresses, bodies and error codes, over the simulator's own phones and books."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import string
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from gateway.domain.clock import Clock, utc_now
from integrations.mpesa.client import PUSH, QUERY
from integrations.mpesa.magic import Magic, Play
from integrations.mpesa.prompts import DESCRIPTIONS, Options, Prompt, Prompts, SubscriberBusy
from integrations.mpesa.tokens import DEFAULT_SECONDS, PATH
from integrations.rails import Bench
from integrations.simulation import BadControl, Handler, Later, Reply, Request, json_reply, phone_of, set_options
from integrations.statements import written_line

#: A consumer key that Daraja does not know; any other is welcome.
WRONG_KEY = "wrong"
_SUCCESS = "Success. Request accepted for processing"
_FORBIDDEN = re.compile(r"m-?pesa|safaricom|exec?|cmd|sql|query", re.IGNORECASE)
_FIELDS = {
    "BusinessShortCode": re.compile(r"[0-9]{5,7}"),
    "Timestamp": re.compile(r"20[0-9]{12}"),
    "TransactionType": re.compile(r"CustomerPayBillOnline|CustomerBuyGoodsOnline"),
    "Amount": re.compile(r"[1-9][0-9]{0,5}"),
    "PartyA": re.compile(r"254[17][0-9]{8}"),
    "PartyB": re.compile(r"[0-9]{5,7}"),
    "PhoneNumber": re.compile(r"254[17][0-9]{8}"),
    "CallBackURL": re.compile(r"https?://[!-~]+"),
    "AccountReference": re.compile(r"[A-Za-z0-9]{1,12}"),
}
_DESCRIPTION = re.compile(r".{1,13}")
_MOST = 250_000


class MpesaSimulator:
    """Daraja's three calls. ``passkey`` is checked when given. Control: ``integrations.simulators`` tells."""

    name = "mpesa"

    def __init__(
        self, later: Later, options: Options | None = None, *, passkey: str = "", clock: Clock = utc_now
    ) -> None:
        self.options = options or Options()
        self.prompts = Prompts(later, self.options, clock)
        self._passkey = passkey
        self._clock = clock
        self._tokens: dict[str, datetime] = {}
        self._spiked: set[str] = set()
        self._lock = threading.Lock()
        self.routes: Mapping[tuple[str, str], Handler] = {
            ("GET", PATH): self._token,
            ("POST", PUSH): self._push,
            ("POST", QUERY): self._query,
        }
        self.controls: Mapping[tuple[str, str], Handler] = {
            ("GET", "/prompts"): self._list,
            ("POST", "/accept"): self._accept,
            ("POST", "/refuse"): self._refuse,
            ("POST", "/ignore"): self._ignore,
            ("GET", "/books"): lambda _: json_reply(self.prompts.books.as_json()),
            ("GET", "/statement"): self._statement,
            ("POST", "/play"): self._give_play,
            ("POST", "/balance"): self._set_balance,
            ("POST", "/settings"): self._set_options,
            ("POST", "/expire-tokens"): self._expire_tokens,
        }

    @classmethod
    def on(cls, bench: Bench) -> MpesaSimulator:
        return cls(bench.later, bench.options, passkey=bench.environ.get("MPESA_PASSKEY", ""), clock=bench.clock)

    def magic(self) -> list[dict[str, str]]:
        return [{"name": each.name, "phone": each.e164, "meaning": each.meaning} for each in Magic]

    def _statement(self, _: Request) -> Reply:
        return json_reply({"lines": [written_line(line) for line in self.prompts.books.statement()]})

    def _token(self, request: Request) -> Reply:
        if request.query.get("grant_type") != "client_credentials":
            return _error(400, "400.008.02", "Invalid grant type passed")
        key = _consumer_key(request.headers.get("authorization", ""))
        if key is None:
            return _error(400, "400.008.01", "Invalid Authentication passed")
        if key == WRONG_KEY:
            return Reply(400)  # recorded: credentials of another environment get an empty body
        token = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(28))
        self._tokens[token] = self._clock() + timedelta(seconds=DEFAULT_SECONDS)
        return json_reply({"access_token": token, "expires_in": DEFAULT_SECONDS})

    def _push(self, request: Request) -> Reply:
        fields = request.json
        trouble = self._unauthorised(request) or self._invalid(fields) or self._unsigned(fields)
        if trouble:
            return trouble
        phone = "+" + str(fields["PhoneNumber"])
        play = self.prompts.play(phone)
        trouble = self._stopped(phone, play)
        if trouble:
            return trouble
        try:
            prompt = self.prompts.show(phone, fields)
        except SubscriberBusy:
            said = "Unable to lock subscriber, a transaction is already in process for the current subscriber"
            return _error(500, "500.001.1001", said)
        if play and play.http == "hangs":
            time.sleep(self.options.hang_seconds)
            return Reply(504)
        return json_reply(_accepted(prompt))

    def _query(self, request: Request) -> Reply:
        fields = request.json
        trouble = self._unauthorised(request) or self._unsigned(fields)
        if trouble:
            return trouble
        prompt = self.prompts.find(str(fields.get("CheckoutRequestID")))
        if prompt is None:
            return _error(500, "500.001.1001", "The transaction does not exist")
        prompt.asked += 1
        if prompt.code is not None:
            return json_reply(_queried(prompt, prompt.code, DESCRIPTIONS[prompt.code]))
        if prompt.asked % 2:  # both ways to say "pending" are recorded
            return json_reply(_queried(prompt, "4999", "The transaction is still under processing"))
        return _error(500, "500.001.1001", "The transaction is being processed")

    def _unauthorised(self, request: Request) -> Reply | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, datetime.min.replace(tzinfo=self._clock().tzinfo)) > self._clock():
            return None
        return _error(404, "404.001.03", "Invalid Access Token")

    def _invalid(self, fields: dict[str, Any]) -> Reply | None:
        """The first field Daraja would refuse; a missing description is called "Remarks" there."""
        for name, shape in _FIELDS.items():
            value = fields.get(name)
            if isinstance(value, bool) or not shape.fullmatch(str(value)):
                return _error(400, "400.002.02", f"Bad Request - Invalid {name}")
        if int(fields["Amount"]) > _MOST:
            return _error(400, "400.002.02", "Bad Request - Invalid Amount")
        if _FORBIDDEN.search(str(fields["CallBackURL"])):
            return _error(400, "400.002.02", "Bad Request - Invalid CallBackURL")
        if not _DESCRIPTION.fullmatch(str(fields.get("TransactionDesc") or "")):
            return _error(400, "400.002.02", "Bad Request - Invalid Remarks")
        return None

    def _unsigned(self, fields: dict[str, Any]) -> Reply | None:
        shortcode, timestamp = str(fields.get("BusinessShortCode")), str(fields.get("Timestamp"))
        try:
            signed = base64.b64decode(str(fields.get("Password")), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            signed = ""
        if self._passkey:
            right = signed == shortcode + self._passkey + timestamp
        else:
            right = signed.startswith(shortcode) and signed.endswith(timestamp)
        return None if right else _error(500, "500.001.1001", "Wrong credentials")

    def _stopped(self, phone: str, play: Play | None) -> Reply | None:
        if play is None or play.http in ("fine", "hangs"):
            return None
        if play.http == "refused":
            return _error(400, "400.002.02", "Bad Request - Invalid PhoneNumber")
        if play.http == "broken":
            return Reply(500)
        if self._is_first(phone):
            return _error(500, "500.003.02", "Error Occurred: Spike Arrest Violation")
        return None

    def _is_first(self, phone: str) -> bool:
        """Every other push of a phone is a first one."""
        with self._lock:
            self._spiked ^= {phone}
            return phone in self._spiked

    def _list(self, request: Request) -> Reply:
        wanted = request.query.get("phone")
        phone = phone_of(wanted).e164 if wanted else None
        shown = [self._shown(prompt) for prompt in self.prompts.open(phone)]
        balance = {"balance": self.prompts.books.balance(phone)} if phone else {}
        return json_reply({"prompts": shown} | balance)

    def _shown(self, prompt: Prompt) -> dict[str, Any]:
        age = (self._clock() - prompt.shown_at).total_seconds()
        return {
            "id": prompt.checkout_id,
            "phone": prompt.phone,
            "amount": prompt.amount,
            "reference": prompt.reference,
            "description": prompt.description,
            "seconds_left": max(0, round(self.options.prompt_seconds - age)),
        }

    def _accept(self, request: Request) -> Reply:
        code = "0" if request.json.get("pin_ok", True) else "2001"
        return self._answered(request, code)

    def _refuse(self, request: Request) -> Reply:
        return self._answered(request, "1032")

    def _ignore(self, request: Request) -> Reply:
        return self._answered(request, "1037")

    def _answered(self, request: Request, code: str) -> Reply:
        prompt = self.prompts.answer(str(request.json.get("id")), code)
        receipt = prompt.receipt.receipt if prompt.receipt else None
        return json_reply({"code": prompt.code, "receipt": receipt})

    def _give_play(self, request: Request) -> Reply:
        phone, name = phone_of(request.json.get("phone")), request.json.get("name")
        known = {each.name: each.play for each in Magic}
        if name is not None and name not in known:
            raise BadControl("no such play: GET /control/magic lists them")
        self.prompts.give(phone.e164, None if name is None else known[name])
        return json_reply({"phone": phone.e164, "name": name})

    def _set_balance(self, request: Request) -> Reply:
        phone, balance = phone_of(request.json.get("phone")), request.json.get("balance")
        if type(balance) is not int or balance < 0:
            raise BadControl("balance is not a number of shillings")
        self.prompts.books.balances[phone.e164] = balance
        return json_reply({"phone": phone.e164, "balance": balance})

    def _set_options(self, request: Request) -> Reply:
        set_options(self.options, request.json)
        return json_reply({"ok": True})

    def _expire_tokens(self, request: Request) -> Reply:
        self._tokens.clear()
        return json_reply({"ok": True})


def _accepted(prompt: Prompt) -> dict[str, str]:
    return {
        "MerchantRequestID": prompt.merchant_id,
        "CheckoutRequestID": prompt.checkout_id,
        "ResponseCode": "0",
        "ResponseDescription": _SUCCESS,
        "CustomerMessage": _SUCCESS,
    }


def _queried(prompt: Prompt, code: str, description: str) -> dict[str, str]:
    return {
        "ResponseCode": "0",
        "ResponseDescription": "The service request has been accepted successsfully",
        "MerchantRequestID": prompt.merchant_id,
        "CheckoutRequestID": prompt.checkout_id,
        "ResultCode": code,
        "ResultDesc": description,
    }


def _error(status: int, code: str, message: str) -> Reply:
    request_id = f"{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(10)}"
    return json_reply({"requestId": request_id, "errorCode": code, "errorMessage": message}, status)


def _consumer_key(authorization: str) -> str | None:
    scheme, _, coded = authorization.partition(" ")
    try:
        key, colon, _ = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return key if scheme == "Basic" and colon else None
