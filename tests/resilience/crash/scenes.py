"""What a process does until it dies, one scene each: prepared by others, lived by a child, checked when all is calm.

A scene's ``typed`` is the one confirmation it is about. ``live`` runs in the child, the rest in the parent. To add a
scene is to write a class and to name it in ``SCENES``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

from tests.house import PIN

if TYPE_CHECKING:
    from tests.resilience.crash.nursery import Live
    from tests.resilience.crash.town import Town

Json = dict[str, Any]
#: Member, friend: both have accounts.
JANE, JOHN = "0719100001", "0719100002"
SHILLINGS = 500


class Scene(Protocol):
    name: str

    def prepare(self, town: Town) -> Json:
        """Up to the last answer before it counts: ``phone``, ``session``, ``text``, ``typed``; and what was before."""

    def live(self, live: Live, facts: Json) -> None:
        """In the child."""

    def check(self, town: Town, facts: Json, *, once: bool) -> None:
        """All is calm; ``once``: the confirmation came again, so it has happened by now."""


class Deposit:
    """Request, push, callback, SMS: the usual day."""

    name = "deposit"
    play: str | None = None

    def prepare(self, town: Town) -> Json:
        town.plays(JANE, self.play)
        phone = town.dials(JANE).chooses("Deposit")
        return town.before(phone, str(SHILLINGS)) | {"wallet": town.wallet(JANE)}

    def live(self, live: Live, facts: Json) -> None:
        live.hop(facts)
        live.hands.work()
        live.hears()
        live.hands.work()

    def check(self, town: Town, facts: Json, *, once: bool) -> None:
        paid = town.receipts(JANE, facts)
        rows = town.rows(
            "SELECT reference, state, provider_id IS NULL, needs_review FROM payments WHERE id > %s",
            facts["payments"],
        )
        assert len(rows) == 1 or (not once and rows == []), rows
        assert len(paid) <= 1, "the phone was prompted, and paid, twice"
        assert town.wallet(JANE) - facts["wallet"] == sum(paid), "what came is what was credited"
        told = Counter(kind for kind, reference in town.told(facts) if kind in _FINAL)
        if paid:
            assert [row[1] for row in rows] == ["confirmed"]
            assert told.total() == 1, told
            assert not told.keys() - {"deposit_confirmed", "deposit_confirmed_no_receipt"}
        elif rows:
            assert town.looked_at == [rows[0][0]], "a person is asked only when nobody can know whether the phone rang"
            assert rows[0][1:] == ("expired", True, False)
            assert town.prompted(JANE, facts) == 0
            assert told == Counter({"deposit_timeout": 1})


class DepositHeardFirst(Deposit):
    """The call back is here before the rail has answered the push, and is handled before that answer is used."""

    name = "deposit, called back before the answer"
    play = "CALLBACK_EARLY"

    def live(self, live: Live, facts: Json) -> None:
        def heard_first(path: str) -> None:
            if path.endswith("processrequest"):
                live.hears()
                live.hands.jobs()

        live.points.answered = heard_first
        live.hop(facts)
        live.hands.work()


class DepositAskedAbout(Deposit):
    """The call back is lost: the rail is asked."""

    name = "deposit, asked about"
    play = "CALLBACK_LOST"

    def live(self, live: Live, facts: Json) -> None:
        live.hop(facts)
        live.hands.work()
        live.later(30)
        live.hands.work()


class DepositRefused(Deposit):
    """The payer cancels: no money, told once."""

    name = "deposit, cancelled"
    play = "CANCELS"

    def check(self, town: Town, facts: Json, *, once: bool) -> None:
        rows = town.rows("SELECT reference, state FROM payments WHERE id > %s", facts["payments"])
        assert len(rows) == 1 or (not once and rows == []), rows
        assert town.wallet(JANE) == facts["wallet"]
        assert town.receipts(JANE, facts) == []
        told = [kind for kind, _ in town.told(facts) if kind in _FINAL]
        assert told == [{"failed": "deposit_cancelled", "expired": "deposit_timeout"}[state] for _, state in rows]


class Transfer:
    """PIN, posting, two SMS."""

    name = "transfer to a member"
    to = JOHN

    def prepare(self, town: Town) -> Json:
        to = self.recipient(town)
        phone = town.dials(JANE).chooses("Send money").types(to, str(SHILLINGS)).sees("Enter PIN")
        return town.before(phone, PIN) | {"to": to, "wallet": town.wallet(JANE), "theirs": town.wallet(to)}

    def recipient(self, town: Town) -> str:
        return self.to

    def live(self, live: Live, facts: Json) -> None:
        live.hop(facts)
        live.hands.work()

    def check(self, town: Town, facts: Json, *, once: bool) -> None:
        moved = self.moved(town, facts, once=once)
        told = Counter(kind for kind, _ in town.told(facts))
        assert town.wallet(facts["to"]) - facts["theirs"] == moved * SHILLINGS
        assert told == Counter({"sent": moved, "received": moved} if moved else {})

    def moved(self, town: Town, facts: Json, *, once: bool) -> int:
        """How often the money has left."""
        sent = "SELECT count(*) FROM ledger_transfers WHERE id > %s AND kind = 'send' AND refusal IS NULL"
        moved = int(town.rows(sent, facts["transfers"])[0][0])
        assert moved == 1 if once else moved <= 1
        assert facts["wallet"] - town.wallet(JANE) == moved * (SHILLINGS + 5)
        return moved


class TransferToStranger(Transfer):
    """The money is put aside, and two people are told."""

    name = "transfer to a stranger"

    def recipient(self, town: Town) -> str:
        return town.stranger()

    def check(self, town: Town, facts: Json, *, once: bool) -> None:
        moved = self.moved(town, facts, once=once)
        waiting = "SELECT coalesce(sum(amount_minor), 0)::bigint FROM claims WHERE id > %s AND state = 'waiting'"
        assert town.rows(waiting, facts["claims"])[0][0] == moved * SHILLINGS * 100
        told = Counter(kind for kind, _ in town.told(facts))
        assert told == Counter({"claim_sent": moved, "claim_waiting": moved} if moved else {})


class Claim:
    """A stranger registers, and what waited is theirs."""

    name = "a stranger claims"

    def prepare(self, town: Town) -> Json:
        stranger = town.stranger()
        town.dials(JANE).chooses("Send money").types(stranger, str(SHILLINGS), PIN).sees("Sent KES 500")
        town.calm()
        phone = town.phone(stranger).dials().types("1", "1", "Mary Achieng", PIN)
        return town.before(phone, PIN) | {"to": stranger}

    def live(self, live: Live, facts: Json) -> None:
        live.hop(facts)
        live.hands.work()

    def check(self, town: Town, facts: Json, *, once: bool) -> None:
        there = town.wallet(facts["to"])
        assert there == SHILLINGS if once else there in (0, SHILLINGS)
        told = Counter(kind for kind, _ in town.told(facts))
        assert told["claim_received"] <= 1


_FINAL = frozenset(
    f"deposit_{kind}"
    for kind in ("confirmed", "confirmed_no_receipt", "cancelled", "no_money", "failed", "timeout", "short")
)

SCENES: dict[str, Scene] = {
    scene.name: scene
    for scene in (
        Deposit(),
        DepositHeardFirst(),
        DepositAskedAbout(),
        DepositRefused(),
        Transfer(),
        TransferToStranger(),
        Claim(),
    )
}
