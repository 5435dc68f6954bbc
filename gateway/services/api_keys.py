"""Keys of the REST API: made, shown once, found by their digest, revoked."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, select

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.references import new_reference
from gateway.domain.scopes import Scope
from gateway.models import api as rows
from gateway.models.api import ApiKey
from gateway.vault import Vault

_log = structlog.get_logger(__name__)

#: Eight characters to name it by, 192 random bits that nobody guesses.
_KEY = re.compile(r"mk_[0-9a-z]{8}_[0-9a-f]{48}", re.ASCII)
#: How old the note of its last use may be: a row is not written for every request.
_NOTED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: the only time that it is seen."""

    prefix: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who is calling."""

    id: int
    name: str
    scopes: frozenset[str]


class ApiKeys:
    """All keys. The database holds digests under the pepper: a stolen table opens nothing."""

    def __init__(self, db: Database, vault: Vault, clock: Clock) -> None:
        self._db = db
        self._vault = vault
        self._clock = clock

    def create(self, name: str, scopes: Collection[Scope] = tuple(Scope)) -> NewKey:
        """A new key for ``name``; several may have one name, while one takes over from the other."""
        prefix = f"mk_{new_reference().lower()}"
        secret = f"{prefix}_{secrets.token_hex(24)}"
        with self._db.transaction() as session:
            names = sorted(map(str, scopes))
            key = ApiKey(name=name, prefix=prefix, digest=self._digest(secret), scopes=names, created_at=self._clock())
            session.add(key)
        _log.info("api_key.created", name=name, prefix=prefix, scopes=names)
        return NewKey(prefix, secret)

    def revoke(self, name_or_prefix: str) -> list[str]:
        """Prefixes of the keys that opened something until now and open nothing any more."""
        named = or_(ApiKey.name == name_or_prefix, ApiKey.prefix == name_or_prefix)
        with self._db.transaction() as session:
            found = list(session.scalars(select(ApiKey).where(named, ApiKey.revoked_at.is_(None))))
            for key in found:
                key.revoked_at = self._clock()
                _log.warning("api_key.revoked", name=key.name, prefix=key.prefix)
            return [key.prefix for key in found]

    def every(self) -> list[ApiKey]:
        """All keys, oldest first, also revoked ones."""
        with self._db.transaction() as session:
            return list(session.scalars(select(ApiKey).order_by(ApiKey.id)))

    def holder(self, presented: str) -> Holder | None:
        """Whose key this is; ``None`` when it opens nothing. What has not the form of a key costs no look-up."""
        if not _KEY.fullmatch(presented):
            return None
        with self._db.hot() as cursor:
            found = rows.holder(cursor, self._digest(presented))
            if found is None:
                return None
            key_id, name, scopes, last_used_at = found
            if _is_old(last_used_at, self._clock()):
                rows.note_use(cursor, key_id, self._clock())
        return Holder(key_id, name, frozenset(scopes))

    def _digest(self, secret: str) -> bytes:
        return self._vault.digest("api key", secret)


def _is_old(noted: datetime | None, now: datetime) -> bool:
    return noted is None or now - noted > _NOTED
