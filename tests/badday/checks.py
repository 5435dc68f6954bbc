"""What must be true after a bad day. Every check returns sentences about what is not; none is good news."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from gateway.parts import Parts
from integrations.mpesa.ledger import PAYOUT, REVERSAL, Books
from tests.badday import checks_of_words
from tests.badday.evening import Evening
from tests.badday.tally import Tally
from tests.badday.town import Town

_BALANCES = """
    SELECT a.code, (t.debits - t.credits)::bigint FROM ledger_accounts a CROSS JOIN LATERAL ledger_totals(a.id) t
    WHERE a.currency = 'KES'
"""
#: What we say came, or went, under a receipt; a second receipt of a payment stands in the key of its entry alone.
_BOOKED = """
    SELECT receipt, received_minor FROM payments WHERE receipt IS NOT NULL
    UNION SELECT receipt, amount_minor FROM arrivals WHERE state <> 'disbelieved' AND payment_id IS NULL
    UNION SELECT receipt, -amount_minor FROM payouts WHERE receipt IS NOT NULL
    UNION SELECT split_part(t.key, ':', 2), p.amount FROM ledger_transfers t
        JOIN ledger_postings p ON p.transfer_id = t.id JOIN ledger_accounts a ON a.id = p.debit_account
        WHERE t.scope = 'payment' AND a.code = 'float:mpesa' AND t.refusal IS NULL
        AND split_part(t.key, ':', 2) NOT IN (SELECT receipt FROM payments WHERE receipt IS NOT NULL)
        AND split_part(t.key, ':', 2) IN (SELECT receipt FROM receipts)
"""
#: A query confirms without an amount, and less had come: a person sees the payment, and suspense what it lacks.
_LACKING = """
    SELECT coalesce(sum(l.amount), 0)::bigint FROM ledger_transfers t JOIN ledger_postings l ON l.transfer_id = t.id
    JOIN payments p ON p.reference = split_part(t.key, ':', 1) AND p.needs_review WHERE t.kind = 'deposit_less'
"""
_PAYOUTS = "SELECT reference, state, amount_minor, way, receipt, undone_receipt, needs_review FROM payouts"
_DIFFERENCES = "SELECT kind || ' ' || subject || ' ' || action FROM differences WHERE state = 'open' AND rail = 'mpesa'"
_BODIES = """
    SELECT i.source || ' ' || i.state || ' ' || coalesce(i.note, '') FROM inbox i
    WHERE i.state <> 'handled' AND i.token IS NOT NULL AND (
        (i.note = 'no such payment' AND EXISTS (
            SELECT FROM payments p WHERE p.token = i.token AND i.source = p.rail || '.stk'))
        OR (i.state = 'unmatched' AND EXISTS (
            SELECT FROM payout_attempts a WHERE i.token IN (a.token, a.question_token))))
"""


class Checks:
    """All of them, on one world."""

    def __init__(self, town: Town, evening: Evening, tally: Tally) -> None:
        self._town, self._evening, self._tally = town, evening, tally
        self._parts: Parts = evening.parts
        self._rail: Books = town.simulators.mpesa.books
        self._words = checks_of_words.Words(town, evening)

    def run(self) -> dict[str, list[str]]:
        """Sentences by check."""
        checks: dict[str, Callable[[], Iterator[str]]] = {
            "the books are right (ledger_check)": self._ledger,
            "our float is what the rail holds, to the cent": self._float,
            "wallets, fees, claims, suspense and clearing are the float": self._whole,
            "every receipt of the rail is booked once, with its amount": self._receipts,
            "every phone holds its opening balance and what its receipts say": self._phones,
            "nothing is in clearing, and in suspense only what waits for its payer": self._between,
            "no payout was paid twice, and each says what the rail says": self._payouts,
            "nothing is open: payments, payouts, arrivals, SMS, bodies, jobs": self._open,
            "no difference with the rail is open": lambda: iter(self._evening.names(_DIFFERENCES)),
            "no body about something of ours is left unhandled": lambda: iter(self._evening.names(_BODIES)),
            "each outcome is told once": self._words.told_once,
            "no SMS reached a phone twice, but after a silence": self._words.repeated,
            "logs: no trace, nothing unexpected or critical, no number, no PIN": self._words.logs,
            "no job failed in the evening": lambda: iter(self._tally.of("failed jobs")),
            "no page was wrong, and the web never answered 500": lambda: iter(self._tally.of("wrong")),
        }
        return {name: list(check()) for name, check in checks.items()}

    def rows(self, sql: str) -> list[Any]:
        with self._parts.db.reading() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql).all()]

    def _ledger(self) -> Iterator[str]:
        with self._parts.db.hot() as cursor:
            wrong = {name: count for name, count in self._parts.ledger.check(cursor).items() if count}
        yield from (f"{name}: {count}" for name, count in wrong.items())

    def _balances(self) -> Counter[str]:
        """Debits minus credits, by kind of account; the rails' own by their full code."""
        found: Counter[str] = Counter()
        for code, balance in self.rows(_BALANCES):
            kind = code.split(":")[0]
            found[kind if kind in ("wallet", "claim", "fees") else code] += balance
        return found

    def _float(self) -> Iterator[str]:
        ours, theirs = self._balances()["float:mpesa"], self._rail.available * 100
        if ours != theirs:
            yield f"ours {ours}, theirs {theirs}"

    def _whole(self) -> Iterator[str]:
        held = self._balances()
        parts = {name: -held[name] for name in ("wallet", "fees", "claim", "suspense:mpesa", "clearing:mpesa")}
        if sum(parts.values()) != held["float:mpesa"]:
            yield f"float {held['float:mpesa']}, but {parts}"
        if held["claim"]:
            yield f"{-held['claim']} in claims a week later"

    def _receipts(self) -> Iterator[str]:
        told = sorted((receipt, amount) for receipt, amount in self.rows(_BOOKED))
        real = sorted((moved.receipt, moved.amount * 100) for moved in self._rail.receipts)
        yield from (f"{receipt}: here {amount}, not there" for receipt, amount in told if (receipt, amount) not in real)
        yield from (f"{receipt}: there {amount}, not here" for receipt, amount in real if (receipt, amount) not in told)
        ours = {row[0] for row in self.rows("SELECT receipt FROM receipts WHERE rail = 'mpesa'")}
        theirs = {moved.receipt for moved in self._rail.receipts}
        yield from (f"not here: {receipt}" for receipt in sorted(theirs - ours))
        yield from (f"not there: {receipt}" for receipt in sorted(ours - theirs))

    def _phones(self) -> Iterator[str]:
        moved: Counter[str] = Counter()
        for one in self._rail.receipts:
            moved[one.phone] += one.amount
        for phone, balance in self._rail.balances.items():
            if balance != self._town.mpesa_options.opening_balance - moved[phone]:
                yield f"the phone that ends in {phone[-4:]}: {balance}"

    def _between(self) -> Iterator[str]:
        held = self._balances()
        waiting = self.rows("SELECT coalesce(sum(waiting_minor), 0)::bigint FROM payments")[0][0]
        if held["clearing:mpesa"]:
            yield f"{-held['clearing:mpesa']} in clearing"
        lacking = self.rows(_LACKING)[0][0]
        if -held["suspense:mpesa"] != waiting - lacking:
            yield f"{-held['suspense:mpesa']} in suspense, {waiting} wait for their payers, {lacking} never came"

    def _payouts(self) -> Iterator[str]:
        paid: dict[str, list[int]] = {}
        for one in self._rail.receipts:
            if one.kind in (PAYOUT, REVERSAL):
                name = one.reference.rsplit("-", 1)[0] if one.kind == PAYOUT else one.reference
                paid.setdefault(name, []).append(-one.amount * 100)
        for reference, state, amount, way, _, undone, _ in self.rows(_PAYOUTS):
            found = paid.pop(reference if way == "send" else undone, [])
            if found != ([amount] if state == "paid" else []):
                yield f"{reference} is {state} ({amount}), and the rail has {found}"
        yield from (f"nobody here knows {name}" for name in paid)

    def _open(self) -> Iterator[str]:
        yield from (f"{what}: {found[:5]}" for what, found in self._evening.open().items())
