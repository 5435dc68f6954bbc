"""A stand-in for Africa's Talking' SMS: takes messages, keeps every phone's inbox, posts delivery reports."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from gateway.domain.clock import Clock, utc_now
from integrations.africastalking.magic import Fate, Magic, fate_of
from integrations.simulation import (
    BadControl,
    Gateway,
    Handler,
    Later,
    Reply,
    Request,
    json_reply,
    phone_of,
    set_options,
)

#: An API key that is refused; any other that is not empty is welcome.
WRONG_KEY = "wrong"
#: A sender name that is not registered.
WRONG_SENDER = "NotOurs"
REPORT_PATH = "/sms/delivery"
SAFARICOM = "63902"

WORDS = {
    101: "Success",
    102: "Queued",
    403: "InvalidPhoneNumber",
    405: "InsufficientBalance",
    406: "UserInBlacklist",
    500: "InternalServerError",
    501: "GatewayError",
}
_NUMBER = re.compile(r"\+[1-9][0-9]{9,14}")
_PART_COST = Decimal("0.8000")


@dataclass(slots=True)
class Options:
    """How the simulated network behaves; times in seconds."""

    report_seconds: float = 1.0
    hang_seconds: float = 12.0


@dataclass(slots=True)
class Message:
    """One SMS that was accepted. ``status`` is the last report word, ``arrived`` whether the phone shows it."""

    id: str
    phone: str
    sender: str
    text: str = field(repr=False)
    cost: str
    at: str
    status: str = "Queued"
    arrived: bool = False


class AfricasTalkingSimulator:
    """The SMS side. Control: ``integrations.simulators`` tells."""

    def __init__(
        self, later: Later, gateway: Gateway, options: Options | None = None, *, clock: Clock = utc_now
    ) -> None:
        self.options = options or Options()
        self.messages: list[Message] = []
        self.balance = Decimal("1000.0000")
        self._later = later
        self._gateway = gateway
        self._clock = clock
        self._failed_once: set[str] = set()
        self._lock = threading.Lock()
        self.routes: dict[tuple[str, str], Handler] = {
            ("POST", "/version1/messaging"): self._send,
            ("GET", "/version1/user"): self._user,
        }
        self.controls: dict[tuple[str, str], Handler] = {
            ("GET", "/inbox"): self._inbox,
            ("GET", "/books"): self._books,
            ("POST", "/balance"): self._set_balance,
            ("POST", "/settings"): self._set_options,
        }

    def inbox(self, phone: str) -> list[Message]:
        """What a phone shows, oldest first; ``phone`` in E.164."""
        with self._lock:
            return [message for message in self.messages if message.phone == phone and message.arrived]

    def _send(self, request: Request) -> Reply:
        if request.headers.get("apikey", "") in ("", WRONG_KEY):
            return Reply(401, b"The supplied authentication is invalid", "text/plain")
        form = request.form
        if not form.get("message") or not form.get("to") or not form.get("username"):
            return Reply(400, b"Request is missing required form field", "text/plain")
        if form.get("from") == WRONG_SENDER:
            return json_reply({"SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}}, 201)
        rows = [self._take(number, form) for number in form["to"].split(",")]
        if any(row["number"] == Magic.HTTP_HANGS.e164 for row in rows):
            time.sleep(self.options.hang_seconds)
            return Reply(504)
        return json_reply({"SMSMessageData": {"Message": _summary(rows), "Recipients": rows}}, 201)

    def _take(self, number: str, form: Mapping[str, str]) -> dict[str, Any]:
        """One recipient's row; an accepted message is paid for, kept and reported on."""
        fate = fate_of(number)
        cost = _PART_COST * _parts(form["message"])
        with self._lock:
            code = self._code(number, fate, cost)
            if code >= 400:
                return {"statusCode": code, "number": number, "cost": "0", "status": WORDS[code], "messageId": "None"}
            self.balance -= cost
            message = self._keep(number, form, cost)
        self._deliver(message, fate)
        if form.get("enqueue") != "0":
            code = 102  # as recorded: queueing is the provider's default
        row = {"statusCode": code, "number": number, "cost": message.cost, "status": "Success"}
        return row | {"messageId": message.id}

    def _code(self, number: str, fate: Fate, cost: Decimal) -> int:
        if not _NUMBER.fullmatch(number):
            return 403
        if fate.first is not None:
            self._failed_once ^= {number}
            return fate.first if number in self._failed_once else fate.code
        return 405 if self.balance < cost else fate.code

    def _keep(self, number: str, form: Mapping[str, str], cost: Decimal) -> Message:
        made = f"ATXid_{secrets.token_hex(16)}"
        sender, at = form.get("from") or "AFRICASTKNG", self._clock().isoformat(timespec="seconds")
        message = Message(made, number, sender, form["message"], f"KES {cost:.4f}", at)
        self.messages.append(message)
        return message

    def _deliver(self, message: Message, fate: Fate) -> None:
        """The phone gets it at once when it gets it at all; the provider tells us about it later."""
        message.arrived = fate.delivered
        for number, word in enumerate(fate.reports, start=1):
            last = number == len(fate.reports)
            report = partial(self._report, message, word, fate.failure if last else "")
            self._later.do(self.options.report_seconds * number, report)

    def _report(self, message: Message, word: str, failure: str) -> None:
        message.status = word
        form = {
            "id": message.id,
            "status": word,
            "phoneNumber": message.phone,
            "networkCode": SAFARICOM,
            "retryCount": "0",
        }
        self._gateway.post(REPORT_PATH, form | ({"failureReason": failure} if failure else {}))

    def _user(self, request: Request) -> Reply:
        if request.headers.get("apikey", "") in ("", WRONG_KEY):
            return Reply(401, b"The supplied authentication is invalid", "text/plain")
        return json_reply({"UserData": {"balance": f"KES {self.balance:.4f}"}})

    def _inbox(self, request: Request) -> Reply:
        shown = self.inbox(phone_of(request.query.get("phone")).e164)
        return json_reply({"messages": [asdict(message) for message in shown]})

    def _books(self, request: Request) -> Reply:
        with self._lock:
            rows = [asdict(message) for message in self.messages]
        return json_reply({"balance": f"{self.balance:.4f}", "messages": rows})

    def _set_balance(self, request: Request) -> Reply:
        wanted = request.json.get("balance")
        if type(wanted) is not int or wanted < 0:
            raise BadControl("balance is not a number of shillings")
        self.balance = Decimal(wanted)
        return json_reply({"balance": wanted})

    def _set_options(self, request: Request) -> Reply:
        set_options(self.options, request.json)
        return json_reply({"ok": True})


def _summary(rows: list[dict[str, Any]]) -> str:
    costs = [Decimal(row["cost"].removeprefix("KES ")) for row in rows if row["statusCode"] < 400]
    if not costs:
        return f"Sent to 0/{len(rows)} Total Cost: 0"
    return f"Sent to {len(costs)}/{len(rows)} Total Cost: KES {sum(costs):.4f} Message parts: 1"


def _parts(text: str) -> int:
    """Roughly: one part up to 160 characters, else 153 each."""
    return 1 if len(text) <= 160 else -(-len(text) // 153)
