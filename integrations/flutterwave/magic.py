"""Cards and phone numbers that the simulated Flutterwave knows, each with a fate of its own."""

from __future__ import annotations

from enum import Enum

from integrations.cards import Play

NO_MONEY = "Insufficient Funds"
DECLINED = "Declined"


class Magic(Enum):
    """Flutterwave's own test cards, two that Visibuy names, and ours for bad days."""

    PIN = ("5531886652142950", "pays (PIN)", Play())
    THREE_DS_MASTERCARD = ("5438898014560229", "pays (3-D Secure)", Play())
    THREE_DS_VISA = ("4187427415564246", "pays (3-D Secure)", Play())
    VERVE = ("5061460410120223210", "pays (Verve)", Play())
    NO_AUTH = ("5061460166976054667", "pays (no authentication)", Play())
    AVS = ("4556052704172643", "pays (address check)", Play())
    HAS_NO_MONEY = ("5258585922666506", "has not enough money", Play(NO_MONEY))
    DO_NOT_HONOUR = ("5143010522339965", "is declined: do not honour", Play("Do not honor"))
    FRAUDULENT = ("5590131743294314", "is declined: fraudulent", Play("Fraudulent"))
    WRONG_PIN = ("5399834697894723", "is declined: wrong PIN", Play("Incorrect PIN"))
    PAYS = ("4242424242424242", "pays", Play())
    IS_DECLINED = ("4111111111111111", "is declined", Play(DECLINED))
    WEBHOOK_LOST = ("4000000000000106", "pays, but the webhook is lost: only asking tells", Play(webhook="lost"))
    WEBHOOK_EARLY = ("4000000000000107", "pays; the webhook comes before the payer is back", Play(webhook="early"))
    WEBHOOK_TWICE = ("4000000000000108", "pays; the webhook comes twice", Play(webhook="twice"))
    WEBHOOK_LIES = ("4000000000000109", "pays; the webhook tells a hundred times the amount", Play(forged=True))
    PENDING_FIRST = ("4000000000000110", "is pending first, then pays", Play(slow=True))
    PAYS_TWICE = ("4000000000000111", "pays twice on one page", Play(times=2))

    def __init__(self, card: str, meaning: str, play: Play) -> None:
        self.card = card
        self.meaning = meaning
        self.play = play


class Payee(Enum):
    """Phone numbers at which a transfer does not simply arrive."""

    FAILS = ("+254700000122", "a transfer to it fails", "FAILED")
    WAITS = ("+254700000123", "a transfer to it stays pending until it is settled by hand", "PENDING")

    def __init__(self, e164: str, meaning: str, outcome: str) -> None:
        self.e164 = e164
        self.meaning = meaning
        self.outcome = outcome
