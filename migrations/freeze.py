"""Write today's catalog into the first revision: ``python -m migrations.freeze``.

Only until the first release. After it the file is history: a change goes into schema.sql and into a new revision.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from gateway.schema_setup import queue_schema, schema

#: The last section of schema.sql: what Alembic writes by itself.
_VERSION = re.compile(r"\n-- \d+\. Version")

FROZEN = Path(__file__).parent / "versions" / "0001_first_release.sql"


def main() -> None:
    tables, _version = _VERSION.split(schema())
    FROZEN.write_text(f"{tables}\n\n{queue_schema()}", encoding="utf-8")
    sys.stdout.write(f"wrote {FROZEN.name}\n")


if __name__ == "__main__":
    main()
