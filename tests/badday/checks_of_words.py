"""What people were told, and what stands in the logs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.badday.callers import PIN
from tests.badday.evening import Evening
from tests.badday.town import Town

#: A payment is told as often as it came to an end: money that shows up later is news. What the payer added was said
#: on the screen; a receipt with more money, and money that came twice and stayed, are told with their amount.
_PAYMENTS = """
    SELECT p.reference, p.state,
        (SELECT count(*) FROM messages m WHERE m.reference = p.reference
            AND m.kind ~ '^deposit_(confirmed|confirmed_no_receipt|cancelled|no_money|failed|timeout|short)$'),
        (SELECT count(*) FROM payment_events e WHERE e.payment_id = p.id AND (
            (e.to_state IN ('confirmed', 'failed', 'expired') AND e.from_state IS DISTINCT FROM e.to_state
                AND e.because NOT LIKE 'added by the payer%%') OR e.because LIKE 'short by%%'
                AND e.from_state = e.to_state)),
        (SELECT count(*) FROM payment_events e WHERE e.payment_id = p.id AND (
            e.because LIKE 'receipt came later%%' OR e.because LIKE 'another receipt%%'))
    FROM payments p WHERE p.purpose = 'deposit'
"""
_PAYOUTS = """
    SELECT p.reference, p.state, count(m.id) FROM payouts p LEFT JOIN messages m ON m.reference = p.reference
        AND m.kind ~ '^(withdraw_(paid|paid_no_receipt|returned|not_registered|limit)|refunded(_whole)?|refund_kept)$'
    WHERE p.account_id IS NOT NULL GROUP BY 1, 2 HAVING count(m.id) <> 1
"""
_TWICE = """
    SELECT reference || ' ' || kind FROM messages WHERE reference IS NOT NULL
    GROUP BY reference, kind, body, phone_last4 HAVING count(*) > 1
"""
_ALLOWED = "SELECT body, sum(1 + silences)::bigint FROM messages WHERE body IS NOT NULL GROUP BY body"
_BAD_WORDS = re.compile(r'Traceback \(most recent|"unexpected"|"level": ?"critical"')
#: What libraries say of a connection that was cut under them: nothing is lost, and whoever used it tries later.
_CUT = re.compile(
    r'"logger": "sqlalchemy\.pool.*connection already closed|"logger": "asyncio".*ConnectorException'
    r'|ConnectorException.*"logger": "asyncio"'
)
_NUMBER = re.compile(r"(?<![\d.])(?:\+?254|0)7(?:19|20)\d{6}(?!\d)")
_SECRET = re.compile(rf"(?<![\d.]){PIN}(?!\d)")


class Words:
    """Checks on messages and logs."""

    def __init__(self, town: Town, evening: Evening) -> None:
        self._town = town
        self._evening = evening

    def told_once(self) -> Iterator[str]:
        for reference, state, told, ends, more in self._rows(_PAYMENTS):
            if not ends <= told <= ends + more:
                yield f"payment {reference} is {state}: {ends} ends, {more} more receipts, told {told} times"
        for reference, state, told in self._rows(_PAYOUTS):
            yield f"payout {reference} is {state}: told {told} times"
        yield from (f"the same text twice: {row[0]}" for row in self._rows(_TWICE))

    def repeated(self) -> Iterator[str]:
        """A receipt whose sending nobody answered is sent once more, by rule; a code never is."""
        allowed = dict(self._rows(_ALLOWED))
        sent = Counter(message.text for message in self._town.simulators.sms.messages)
        for text, times in sent.items():
            if text in allowed and times > allowed[text]:
                yield f"{times} times, {allowed[text]} allowed: {text[:40]}"

    def logs(self) -> Iterator[str]:
        for path in sorted(self._town.folder.glob("*.log")):
            if path.name not in ("redis.log", "postgresql.log", "day.log"):
                yield from self._bad_lines(path.name, path.read_text(errors="replace"))

    def _bad_lines(self, name: str, text: str) -> Iterator[str]:
        for pattern in (_BAD_WORDS, _NUMBER, _SECRET):
            found = [line for line in text.splitlines() if pattern.search(line) and not _CUT.search(line)]
            if found:
                yield f"{name}: {len(found)} lines like {found[0][:400]}"

    def _rows(self, sql: str) -> list[Any]:
        with self._evening.parts.db.reading() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql).all()]
