"""What the stand-ins for card rails share: cards with a fate of their own, and the page on which one is typed."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from integrations.simulation import BadControl, Reply


@dataclass(frozen=True, slots=True)
class Play:
    """What a card does. ``refusal`` is why it does not pay, in the rail's words; empty: it pays.

    ``webhook``: ``early`` comes before the payer is sent back. ``forged``: it tells a hundred times the amount.
    ``slow``: it is pending first. ``times``: how often one page is paid.
    """

    refusal: str = ""
    webhook: Literal["once", "twice", "lost", "early"] = "once"
    forged: bool = False
    slow: bool = False
    times: int = 1


class Card(Protocol):
    """One member of a rail's list of cards."""

    @property
    def name(self) -> str: ...
    @property
    def card(self) -> str: ...
    @property
    def meaning(self) -> str: ...
    @property
    def play(self) -> Play: ...


def magic_of(cards: Iterable[Card]) -> list[dict[str, str]]:
    return [{"name": each.name, "card": each.card, "meaning": each.meaning} for each in cards]


def play_of(cards: Iterable[Card], typed: object) -> Play:
    """How the typed card plays; raises ``BadControl`` for one that nobody knows."""
    number = re.sub(r"[^0-9]", "", str(typed))
    for each in cards:
        if each.card == number:
            return each.play
    raise BadControl("no such test card")


def form(rail: str, title: str, amount: str, notice: str = "") -> Reply:
    """The page of a payment: one field, two buttons, no script. What is typed is posted to the page's own address."""
    said = f'<p role="alert">{html.escape(notice)}</p>' if notice else ""
    body = f"""{said}<form method="post">
<label>Test card number <input name="card" inputmode="numeric" autocomplete="off" required></label>
<button name="do" value="pay">Pay {html.escape(amount)}</button>
<button name="do" value="cancel" formnovalidate>Cancel</button>
</form>"""
    return _page(rail, title, body)


def notice(rail: str, title: str, said: str, status: int = 200) -> Reply:
    """A page that only says something."""
    return _page(rail, title, f"<p>{html.escape(said)}</p>", status)


def _page(rail: str, title: str, body: str, status: int = 200) -> Reply:
    meta = "<meta charset=utf-8><meta name=viewport content=width=device-width>"
    head = f"<!doctype html><html lang=en>{meta}<title>{html.escape(rail)}, simulated</title>"
    text = f"{head}<h1>{html.escape(title)}</h1>\n<p>{html.escape(rail)}, simulated: no money moves.</p>\n{body}\n"
    return Reply(status, text.encode(), "text/html; charset=utf-8")


def back_to(address: str, **query: str) -> Reply:
    """Send the payer back with a query beside what the address has already."""
    told = "&".join(f"{name}={value}" for name, value in query.items())
    joint = "&" if "?" in address else "?"
    return Reply(303, location=f"{address}{joint}{told}" if told else address)
