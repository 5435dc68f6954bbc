"""The simulated Flutterwave's transfers, refunds and balance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from integrations.flutterwave import bodies
from integrations.flutterwave.ledger import Books, Charge, Refund, Transfer
from integrations.flutterwave.magic import Payee
from integrations.rails import Bench
from integrations.reading import in_major_units, major, printable
from integrations.simulation import BadControl, Handler, Reply, Request, json_reply

Tell = Callable[[Mapping[str, Any], str], None]

#: Endings of a reference that decide in Flutterwave's test mode.
SUFFIXES = {"_PMCK": "SUCCESSFUL", "_PMCK_ST_F": "FAILED"}


class Pace(Protocol):
    """The settings that are read here."""

    transfer_seconds: float


class Purse:
    """What goes out. ``tell`` posts a webhook."""

    def __init__(self, books: Books, options: Pace, bench: Bench, tell: Tell) -> None:
        self._books = books
        self._options = options
        self._bench = bench
        self._tell = tell
        self.routes: dict[tuple[str, str], Handler] = {
            ("POST", "/v3/transfers"): self._send,
            ("GET", "/v3/transfers"): self._list,
            ("GET", "/v3/transfers/*"): self._one,
            ("POST", "/v3/transactions/*"): self._give_back,
            ("GET", "/v3/refunds/*"): self._refund,
            ("GET", "/v3/balances/KES"): self._balance,
        }
        self.controls: dict[tuple[str, str], Handler] = {("POST", "/transfer"): self._settle_by_hand}

    def settle(self, sent: Transfer, status: str) -> None:
        """A transfer that is under way arrives or fails, and its webhook is sent; a settled one stays as it is."""
        with self._books.lock:
            if sent.status not in ("NEW", "PENDING"):
                return
            sent.status = status
        self._tell(bodies.transfer_event(sent), str(sent.fields.get("callback_url") or ""))

    def _send(self, request: Request) -> Reply:
        fields = request.json
        amount, reference = major(fields.get("amount"), fields.get("currency")), printable(fields.get("reference"))
        phone = str(fields.get("account_number"))
        complete = fields.get("account_bank") == "MPS" and fields.get("beneficiary_name") and fields.get("meta")
        if amount is None or reference is None or not complete:
            return _error(400, "Invalid transfer")
        with self._books.lock:
            if self._books.transfer_of(reference):
                return _error(400, "Transfer with this reference already exists")
            if self._books.available(amount.currency) < amount:
                return _error(400, "Insufficient funds in customer wallet")
            sent = Transfer(self._books.number(), reference, phone, amount, fields, "NEW", self._bench.clock())
            self._books.transfers[sent.id] = sent
        outcome = _outcome(sent)
        if outcome != "PENDING":
            self._bench.later.do(self._options.transfer_seconds, partial(self.settle, sent, outcome))
        return _success("Transfer Queued Successfully", bodies.transferred(sent))

    def _list(self, request: Request) -> Reply:
        wanted = request.query.get("reference")
        found = [each for each in self._books.transfers.values() if wanted in (None, each.reference)]
        return _success("Transfers fetched", [bodies.transferred(each) for each in found])

    def _one(self, request: Request) -> Reply:
        sent = self._books.transfers.get(_last_number(request.path))
        return _success("Transfer fetched", bodies.transferred(sent)) if sent else _error(404, "Transfer not found")

    def _give_back(self, request: Request) -> Reply:
        number, _, word = request.path.partition("/v3/transactions/")[2].partition("/")
        charge = self._books.charges.get(int(number)) if number.isascii() and number.isdigit() else None
        if charge is None or word != "refund" or charge.status != "successful":
            return _error(400, "No transaction was found for this id")
        return self._refunded(charge, request.json)

    def _refunded(self, charge: Charge, fields: Mapping[str, Any]) -> Reply:
        amount = major(fields.get("amount", bodies.verified(charge)["amount"]), charge.page.amount.currency)
        with self._books.lock:
            if amount is None or charge.refunded + amount.minor > charge.page.amount.minor:
                return _error(400, "Transaction has already been refunded")
            charge.refunded += amount.minor
            back = Refund(self._books.number(), charge, amount, str(fields.get("comments", "")), self._bench.clock())
            self._books.refunds[back.id] = back
        return _success("Transaction refund initiated", bodies.given_back(back))

    def _refund(self, request: Request) -> Reply:
        back = self._books.refunds.get(_last_number(request.path))
        return _success("Refund fetched", bodies.given_back(back)) if back else _error(404, "Refund not found")

    def _balance(self, _: Request) -> Reply:
        held = in_major_units(self._books.available("KES"))
        return _success("Wallet balance", {"currency": "KES", "available_balance": held, "ledger_balance": held})

    def _settle_by_hand(self, request: Request) -> Reply:
        sent = self._books.transfer_of(str(request.json.get("reference")))
        status = request.json.get("status")
        if sent is None or status not in ("SUCCESSFUL", "FAILED"):
            raise BadControl("needs the reference of a transfer, and SUCCESSFUL or FAILED")
        self.settle(sent, status)
        return json_reply({"status": sent.status})


def _outcome(sent: Transfer) -> str:
    """By the ending of its reference, then by its phone; else it arrives."""
    by_phone = next((each.outcome for each in Payee if each.e164 == f"+{sent.phone}"), "SUCCESSFUL")
    return next((status for ending, status in SUFFIXES.items() if sent.reference.endswith(ending)), by_phone)


def _last_number(path: str) -> int:
    number = path.rpartition("/")[2]
    return int(number) if number.isascii() and number.isdigit() else 0


def _success(message: str, data: object) -> Reply:
    return json_reply({"status": "success", "message": message, "data": data})


def _error(status: int, message: str) -> Reply:
    return json_reply({"status": "error", "message": message, "data": None}, status)
