"""Bodies made of true ones: fields dropped, renamed, doubled and swapped, and what no provider would ever write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlencode

JUNK = (
    b"",
    b"\x00",
    b"\xff\xfe\xfd",
    b"null",
    b"[]",
    b"0",
    b'"',
    b"{",
    b"NaN",
    b"\xed\xa0\x80",
    b'{"a":' * 1000 + b"1" + b"}" * 1000,
    b"[" * 1000 + b"]" * 1000,
    b"[" * 200_000,
    b'{"Body":{"stkCallback":{"ResultCode":' + b"9" * 5000 + b"}}}",
    b"A" * 70_000,
    b"\xef\xbb\xbf{}",
    "{\u2028}".encode(),
)
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    0.1,
    1e308,
    float("inf"),
    float("nan"),
    10**30,
    -(10**18),
    "",
    "0",
    "\x00",
    "\ud800",
    "\u202e\U0001f600",
    "\u0661\u0662\u0663",
    "x" * 9_000,
    "9" * 400,
    "1e9",
    "'; DROP TABLE accounts; --",
    [],
    {},
    [None, {"Name": None}],
    {"a": {"b": {}}},
)
SUCCESS: tuple[Any, ...] = (0, "0", "Success", "SUCCESS", "SUCCESSFUL", "successful", "Completed", "paid", "complete")
FAILURE: tuple[Any, ...] = (1, "1032", 2001, 2040, "Failed", "FAILED", "failed", "expired", "R000002", 9999)
RESULTS = ("ResultCode", "Status", "status", "TransactionStatus", "payment_status", "ResultType", "type", "event")
AMOUNTS = ("Amount", "TransAmount", "TransactionAmount", "amount", "amount_total", "charged_amount")


class Noise:
    """``values`` are ids, references and receipts of all rows: one of them stands where another should."""

    def __init__(self, chance: Random, values: Sequence[str]) -> None:
        self._chance = chance
        self._values = values

    def of(self, body: bytes) -> bytes:
        """The body as it is now and then, else changed up to three times, else something else altogether."""
        if self._chance.random() < 0.06:
            return self._chance.choice(JUNK)
        try:
            told = json.loads(body)
        except ValueError:
            return self._bytes(self._form(body))
        for _ in range(self._chance.choice((0, 1, 1, 1, 2))):
            told = self._changed(told)
        return self._bytes(self._written(told))

    def _form(self, body: bytes) -> bytes:
        fields: list[tuple[str, Any]] = list(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        for _ in range(self._chance.choice((0, 1, 1, 2, 3))):
            at = self._chance.randrange(len(fields)) if fields else 0
            match self._chance.randrange(4) if fields else 3:
                case 0:
                    fields.pop(at)
                case 1:
                    fields[at] = (fields[at][0], self._value(fields[at][0]))
                case 2:
                    fields[at] = (self._renamed(fields[at][0]), fields[at][1])
                case _:
                    fields.append((self._chance.choice(fields)[0] if fields else "id", self._value("")))
        return urlencode([(name, str(value).encode("utf-8", "surrogatepass")) for name, value in fields]).encode()

    def _changed(self, told: Any) -> Any:
        """One place anywhere inside is another."""
        if self._chance.random() < 0.02:
            return self._chance.choice(ODD)
        places = list(_places(told))
        if not places:
            return self._chance.choice(ODD)
        holder, key = self._chance.choice(places)
        name = str(holder.get("Name") or holder.get("Key") or key) if isinstance(holder, dict) else str(key)
        match self._chance.randrange(8):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[self._renamed(str(key))] = holder.pop(key)
            case 2 if isinstance(holder, list):
                holder.append(holder[key])
            case 3:
                holder[key] = [holder[key]]
            case 4 if name not in (*RESULTS, *AMOUNTS):
                holder[key] = self._chance.choice(self._values)
            case _:
                holder[key] = self._value(name, holder[key])
        return told

    def _value(self, name: str, was: Any = None) -> Any:
        """By the field's name: another amount, another result, another row's id, or nonsense."""
        if name in RESULTS and self._chance.random() < 0.8:
            return self._chance.choice(SUCCESS * 2 + FAILURE)
        if name in AMOUNTS and self._chance.random() < 0.7:
            return self._chance.choice((1, 5, 99, "100.00", 10**6, "1000000.00", 0.01, -100, was, f"{was}", f"{was}0"))
        return self._chance.choice((self._chance.choice(ODD), self._chance.choice(self._values)))

    def _renamed(self, name: str) -> str:
        return self._chance.choice((name.lower(), name.upper(), f"{name} ", f"\x00{name}", "", "__proto__", name[::-1]))

    def _written(self, told: Any) -> bytes:
        written = json.dumps(
            told, ensure_ascii=self._chance.random() < 0.7, indent=self._chance.choice((None, None, 2))
        )
        return written.encode("utf-8", "surrogatepass")

    def _bytes(self, body: bytes) -> bytes:
        at = self._chance.randrange(len(body) + 1)
        match self._chance.randrange(24):
            case 0:
                return body[:at]
            case 1:
                return body[:at] + self._chance.choice(JUNK[:6]) + body[at:]
            case 2:
                return body + body
            case 3:
                return body.decode("utf-8", "replace").encode("utf-16")
            case 4:  # the last of two fields of a name counts, or the first
                return body.replace(b"{", b'{"ResultCode":0,"Status":"Success","Amount":1000000,', 3)
            case _:
                return body


def _places(told: Any) -> Any:
    """Every holder and key inside, whatever the depth."""
    if isinstance(told, dict):
        inside = list(told.items())
    elif isinstance(told, list):
        inside = list(enumerate(told))
    else:
        return
    for key, value in inside:
        yield told, key
        yield from _places(value)
