"""What one line of the API's table of routes says, and what its function is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from gateway.domain.errors import Refusal
from gateway.domain.scopes import Scope
from gateway.services.api_keys import Holder

PREFIX = "/api/v1"

#: An account by its number, as people write it. In addresses nothing else: addresses are logged, phones must not be.
AccountNumber = Annotated[str, Field(pattern=r"^[Mm][Ll]-[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{6}$", examples=["ML-7F3K9Q"])]
#: An account by its number or its owner's phone.
Who = Annotated[
    str, Field(min_length=9, max_length=20, pattern=r"^[+0-9A-Za-z()\-. ]+$", examples=["ML-7F3K9Q", "0712345678"])
]
PhoneNumber = Annotated[str, Field(min_length=9, max_length=20, pattern=r"^[+0-9()\-. ]+$", examples=["0712345678"])]
#: Hundredths of a shilling, as a JSON integer and nothing else. A million shillings is more than anything may move.
AmountMinor = Annotated[int, Field(strict=True, gt=0, le=100_000_000_00, examples=[150_000])]


class Taken(BaseModel):
    """What a program sends; what we do not know is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Given(BaseModel):
    """What a program is answered."""

    model_config = ConfigDict(frozen=True)


class Nothing(Taken):
    """Nothing is sent."""


T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """One request that may be answered: ``sent`` is its body (or its query, for a read), ``named`` the address' own
    value. ``key`` is what the business call is idempotent under; empty for a read."""

    holder: Holder
    sent: T
    named: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Route(Generic[T]):
    """One line of the table. ``refusals`` are those of the business that may be heard here."""

    method: str
    path: str
    scope: Scope
    summary: str
    takes: type[T]
    gives: type[Given]
    do: Callable[[Ask[T]], Given]
    status: int = 200
    refusals: tuple[type[Refusal], ...] = ()

    @property
    def writes(self) -> bool:
        return self.method == "POST"


Routes = tuple[Route[Any], ...]
