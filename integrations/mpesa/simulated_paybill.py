"""The simulator's paybill: where payments are reported, the question before one, and a subscriber who pays unasked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from integrations.mpesa.client import SANDBOX_SHORTCODE
from integrations.mpesa.ledger import Books, Receipt, Refused
from integrations.mpesa.magic import Play
from integrations.mpesa.paybill import PAYBILL, REGISTER
from integrations.mpesa.payees import Plays
from integrations.mpesa.simulated_door import ADDRESS, SHORTCODE, Door, Shapes, error
from integrations.mpesa.simulated_requests import Requests
from integrations.simulation import BadControl, Handler, Reply, Request, json_reply, phone_of, post

_SHAPES: Shapes = {
    "ShortCode": SHORTCODE,
    "ResponseType": re.compile("Completed|Cancelled"),
    "ConfirmationURL": ADDRESS,
    "ValidationURL": ADDRESS,
}
#: How long the question before a payment is waited for.
_PATIENCE_SECONDS = 8.0
#: A payer's number as it is told, by the version that was registered.
_FORMS = {"v1": "hash", "v2": "masked"}
FORMS: Mapping[str, Callable[[str], str]] = {
    "clear": lambda msisdn: msisdn,
    "masked": lambda msisdn: f"{msisdn[:4]} ***** {msisdn[-3:]}",
    "hash": lambda msisdn: sha256(msisdn.encode()).hexdigest(),
}


class SimulatedPaybill:
    """Until addresses are registered, payments are reported to the gateway's own, ``unregistered``."""

    def __init__(
        self,
        door: Door,
        requests: Requests,
        books: Books,
        plays: Plays,
        unregistered: Callable[[], str],
    ) -> None:
        self._door = door
        self._requests = requests
        self._books = books
        self._plays = plays
        self._unregistered = unregistered
        self._registered: dict[str, Any] = {}
        self._form = "masked"
        self.routes: Mapping[tuple[str, str], Handler] = {
            ("POST", path): self._registering(version) for version, path in REGISTER.items()
        }
        self.controls: Mapping[tuple[str, str], Handler] = {("POST", "/paybill"): self._paid_unasked}

    def confirm_push(self, paid: Receipt) -> None:
        """A push is a payment to the paybill too, and may be reported as such."""
        if self._requests.options.stk_also_confirms:
            self._confirm(self._payload(paid, FORMS[self._form]))

    def _registering(self, version: str) -> Handler:
        def register(request: Request) -> Reply:
            refusal = self._door.refusal(request, _SHAPES)
            if refusal:
                return refusal
            if self._registered and self._requests.options.register_once:
                return error(500, "500.003.1001", "Urls are already registered.")
            self._registered, self._form = request.json, _FORMS[version]
            said = {"OriginatorCoversationID": "6e86-45dd-91ac-fd5d4178ab523408729", "ResponseCode": "0"}
            return json_reply(said | {"ResponseDescription": "Success"})

        return register

    def _paid_unasked(self, request: Request) -> Reply:
        """The answer has the code of a refusal, or 0 and the receipt."""
        phone, amount = phone_of(request.json.get("phone")).e164, request.json.get("amount")
        form = FORMS.get(request.json.get("msisdn_form", self._form))
        if type(amount) is not int or amount < 1 or form is None:
            raise BadControl("amount must be whole shillings, msisdn_form one of clear, masked and hash")
        account = str(request.json.get("account", ""))[:20]
        try:
            paid = self._pay(phone, amount, account, form)
        except Refused as refused:
            return json_reply({"code": refused.code, "receipt": None})
        return json_reply({"code": "0", "receipt": paid.receipt})

    def _pay(self, phone: str, amount: int, account: str, form: Callable[[str], str]) -> Receipt:
        new = self._books.draft(phone, amount, account, self._requests.clock())
        self._validate(self._payload(new, form) | {"OrgAccountBalance": ""})
        paid = self._books.pay(new)
        self._confirm(self._payload(paid, form))
        return paid

    def _validate(self, payload: dict[str, str]) -> None:
        """Raises ``Refused``. Silence means what was registered for it."""
        if not self._registered or not self._requests.options.validates:
            return
        heard = post(str(self._registered["ValidationURL"]), seconds=_PATIENCE_SECONDS, json=payload)
        code = _code(heard.status, heard.text)
        if code is None and self._registered["ResponseType"] == "Completed":
            return
        if code != "0":
            raise Refused(code or "C2B00016")

    def _confirm(self, payload: dict[str, str]) -> None:
        """Single shot; a fate may lose it, double it or delay it."""
        play = self._plays.of("arrival") or Play()
        address = str(self._registered.get("ConfirmationURL") or self._unregistered())
        wait = self._requests.options.late_seconds if play.callback == "late" else 0
        for _ in range(play.tellings):
            self._requests.later.do(wait, lambda: post(address, json=payload))

    def _payload(self, paid: Receipt, form: Callable[[str], str]) -> dict[str, str]:
        return {
            "TransactionType": "Pay Bill",
            "TransID": paid.receipt,
            "TransTime": paid.at,
            "TransAmount": f"{paid.amount}.00",
            "BusinessShortCode": str(self._registered.get("ShortCode", SANDBOX_SHORTCODE)),
            "BillRefNumber": paid.reference,
            "InvoiceNumber": "",
            "OrgAccountBalance": f"{paid.balance}.00",
            "ThirdPartyTransID": "",
            "MSISDN": form(paid.phone[1:]),
            "FirstName": "JOHN",
            "MiddleName": "",
            "LastName": "",
        }


def address_of(gateway_url: str, token: str) -> str:
    """Where a gateway of ours listens for payments that nobody asked for."""
    return f"{gateway_url}/hooks/{token}/{PAYBILL}"


def _code(status: int, text: str) -> str | None:
    """The code of an answer, ``None`` when it is none."""
    answer = Request("POST", "", body=text.encode()).json if status == 200 else {}
    return str(answer["ResultCode"]) if "ResultCode" in answer else None
