"""The simulator's requests that are answered later: taken, carried out, and told at the address they brought."""

from __future__ import annotations

import itertools
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.clock import Clock
from integrations.mpesa.fields import EAT
from integrations.mpesa.ledger import day_code
from integrations.mpesa.magic import Play
from integrations.mpesa.options import Options
from integrations.mpesa.prompts import code_value
from integrations.mpesa.simulated_door import ADDRESS, Shapes
from integrations.simulation import Later, Reply, Request, json_reply, post

DESCRIPTIONS = {
    "0": "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "2": "Declined due to limit rule: less than the minimum transaction amount.",
    "3": "Declined due to limit rule: greater than the maximum transaction amount.",
    "4": "Declined due to limit rule: would exceed daily transfer limit.",
    "8": "Declined due to limit rule: would exceed the maximum balance.",
    "2040": "Credit Party customer type (Unregistered or Registered Customer) can't be supported by the service.",
    "R000001": "The transaction has already been reversed.",
    "R000002": "The OriginalTransactionID is invalid.",
    "SFC_IC0003": "The operator does not exist.",
}
#: What all these requests have.
SHAPES: Shapes = {
    "SecurityCredential": re.compile(r"[A-Za-z0-9+/]{342}=="),
    "Remarks": re.compile(r"[A-Za-z0-9 ]{2,100}"),
    "ResultURL": ADDRESS,
    "QueueTimeOutURL": ADDRESS,
}
INITIATOR: Shapes = {"Initiator": re.compile(r"[!-~]{1,64}")}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request. ``receipt`` is empty when no money moved; a value ``None`` is written as a key alone."""

    code: str = "0"
    receipt: str = ""
    values: tuple[tuple[str, Any], ...] = ()
    as_text: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was taken. ``number`` counts them, for what alternates."""

    fields: dict[str, Any]
    play: Play
    number: int
    own_id: str
    conversation_id: str


@dataclass(slots=True)
class Requests:
    """Takes requests and tells their results. Safe between threads."""

    later: Later
    options: Options
    clock: Clock
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def take(self, asked: Asked, work: Callable[[Asked], Outcome]) -> Reply:
        """Answer a request, and plan when it is carried out (never, when its queue drops it) and told."""
        self._plan(asked, work)
        if asked.play.http == "hangs":
            time.sleep(self.options.hang_seconds)
            return Reply(504)
        return json_reply(
            {
                "ConversationID": asked.conversation_id,
                "OriginatorConversationID": asked.own_id,
                "ResponseCode": "0",
                "ResponseDescription": "Accept the service request successfully.",
            }
        )

    def asked(self, request: Request, play: Play | None, own_id: str = "") -> Asked:
        day = self.clock().astimezone(EAT).strftime("%Y%m%d")
        made = f"{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(8)}"
        conversation = f"AG_{day}_{secrets.token_hex(10)}"
        return Asked(request.json, play or Play(), next(self._numbers), own_id or made, conversation)

    def _plan(self, asked: Asked, work: Callable[[Asked], Outcome]) -> None:
        play, options = asked.play, self.options
        if play.queue != "passes":
            self.later.do(options.answer_seconds, lambda: self._time_out(asked))
        if play.queue == "dropped":
            return
        if play.callback == "early":
            self._tell(asked, work(asked))
            return
        wait = options.late_seconds if play.queue == "late" else options.answer_seconds
        self.later.do(wait, lambda: self._finish(asked, work(asked)))

    def _finish(self, asked: Asked, outcome: Outcome) -> None:
        if asked.play.callback == "late":
            self.later.do(self.options.late_seconds, lambda: self._tell(asked, outcome))
            return
        for _ in range(asked.play.tellings):
            self._tell(asked, outcome)

    def _tell(self, asked: Asked, outcome: Outcome) -> None:
        """Single shot, like Daraja."""
        post(str(asked.fields["ResultURL"]), json=self.envelope(asked, outcome))

    def _time_out(self, asked: Asked) -> None:
        """Nobody has written down what is sent: sometimes the ids, sometimes nothing."""
        ids = {"OriginatorConversationID": asked.own_id, "ConversationID": asked.conversation_id}
        body = {"json": ids} if asked.number % 2 else {"data": b""}
        post(str(asked.fields["QueueTimeOutURL"]), **body)

    def envelope(self, asked: Asked, outcome: Outcome) -> dict[str, Any]:
        text = asked.play.as_text or outcome.as_text
        result: dict[str, Any] = {
            "ResultType": "0" if text else 0,
            "ResultCode": outcome.code if text else code_value(outcome.code),
            "ResultDesc": DESCRIPTIONS[outcome.code],
            "OriginatorConversationID": asked.own_id,
            "ConversationID": asked.conversation_id,
            "TransactionID": outcome.receipt or day_code(self.clock()) + "0000000",
        }
        if outcome.values:
            parameters = [{"Key": k} | ({} if v is None else {"Value": v}) for k, v in outcome.values]
            result["ResultParameters"] = {"ResultParameter": parameters}
        address = {"Key": "QueueTimeoutURL", "Value": str(asked.fields["QueueTimeOutURL"])}
        item: object = address if asked.number % 2 else [{"Key": "Occasion"}]  # both are recorded
        return {"Result": result | {"ReferenceData": {"ReferenceItem": item}}}
