"""The inbox: what a provider sends is stored once, sealed, before anything else, and handled afterwards by a job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.models.inbox import InboxItem, insert_item
from gateway.services.later import Jobs
from gateway.vault import Vault
from integrations.protocols import Channel

#: Headers that say who called and how; nothing that could be a credential.
_KEPT_HEADERS = frozenset({"content-type", "user-agent", "x-forwarded-for", "businessshortcode"})
#: When the job of a fresh item must be considered lost.
_LOST_AFTER = timedelta(minutes=2)


class Inbox:
    """One insert and one job, in one transaction; so the provider is answered in milliseconds."""

    def __init__(self, db: Database, vault: Vault, jobs: Jobs, clock: Clock) -> None:
        self._db = db
        self._vault = vault
        self._jobs = jobs
        self._clock = clock

    def keep(
        self, source: str, token: str | None, body: bytes, headers: Mapping[str, str], address: str | None = None
    ) -> int | None:
        """Store a raw body; ``None`` when the same one came before. Raises ``TryLater`` when it could not be stored.

        ``source`` names the reader, ``token`` is the one in the address, if any; ``address`` is who sent it.
        """
        now = self._clock()
        with self._db.transaction() as session:
            item_id = insert_item(
                session,
                source=source,
                token=token,
                digest=self._vault.digest("inbox", source, token or "", sha256(body).hexdigest()),
                body_sealed=self._vault.seal(_packed(body, headers, address)),
                received_at=now,
                due_at=now + _LOST_AFTER,
            )
            if item_id is not None:
                self._jobs.defer_inbox(session, item_id)
        return item_id

    def body(self, item: InboxItem) -> bytes:
        """The raw body as it came; raises ``Unreadable`` when its key is gone."""
        return str(self._unpacked(item)["body"]).encode("latin-1")

    def address(self, item: InboxItem) -> str | None:
        """Who sent it, as far as our proxies tell; raises ``Unreadable`` when its key is gone."""
        said = self._unpacked(item).get("address")
        return None if said is None else str(said)

    def _unpacked(self, item: InboxItem) -> dict[str, object]:
        unpacked: dict[str, object] = json.loads(self._vault.open(item.body_sealed))
        return unpacked


def _packed(body: bytes, headers: Mapping[str, str], address: str | None) -> str:
    """Any bytes survive: Latin-1 gives every byte a character."""
    kept = {name.lower(): value for name, value in headers.items() if name.lower() in _KEPT_HEADERS}
    return json.dumps({"body": body.decode("latin-1"), "headers": kept, "address": address})


def source_of(rail: str, channel: Channel) -> str:
    """The inbox's name for what comes by a rail's channel."""
    return f"{rail}.{channel.name}"
