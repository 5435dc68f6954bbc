"""The mobile network's side of USSD: phones that dial, answer and hang up, posting hops as Africa's Talking does.

Within ten seconds the gateway must answer 200, ``text/plain``, with a body that starts with ``CON `` or ``END ``;
anything else ends the session with the operator's own sentence. The end of every session is told to the gateway.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from gateway.domain.clock import Clock, utc_now
from integrations.africastalking.callbacks import METADATA_HEADER
from integrations.simulation import (
    BadControl,
    Gateway,
    Handler,
    Heard,
    Later,
    Reply,
    Request,
    json_reply,
    phone_of,
    set_options,
)

HOP_PATH = "/ussd"
END_PATH = "/ussd/events"
OPERATOR_ERROR = "Connection problem or invalid MMI code."
SAFARICOM = "63902"
MOST_METADATA = 99
_HOP_COST = "0.50"


@dataclass(slots=True)
class NetworkOptions:
    """``deadline_seconds`` is how long the gateway may take for a hop; ``delay_seconds`` makes the network slow."""

    deadline_seconds: float = 10.0
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Screen:
    """What the phone shows. ``open``: an answer is awaited. ``error``: why the network gave up, if it did."""

    session_id: str
    text: str = field(repr=False)
    open: bool
    seconds: float
    error: str | None = None


@dataclass(slots=True)
class Call:
    """One session, from dialling to its end."""

    session_id: str
    phone: str
    network_code: str
    service_code: str
    began: float
    answers: list[str] = field(default_factory=list, repr=False)
    echo: str = ""
    metadata: list[str] = field(default_factory=list)
    last_body: str = field(default="", repr=False)
    last_echo: str = ""
    hops: int = 0
    open: bool = True
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def transcript(self) -> str:
        return "*".join(self.answers)


class UssdNetwork:
    """All phones in the network. Control: ``integrations.simulators`` tells."""

    def __init__(
        self, later: Later, gateway: Gateway, options: NetworkOptions | None = None, *, clock: Clock = utc_now
    ) -> None:
        self.options = options or NetworkOptions()
        self._later = later
        self._gateway = gateway
        self._clock = clock
        self._calls: dict[str, Call] = {}
        self.controls: dict[tuple[str, str], Handler] = {
            ("POST", "/dial"): self._dialled,
            ("POST", "/answer"): self._answered,
            ("POST", "/repeat"): lambda request: _shown(self.repeat(str(request.json.get("session_id")))),
            ("POST", "/drop"): self._dropped,
            ("POST", "/network"): self._set_options,
        }

    def dial(self, phone: str, service_code: str, network_code: str = SAFARICOM, text: str = "") -> Screen:
        """A phone (E.164) dials; the first hop has an empty text, or what a long code (``*384*123*1#``) brought."""
        call = Call(f"ATUid_{secrets.token_hex(16)}", phone, network_code, service_code, time.monotonic())
        call.answers += [text] if text else []
        self._calls[call.session_id] = call
        with call.lock:
            return self._hop(call)

    def answer(self, session_id: str, typed: str) -> Screen:
        """The caller sends ``typed``; raises ``BadControl`` when the session is over."""
        call = self._call(session_id)
        with call.lock:
            if not call.open:
                raise BadControl("the session is over")
            call.answers.append(typed)
            return self._hop(call)

    def repeat(self, session_id: str) -> Screen:
        """The network delivers the last hop again, byte for byte; the session itself does not move."""
        call = self._call(session_id)
        heard, seconds = self._deliver(call, call.last_echo)
        text, goes_on, error = _read(heard)
        return Screen(session_id, text, goes_on and call.open, seconds, error)

    def drop(self, session_id: str) -> None:
        """The caller is cut off while an answer is awaited."""
        call = self._call(session_id)
        with call.lock:
            if call.open:
                self._end(call, "Incomplete")

    def _hop(self, call: Call) -> Screen:
        call.hops += 1
        call.last_echo = call.echo
        heard, seconds = self._deliver(call, call.echo)
        text, goes_on, error = _read(heard)
        self._remember(call, heard)
        if error:
            self._end(call, "Failed", error)
        elif not goes_on:
            self._end(call, "Success")
        return Screen(call.session_id, text, call.open, seconds, error)

    def _deliver(self, call: Call, echo: str) -> tuple[Heard, float]:
        time.sleep(self.options.delay_seconds)
        form = {
            "sessionId": call.session_id,
            "phoneNumber": call.phone,
            "networkCode": call.network_code,
            "serviceCode": call.service_code,
            "text": call.transcript,
        }
        began = time.monotonic()
        headers = {METADATA_HEADER.replace("-", "_"): echo, "Authorization": self._key()}
        heard = self._gateway.post(HOP_PATH, form, seconds=self.options.deadline_seconds, **headers)
        return heard, round(time.monotonic() - began, 3)

    def _key(self) -> str:
        return f"Bearer {self._gateway.ussd_api_key}" if self._gateway.ussd_api_key else ""

    def _remember(self, call: Call, heard: Heard) -> None:
        call.last_body = heard.text
        call.echo = heard.headers.get(METADATA_HEADER, "")
        if len(call.echo) > MOST_METADATA or "|" in call.echo:
            call.echo = ""
        if call.echo:
            call.metadata.append(call.echo)

    def _end(self, call: Call, status: str, error: str = "") -> None:
        call.open = False
        form = {
            "date": self._clock().strftime("%Y-%m-%d %H:%M:%S"),
            "sessionId": call.session_id,
            "serviceCode": call.service_code,
            "networkCode": call.network_code,
            "phoneNumber": call.phone,
            "status": status,
            "cost": f"KES {_HOP_COST}",
            "durationInMillis": str(int((time.monotonic() - call.began) * 1000)),
            "hopsCount": str(call.hops),
            "hopsMetadata": "|".join(call.metadata),
            "input": call.transcript,
            "lastAppResponse": call.last_body,
        }
        form |= {"errorMessage": error} if error else {}
        self._later.do(0, lambda: self._gateway.post(END_PATH, form, Authorization=self._key()))

    def _call(self, session_id: str) -> Call:
        if session_id not in self._calls:
            raise BadControl("no such session")
        return self._calls[session_id]

    def _dialled(self, request: Request) -> Reply:
        asked = request.json
        phone, code = phone_of(asked.get("phone")), asked.get("service_code")
        if not isinstance(code, str) or not code:
            raise BadControl("service_code is missing")
        network_code, text = str(asked.get("network_code") or SAFARICOM), str(asked.get("text") or "")
        return _shown(self.dial(phone.e164, code, network_code, text))

    def _answered(self, request: Request) -> Reply:
        asked = request.json
        return _shown(self.answer(str(asked.get("session_id")), str(asked.get("input", ""))))

    def _dropped(self, request: Request) -> Reply:
        self.drop(str(request.json.get("session_id")))
        return json_reply({"ok": True})

    def _set_options(self, request: Request) -> Reply:
        set_options(self.options, request.json)
        return json_reply(asdict(self.options))


def _read(heard: Heard) -> tuple[str, bool, str | None]:
    """A gateway's answer as (what the phone shows, whether it goes on, why not)."""
    if heard.status == 0:
        return OPERATOR_ERROR, False, "The application did not answer in time"
    if heard.status != 200:
        return OPERATOR_ERROR, False, f"The application answered HTTP {heard.status}"
    if not heard.headers.get("content-type", "").startswith("text/plain"):
        return OPERATOR_ERROR, False, "The application did not answer with text/plain"
    if heard.text[:4] not in ("CON ", "END "):
        return OPERATOR_ERROR, False, "The answer does not start with CON or END"
    return heard.text[4:], heard.text.startswith("CON "), None


def _shown(screen: Screen) -> Reply:
    body: dict[str, Any] = asdict(screen)
    return json_reply(body)
