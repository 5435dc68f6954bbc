"""The statements of the books; ``services/ledger.py`` alone runs them."""

from __future__ import annotations

OPEN = "SELECT ledger_open(%s, %s)"

POST = """
SELECT * FROM ledger_post(%s, %s, %s, %s, %s, %s, %s::text[], %s::text[], %s::bigint[],
    %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s, %s, %s)
"""

POST_AND_TELL = """
SELECT * FROM ledger_post_and_tell(
    %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

FIND = """
SELECT t.id, t.kind, t.reference, t.refusal, t.refusal_limit, t.created_at,
       array_agg(p.amount ORDER BY p.seq) FILTER (WHERE p.seq IS NOT NULL), min(p.currency)
FROM ledger_transfers t LEFT JOIN ledger_postings p ON p.transfer_id = t.id
WHERE t.scope = %s AND t.key = %s GROUP BY t.id
"""

BALANCE = """
SELECT (CASE WHEN a.class = 'asset' THEN t.debits - t.credits ELSE t.credits - t.debits END), a.currency
FROM ledger_accounts a CROSS JOIN LATERAL ledger_totals(a.id) t WHERE a.code = %s
"""

FREEZE = "UPDATE ledger_accounts SET frozen = %s WHERE code = %s"

#: A transfer id above all: where a statement begins.
NEWEST = 2**63 - 1

# Two index scans from the newest end, one per side, so that a page costs the same however long the history is.
_SIDE = """
(SELECT p.transfer_id, p.seq, {other} AS other, {sign}p.amount AS amount, p.currency FROM ledger_postings p
 WHERE p.{side} = (SELECT id FROM ledger_accounts WHERE code = %(code)s)
 AND (p.transfer_id, p.seq) < (%(transfer_id)s, %(seq)s) ORDER BY p.transfer_id DESC, p.seq DESC LIMIT %(limit)s)
"""

MOVEMENTS = f"""
SELECT m.transfer_id, m.seq, t.kind, t.reference, o.code, m.amount, m.currency, t.created_at
FROM ({_SIDE.format(side="debit_account", other="p.credit_account", sign="-")}
      UNION ALL {_SIDE.format(side="credit_account", other="p.debit_account", sign="")}
      ORDER BY transfer_id DESC, seq DESC LIMIT %(limit)s) m
JOIN ledger_transfers t ON t.id = m.transfer_id JOIN ledger_accounts o ON o.id = m.other
ORDER BY m.transfer_id DESC, m.seq DESC
"""  # noqa: S608 - made of constants

CHECK = (
    "SELECT array_agg(c.key ORDER BY c.key), array_agg(c.value::bigint ORDER BY c.key) FROM ledger_check l, "
    "jsonb_each_text(to_jsonb(l)) c"
)

BOOKS = """
SELECT split_part(a.code, ':', 1), a.class, a.currency, count(*),
       sum(CASE WHEN a.class = 'asset' THEN t.debits - t.credits ELSE t.credits - t.debits END)::bigint
FROM ledger_accounts a LEFT JOIN ledger_balances b ON b.account_id = a.id
CROSS JOIN LATERAL (SELECT b.debits, b.credits WHERE a.tracked
                    UNION ALL SELECT k.debits, k.credits FROM ledger_totals(a.id) k WHERE NOT a.tracked) t
GROUP BY 1, 2, 3 ORDER BY 2, 1
"""

CHECKPOINT = "CALL ledger_checkpoint()"
