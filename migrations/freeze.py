"""Write today's catalog into the first revision: ``python -m migrations.freeze``.

Only until the first release. After it the file is history: a change goes into schema.sql and into a new revision.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.schema_setup import queue_schema, schema

FROZEN = Path(__file__).parent / "versions" / "0001_first_release.sql"


def main() -> None:
    tables, _, _version = schema().partition("\n-- 9. Version")
    FROZEN.write_text(f"{tables}\n\n{queue_schema()}", encoding="utf-8")
    sys.stdout.write(f"wrote {FROZEN.name}\n")


if __name__ == "__main__":
    main()
