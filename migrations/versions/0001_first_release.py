"""The catalog of the first release, from a file that never changes after it.

``0001_first_release.sql`` is schema.sql and the job queue's tables as they were released; ``make freeze-schema`` wrote it.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    # The driver's own cursor: a file may hold many statements, and % signs that are no blanks.
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(sql)


def downgrade() -> None:
    raise NotImplementedError("money does not go back in time: restore a backup instead")
