"""M-Pesa through Safaricom's Daraja: ask a phone to pay (STK push), and ask what became of it.

A push has no idempotency key at Daraja: two equal calls are two prompts. So it goes out once, and whatever does not
prove that it was refused is ``unknown``. Ids of pushes contain the payer's number: they are never logged here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from gateway.domain.clock import Clock, utc_now
from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.http import Answer, Http, NoAnswer, NotSent, Observer, Patience
from integrations.mpesa.callbacks import EAT, REASONS, code_text, read_callback, read_query, text
from integrations.mpesa.tokens import MemoryTokenCache, NoToken, Tokens
from integrations.protocols import (
    About,
    Addresses,
    Channel,
    Outcome,
    PaymentResult,
    PaymentVerdict,
    PromptAnswer,
    Rail,
)
from integrations.rails import SIMULATED, TokenCache, Tools

BASE_URLS = {"sandbox": "https://sandbox.safaricom.co.ke", "production": "https://api.safaricom.co.ke"}
SANDBOX_SHORTCODE = "174379"
#: Printed in Daraja's public documentation for the sandbox; no secret.
SANDBOX_PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"
PAYBILL = "CustomerPayBillOnline"
TILL = "CustomerBuyGoodsOnline"

PUSH = "/mpesa/stkpush/v1/processrequest"
QUERY = "/mpesa/stkpushquery/v1/query"

#: Our addresses. Daraja refuses those that contain its brand names, "query" and others.
STK = "stk"

#: Tokens are checked before a request is looked at, so repeating it with a new one is safe. Note the 404.
TOKEN_REFUSED = frozenset({"400.003.01", "404.001.03", "401.002.01", "401.003.01"})
#: Answers that prove that no prompt was started, with our word for why.
NOTHING_STARTED = {
    "400.002.02": "config",
    "400.002.05": "config",
    "400.003.01": "config",
    "400.003.02": "config",
    "400.008.01": "config",
    "400.008.02": "config",
    "401.002.01": "config",
    "401.003.01": "config",
    "404.001.01": "config",
    "404.001.03": "config",
    "404.001.04": "config",
    "404.002.01": "config",
    "404.003.01": "config",
    "405.001": "config",
    "500.003.02": "busy",  # spike arrest
    "500.003.03": "busy",  # quota
}
AMBIGUOUS = "500.001.1001"
#: Refusals that share the ambiguous code with real trouble, told apart by a part of the message.
REFUSED_BY_MESSAGE = {
    "unable to lock subscriber": "busy",
    "merchant does not exist": "config",
    "wrong credentials": "config",
}
REFUSING_STATUSES = frozenset({400, 401, 404, 405})


class MpesaSettings(Protocol):
    """What is read of the settings."""

    @property
    def mpesa_environment(self) -> str: ...
    @property
    def mpesa_consumer_key(self) -> str: ...
    @property
    def mpesa_consumer_secret(self) -> str: ...
    @property
    def mpesa_shortcode(self) -> str: ...
    @property
    def mpesa_passkey(self) -> str: ...
    @property
    def mpesa_base_url(self) -> str: ...


def build(settings: MpesaSettings, simulator_url: str, tools: Tools) -> Rail:
    """M-Pesa as the settings say, or on its simulator."""
    mpesa = Mpesa(
        base_url=simulator_url or settings.mpesa_base_url or BASE_URLS[settings.mpesa_environment],
        consumer_key=SIMULATED if simulator_url else settings.mpesa_consumer_key,
        consumer_secret=SIMULATED if simulator_url else settings.mpesa_consumer_secret,
        shortcode=settings.mpesa_shortcode,
        passkey=settings.mpesa_passkey or _public_passkey(settings),
        clock=tools.clock,
        tokens=tools.tokens,
        observer=tools.observer,
    )
    return Rail(
        mpesa.name,
        is_up=mpesa.is_up,
        channels=(Channel(STK, About.PAYMENT, read_callback),),
        collects=mpesa,
    )


def _public_passkey(settings: MpesaSettings) -> str:
    """The sandbox's shortcode has a passkey that is public; any other shortcode needs its own."""
    return SANDBOX_PASSKEY if settings.mpesa_shortcode == SANDBOX_SHORTCODE else ""


class Mpesa:
    """One shortcode on Daraja. Safe to share between threads."""

    name = "mpesa"

    def __init__(
        self,
        *,
        base_url: str,
        consumer_key: str,
        consumer_secret: str,
        shortcode: str,
        passkey: str,
        transaction_type: str = PAYBILL,
        till: str = "",
        clock: Clock = utc_now,
        tokens: TokenCache | None = None,
        patience: Patience | None = None,
        observer: Observer | None = None,
    ) -> None:
        """``till`` is who is paid when ``transaction_type`` is ``TILL``; a paybill pays its own shortcode."""
        self._http = Http(self.name, base_url, patience, observer)
        self._tokens = Tokens(self._http, consumer_key, consumer_secret, tokens or MemoryTokenCache(clock))
        self._shortcode = shortcode
        self._passkey = passkey
        self._transaction_type = transaction_type
        self._paid_to = till or shortcode
        self._clock = clock

    def prompt(
        self, *, phone: Phone, amount: Money, reference: str, description: str, addresses: Addresses
    ) -> PromptAnswer:
        """Ask ``phone`` for whole shillings, once. Raises ``ValueError`` for cents: that is a bug of the caller."""
        request = self._signed() | {
            "TransactionType": self._transaction_type,
            "Amount": amount.whole_units,
            "PartyA": phone.msisdn,
            "PartyB": self._paid_to,
            "PhoneNumber": phone.msisdn,
            "CallBackURL": addresses(STK),
            "AccountReference": account_reference(reference),
            "TransactionDesc": transaction_description(description),
        }
        if self._http.is_shut:
            return _not_sent("breaker_open", "busy")
        try:
            return read_push(self._with_token(self._http.send, PUSH, request))
        except NoToken as refused:
            return _not_sent(refused.code, "config")
        except NotSent:
            return _not_sent("not_sent", "busy")
        except _NoToken:
            return _not_sent("no_token", "busy")
        except NoAnswer:
            return PromptAnswer(Outcome.UNKNOWN, code="no_answer")

    def ask(self, provider_id: str) -> PaymentResult:
        """What became of the push ``provider_id`` (CheckoutRequestID). Success comes without a receipt."""
        request = self._signed() | {"CheckoutRequestID": provider_id}
        try:
            answer = self._with_token(self._http.ask, QUERY, request)
        except (NoToken, NotSent, NoAnswer, _NoToken):
            return PaymentResult(PaymentVerdict.NO_ANSWER, provider_id)
        return read_query(provider_id, answer.fields)

    def is_up(self) -> bool:
        """Whether a token is to be had: the cheapest thing Daraja does."""
        try:
            self._tokens.current()
        except (NoToken, NotSent, NoAnswer):
            return False
        return True

    def close(self) -> None:
        self._http.close()

    def _signed(self) -> dict[str, Any]:
        timestamp = eat_timestamp(self._clock())
        return {
            "BusinessShortCode": self._shortcode,
            "Password": password(self._shortcode, self._passkey, timestamp),
            "Timestamp": timestamp,
        }

    def _with_token(self, call: Callable[..., Answer], path: str, request: Mapping[str, Any]) -> Answer:
        token = self._token()
        answer = call("POST", path, json=request, auth=_Bearer(token))
        if not _token_refused(answer):
            return answer
        return call("POST", path, json=request, auth=_Bearer(self._token(refused=token)))

    def _token(self, *, refused: str | None = None) -> str:
        try:
            return self._tokens.current(refused=refused)
        except NoAnswer as silence:
            # Silence of the token service says nothing about the push: that was not sent, or it was refused.
            raise _NoToken from silence


class _NoToken(Exception):
    """The token service did not answer, so the request proper never went out."""


class _Bearer:
    """Authorization for ``requests``; as ``auth`` it also wins over a ``.netrc`` of the machine."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def read_push(answer: Answer) -> PromptAnswer:
    """Daraja's answer to a push: accepted, a proven refusal, or unknown."""
    fields = answer.fields
    error = code_text(fields.get("errorCode"))
    if error:
        return _refusal(answer.status, error, fields.get("errorMessage"))
    code = code_text(fields.get("ResponseCode"))
    if answer.ok and code:
        return _response(code, fields)
    if answer.status == 429:
        return PromptAnswer(Outcome.REJECTED, code="429", reason="busy", retry_safe=True)
    if answer.status in REFUSING_STATUSES:
        return PromptAnswer(Outcome.REJECTED, code=str(answer.status), reason="config", retry_safe=True)
    return PromptAnswer(Outcome.UNKNOWN, code=str(answer.status))


def _response(code: str, fields: Mapping[str, Any]) -> PromptAnswer:
    provider_id, request_id = text(fields.get("CheckoutRequestID")), text(fields.get("MerchantRequestID"))
    if code != "0":
        return PromptAnswer(Outcome.REJECTED, provider_id, request_id, code, REASONS.get(code, "other"))
    # Accepted but nameless: nobody can ask about it, only its callback can tell.
    outcome = Outcome.ACCEPTED if provider_id else Outcome.UNKNOWN
    return PromptAnswer(outcome, provider_id, request_id, code)


def _refusal(status: int, code: str, message: object) -> PromptAnswer:
    if code in NOTHING_STARTED:
        return PromptAnswer(Outcome.REJECTED, code=code, reason=NOTHING_STARTED[code], retry_safe=True)
    said = message.lower() if isinstance(message, str) and code == AMBIGUOUS else ""
    for part, reason in REFUSED_BY_MESSAGE.items():
        if part in said:
            return PromptAnswer(Outcome.REJECTED, code=code, reason=reason)
    if code.startswith("4") and 400 <= status < 500:
        return PromptAnswer(Outcome.REJECTED, code=code, reason="other", retry_safe=code.startswith("400."))
    return PromptAnswer(Outcome.UNKNOWN, code=code)


def _not_sent(code: str, reason: str) -> PromptAnswer:
    return PromptAnswer(Outcome.REJECTED, code=code, reason=reason, retry_safe=True)


def _token_refused(answer: Answer) -> bool:
    code = code_text(answer.fields.get("errorCode"))
    return code in TOKEN_REFUSED or (answer.status == 401 and not code)


def password(shortcode: str, passkey: str, timestamp: str) -> str:
    """Base64 of shortcode, passkey and the same timestamp that goes beside it."""
    return base64.b64encode(f"{shortcode}{passkey}{timestamp}".encode()).decode()


def eat_timestamp(now: datetime) -> str:
    """``yyyyMMddHHmmss`` in East Africa Time."""
    return now.astimezone(EAT).strftime("%Y%m%d%H%M%S")


def account_reference(reference: str) -> str:
    """Up to 12 letters and digits, shown in the prompt and in the payer's SMS."""
    return re.sub(r"[^A-Za-z0-9]", "", reference)[:12] or "Payment"


def transaction_description(description: str) -> str:
    """Up to 13 plain characters; never empty, for Daraja refuses a push without it ("Invalid Remarks")."""
    return re.sub(r"[^A-Za-z0-9 ]", "", description)[:13].strip() or "Payment"
