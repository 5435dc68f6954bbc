"""Cards that the simulated Stripe knows, each with a fate of its own."""

from __future__ import annotations

from enum import Enum

from integrations.cards import Play

DECLINED = "card_declined"
NO_MONEY = "insufficient_funds"


class Magic(Enum):
    """Stripe's own test cards, and ours for bad days."""

    PAYS = ("4242424242424242", "pays", Play())
    IS_DECLINED = ("4000000000000002", "is declined", Play(DECLINED))
    HAS_NO_MONEY = ("4000000000009995", "has not enough money", Play(NO_MONEY))
    WEBHOOK_LOST = ("4000000000000106", "pays, but the event is lost: only asking tells", Play(webhook="lost"))
    WEBHOOK_EARLY = ("4000000000000107", "pays; the event comes before the payer is back", Play(webhook="early"))
    WEBHOOK_TWICE = ("4000000000000108", "pays; the event comes twice", Play(webhook="twice"))
    PAYS_LATER = ("4000000000000110", "completes the page, the money comes a little later", Play(slow=True))
    FAILS_LATER = ("4000000000000114", "completes the page, the money never comes", Play("processing_error", slow=True))

    def __init__(self, card: str, meaning: str, play: Play) -> None:
        self.card = card
        self.meaning = meaning
        self.play = play
