"""The registry of SQLAlchemy shapes. ``schema.sql`` is the truth; a test holds the shapes against it."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """Base of every shape."""


class Cursor(Protocol):
    """What hot statements need of a DBAPI cursor; ``Database.hot`` gives one."""

    def execute(self, query: str, parameters: Any = None, /) -> Any: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
