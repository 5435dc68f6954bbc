"""The envelope in which Daraja sends every result: whose it is, its code, and a list of keys with values.

Recorded results have keys with spaces, a key twice, a single object instead of a list, and keys without value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from integrations.http import decode
from integrations.mpesa.fields import code_text
from integrations.reading import printable

DONE = "0"


@dataclass(frozen=True, slots=True)
class Result:
    """One result. The ids are those of the request that it answers; ``values`` keeps order and repetitions."""

    code: str
    own_id: str | None
    provider_id: str | None
    receipt: str | None
    values: tuple[tuple[str, Any], ...] = ()

    def first(self, key: str) -> Any:
        """The first value under a key, ``None`` when there is none."""
        return next(iter(self.all(key)), None)

    def all(self, *keys: str) -> list[Any]:
        """Every value under these keys, in the order of the keys."""
        return [value for key in keys for name, value in self.values if name == key.lower()]


def read_result(body: bytes) -> Result | None:
    """A result, ``None`` for what is none. Never raises, whatever the bytes are."""
    envelope = _object(_object(decode(body)).get("Result"))
    code = code_text(envelope.get("ResultCode"))
    if not code:
        return None
    return Result(
        code,
        own_id=printable(envelope.get("OriginatorConversationID")),
        provider_id=printable(envelope.get("ConversationID")),
        receipt=printable(envelope.get("TransactionID")),
        values=tuple(_parameters(envelope)),
    )


def told_ids(body: bytes) -> tuple[str | None, str | None]:
    """Own id and provider's id out of a body of any form: nobody has written down what a queue timeout sends."""
    decoded = _object(decode(body))
    told = _object(decoded.get("Result")) or decoded
    return printable(told.get("OriginatorConversationID")), printable(told.get("ConversationID"))


def _parameters(envelope: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    listed = _object(envelope.get("ResultParameters")).get("ResultParameter")
    for item in map(_object, listed if isinstance(listed, list) else [listed]):
        key, value = item.get("Key"), item.get("Value")
        if isinstance(key, str) and value is not None:
            yield key.replace(" ", "").lower(), value


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
