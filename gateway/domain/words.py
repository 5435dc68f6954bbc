"""How services ask for a sentence without knowing where the words live."""

from __future__ import annotations

from typing import Protocol


class Words(Protocol):
    """``words("sms.sent", "sw", amount=..., ...)``: a sentence by dotted name and language."""

    def __call__(self, name: str, language: str, /, **blanks: object) -> str: ...
