"""Somebody who knows our addresses, has seen old callbacks, and wants money."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Callable
from typing import Any

import psycopg2

from integrations.mpesa.client import STK
from integrations.mpesa.paybill import PAYBILL
from integrations.mpesa.prompts import Prompt, callback_body
from integrations.mpesa.rail import CHANNELS
from integrations.simulation import post
from tests.badday.tally import Tally
from tests.badday.town import TOKEN, Town

_CHANNELS = [channel.name for channel in CHANNELS]
_TOLD = "SELECT receipt FROM receipts WHERE rail = 'mpesa' AND payment_id IS NOT NULL"
_GARBAGE = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"Body":{"stkCallback":7}}',
    b'{"Result":{"ResultCode":0}}',
    b"a=b",
]


class Forger:
    """``strike`` sends one forged body; ``chance`` chooses which."""

    def __init__(self, town: Town, database_url: str, chance: random.Random, tally: Tally) -> None:
        self._town = town
        self._database_url = database_url
        self._chance = chance
        self._tally = tally
        self._kinds: dict[str, Callable[[], None]] = {
            "forged: garbage": self._garbage,
            "forged: wrong token": self._wrong_token,
            "forged: the token of another payment": self._other_token,
            "forged: ids that nobody has": self._unknown_ids,
            "forged: old body, other amount": self._replayed,
            "forged: payout results": self._payout,
            "forged: paybill": self._paybill,
        }

    def strike(self) -> None:
        name = self._chance.choice(list(self._kinds))
        self._kinds[name]()
        self._tally.note("injected", name)

    def _send(self, token: str, channel: str, body: object) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        heard = post(f"{self._town.url}/hooks/{token}/{channel}", seconds=10, data=data)
        if heard.status not in (0, 200, 503):
            self._tally.note("wrong", f"a forged body was answered {heard.status}")

    def _garbage(self) -> None:
        token = self._chance.choice([TOKEN, secrets.token_hex(16), "x", "0" * 64])
        self._send(token, self._chance.choice(_CHANNELS), self._chance.choice(_GARBAGE))

    def _wrong_token(self) -> None:
        for prompt in self._some(self._prompts):
            self._send(secrets.token_hex(16), STK, self._paid(prompt, 100_000))

    def _other_token(self) -> None:
        """An old prompt's address, with news of another one."""
        old, new = self._some(self._told_prompts), self._some(self._prompts)
        if old and new and old != new:
            self._send(_token(old[0]), STK, self._paid(new[0], 50_000))

    def _unknown_ids(self) -> None:
        made = {"MerchantRequestID": secrets.token_hex(8), "CheckoutRequestID": f"ws_CO_{secrets.randbelow(10**17)}"}
        body = {"Body": {"stkCallback": made | {"ResultCode": 0, "ResultDesc": "ok"} | _items(900, "SXX0000001")}}
        self._send(secrets.token_hex(16), STK, body)

    def _replayed(self) -> None:
        for prompt in self._some(self._told_prompts):
            assert prompt.receipt is not None
            self._send(_token(prompt), STK, self._paid(prompt, 90_000, prompt.receipt.receipt))

    def _payout(self) -> None:
        """That a payout failed, or was paid more, from whoever does not know its address."""
        payouts = list(self._town.simulators.mpesa.payouts.all.values())
        if not payouts:
            return
        asked = self._chance.choice(payouts).asked
        result: dict[str, Any] = {
            "ResultType": 0, "ResultCode": self._chance.choice([0, 1, 2040, "SFC_IC0003"]), "ResultDesc": "forged",
            "OriginatorConversationID": asked.own_id, "ConversationID": asked.conversation_id,
            "TransactionID": "FORGED0001",
        }  # fmt: skip
        self._send(secrets.token_hex(16), self._chance.choice(_CHANNELS), {"Result": result})

    def _paybill(self) -> None:
        """Money that never came, told at an address without the token."""
        body = {
            "TransactionType": "Pay Bill", "TransID": f"FRG{secrets.token_hex(4).upper()[:7]}", "TransAmount": "700.00",
            "TransTime": "20260101120000", "BusinessShortCode": "174379", "BillRefNumber": "0719000101",
            "MSISDN": "254719000101", "FirstName": "EVE",
        }  # fmt: skip
        self._send(secrets.token_hex(16), PAYBILL, body)

    @property
    def _prompts(self) -> list[Prompt]:
        return self._town.simulators.mpesa.prompts.all()

    @property
    def _told_prompts(self) -> list[Prompt]:
        """Those whose receipts we have: only what was told can have been overheard."""
        connection = psycopg2.connect(self._database_url)
        try:
            with connection.cursor() as cursor:
                cursor.execute(_TOLD)
                known = {row[0] for row in cursor.fetchall()}
        finally:
            connection.close()
        return [prompt for prompt in self._prompts if prompt.receipt and prompt.receipt.receipt in known]

    def _some(self, prompts: list[Prompt]) -> list[Prompt]:
        return [self._chance.choice(prompts)] if prompts else []

    def _paid(self, prompt: Prompt, amount: int, receipt: str = "") -> dict[str, Any]:
        body = callback_body(prompt)
        told = body["Body"]["stkCallback"]
        receipt = receipt or f"FRG{secrets.token_hex(4).upper()[:7]}"
        return {"Body": {"stkCallback": told | {"ResultCode": 0} | _items(amount, receipt, int(prompt.phone[1:]))}}


def _items(amount: int, receipt: str, phone: int = 254719000101) -> dict[str, Any]:
    told = {"Amount": amount, "MpesaReceiptNumber": receipt, "TransactionDate": 20260101120000, "PhoneNumber": phone}
    return {"CallbackMetadata": {"Item": [{"Name": name, "Value": value} for name, value in told.items()]}}


def _token(prompt: Prompt) -> str:
    return prompt.callback_url.split("/hooks/")[1].split("/")[0]
