"""Phone numbers to which an SMS has its own fate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Fate:
    """``first`` is the row's status code for every odd attempt, ``code`` for the others (the same if ``None``).

    ``reports`` are the report words that follow an accepted message, the last one with ``failure`` as its reason.
    """

    code: int = 101
    first: int | None = None
    reports: tuple[str, ...] = ("Success",)
    failure: str = ""

    @property
    def delivered(self) -> bool:
        return not self.reports or self.reports[-1] == "Success"


class Magic(Enum):
    """A number and what it is good for."""

    DELIVERED = (
        "+254700000201",
        "delivered, after two reports on the way",
        Fate(reports=("Sent", "Buffered", "Success")),
    )
    BAD_NUMBER = ("+254700000202", "rejected as no number (403)", Fate(403))
    BLACKLISTED = ("+254700000203", "has opted out (406)", Fate(406))
    INTERNAL_ERROR_ONCE = ("+254700000204", "every first attempt fails with 500, the next is fine", Fate(first=500))
    GATEWAY_ERROR_ONCE = ("+254700000205", "every first attempt fails with 501, the next is fine", Fate(first=501))
    NO_BALANCE = ("+254700000206", "we have no balance left (405)", Fate(405))
    REPORT_FAILED = (
        "+254700000207",
        "accepted, then reported Failed",
        Fate(reports=("Failed",), failure="DeliveryFailure"),
    )
    ABSENT = ("+254700000208", "accepted, then reported AbsentSubscriber", Fate(reports=("AbsentSubscriber",)))
    SILENT = ("+254700000209", "accepted and delivered, but never reported", Fate(reports=()))
    HTTP_HANGS = ("+254700000210", "accepted and delivered, but the HTTP answer never comes", Fate())

    def __init__(self, e164: str, meaning: str, fate: Fate) -> None:
        self.e164 = e164
        self.meaning = meaning
        self.fate = fate


ORDINARY = Fate()


def fate_of(e164: str) -> Fate:
    return next((magic.fate for magic in Magic if magic.e164 == e164), ORDINARY)
