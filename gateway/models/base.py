"""The registry of SQLAlchemy shapes. ``schema.sql`` is the truth; a test holds the shapes against it."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """Base of every shape."""
