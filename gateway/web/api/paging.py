"""Lists by pages: newest first, and an opaque cursor that asks for what comes after."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from pydantic import Field

from gateway.web.api.problems import ApiProblem
from gateway.web.api.route import AccountNumber, Taken

_REFERENCE = re.compile(r"[0-9A-Z]{1,32}", re.ASCII)

S = TypeVar("S")


class PageOf(Taken):
    """Which page of an account's list."""

    account: AccountNumber
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str, Field(max_length=100)] | None = None

    @property
    def number(self) -> str:
        return self.account.upper()


def page_of(
    asked: PageOf, rows: Callable[[str, str | None, int], Sequence[S]], name: Callable[[S], str]
) -> tuple[Sequence[S], str | None]:
    """The page and the cursor of the next one, ``None`` after the last. ``name`` is what ``rows`` goes on after."""
    found = rows(asked.number, _opened(asked.cursor), asked.limit + 1)
    page = found[: asked.limit]
    return page, _closed(name(page[-1])) if len(found) > asked.limit else None


def _closed(reference: str) -> str:
    return base64.urlsafe_b64encode(f"1{reference}".encode()).decode().rstrip("=")


def _opened(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        opened = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        opened = ""
    if opened[:1] != "1" or not _REFERENCE.fullmatch(opened[1:]):
        raise ApiProblem("invalid", [{"field": "cursor", "detail": "Must be one that an earlier page gave."}])
    return opened[1:]
