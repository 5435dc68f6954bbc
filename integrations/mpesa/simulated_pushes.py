"""The simulator's two addresses of the STK push, over its prompts."""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Mapping
from typing import Any

from integrations.mpesa.client import PUSH, QUERY
from integrations.mpesa.magic import Play
from integrations.mpesa.payees import Plays
from integrations.mpesa.prompts import DESCRIPTIONS, Prompt, Prompts, SubscriberBusy
from integrations.mpesa.simulated_door import ADDRESS, MSISDN, SHORTCODE, Door, error, invalid, stopped
from integrations.simulation import Handler, Reply, Request, json_reply

_SUCCESS = "Success. Request accepted for processing"
_FIELDS = {
    "BusinessShortCode": SHORTCODE,
    "Timestamp": re.compile(r"20[0-9]{12}"),
    "TransactionType": re.compile(r"CustomerPayBillOnline|CustomerBuyGoodsOnline"),
    "Amount": re.compile(r"[1-9][0-9]{0,5}"),
    "PartyA": MSISDN,
    "PartyB": SHORTCODE,
    "PhoneNumber": MSISDN,
    "CallBackURL": ADDRESS,
    "AccountReference": re.compile(r"[A-Za-z0-9]{1,12}"),
}
_DESCRIPTION = re.compile(r".{1,13}")
_MOST = 250_000


class Pushes:
    """``passkey`` is checked when given."""

    def __init__(self, door: Door, prompts: Prompts, plays: Plays, passkey: str) -> None:
        self.passkey = passkey
        self._door = door
        self._prompts = prompts
        self._plays = plays
        self.routes: Mapping[tuple[str, str], Handler] = {("POST", PUSH): self._push, ("POST", QUERY): self._query}

    def _push(self, request: Request) -> Reply:
        fields = request.json
        trouble = self._door.refusal(request, _FIELDS) or _too_much(fields) or self._unsigned(fields)
        if trouble:
            return trouble
        phone = "+" + str(fields["PhoneNumber"])
        play = self._plays.of("push", phone)
        return stopped(play, "PhoneNumber") or self._shown(phone, fields, play)

    def _shown(self, phone: str, fields: dict[str, Any], play: Play | None) -> Reply:
        try:
            prompt = self._prompts.show(phone, fields, play)
        except SubscriberBusy:
            said = "Unable to lock subscriber, a transaction is already in process for the current subscriber"
            return error(500, "500.001.1001", said)
        if play and play.http == "hangs":
            time.sleep(self._prompts.options.hang_seconds)
            return Reply(504)
        return json_reply(_accepted(prompt))

    def _query(self, request: Request) -> Reply:
        fields = request.json
        trouble = self._door.refusal(request, {}) or self._unsigned(fields)
        if trouble:
            return trouble
        prompt = self._prompts.find(str(fields.get("CheckoutRequestID")))
        if prompt is None:
            return error(500, "500.001.1001", "The transaction does not exist")
        prompt.asked += 1
        if prompt.code is not None:
            return json_reply(_queried(prompt, prompt.code, DESCRIPTIONS[prompt.code]))
        if prompt.asked % 2:  # both ways to say "pending" are recorded
            return json_reply(_queried(prompt, "4999", "The transaction is still under processing"))
        return error(500, "500.001.1001", "The transaction is being processed")

    def _unsigned(self, fields: dict[str, Any]) -> Reply | None:
        shortcode, timestamp = str(fields.get("BusinessShortCode")), str(fields.get("Timestamp"))
        try:
            signed = base64.b64decode(str(fields.get("Password")), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            signed = ""
        if self.passkey:
            right = signed == shortcode + self.passkey + timestamp
        else:
            right = signed.startswith(shortcode) and signed.endswith(timestamp)
        return None if right else error(500, "500.001.1001", "Wrong credentials")


def _too_much(fields: dict[str, Any]) -> Reply | None:
    """What no shape tells; a missing description is called "Remarks" there."""
    if int(fields["Amount"]) > _MOST:
        return invalid("Amount")
    return None if _DESCRIPTION.fullmatch(str(fields.get("TransactionDesc") or "")) else invalid("Remarks")


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
