"""How Alembic reaches the database: on the connection it was given, else at DATABASE_URL."""

from __future__ import annotations

import os
import sys

from alembic import context
from sqlalchemy import Connection

from gateway.schema_setup import locked


def run(connection: Connection) -> None:
    """All missing revisions in the transaction that is open: either all of them happened or none."""
    context.configure(connection=connection, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
elif not os.environ.get("DATABASE_URL"):
    sys.exit("DATABASE_URL is not set: it says which database to bring up to date.")
else:
    with locked(os.environ["DATABASE_URL"]) as connection:
        run(connection)
