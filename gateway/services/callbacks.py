"""Handling what providers sent: read it, find what it is about, act on it, and keep what cannot be settled yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.inbox import Inbox
from gateway.models.inbox import InboxItem, InboxState, Wanted, due_items, item_by_id, item_locked, items_to_replay
from gateway.services.later import Jobs
from gateway.vault import Unreadable, Vault

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of one body. ``match`` is the provider's id by which an unmatched one may be found later.

    ``received`` means: not now, look at it again.
    """

    state: InboxState
    note: str
    match: str | None = None


#: Token of the address (or ``None``) and raw body in, what became of it out. Running it again is harmless.
Handler = Callable[[str | None, bytes], Handled]


class Callbacks:
    """Carries out the job ``handle_inbox``. Nothing is ever dropped: what does not settle is tried again."""

    def __init__(
        self, db: Database, vault: Vault, inbox: Inbox, jobs: Jobs, clock: Clock, handlers: Mapping[str, Handler]
    ) -> None:
        """``handlers`` by source, e.g. ``{"mpesa.stk": PaymentCallbacks(...)}``."""
        self._db = db
        self._vault = vault
        self._inbox = inbox
        self._jobs = jobs
        self._clock = clock
        self._handlers = handlers

    def handle(self, item_id: int) -> None:
        """Handle one body, unless that is done. Raises what the handler raises: then the job runs again."""
        item = self._read(item_id)
        if item is None or not item.is_open:
            return
        self._settle(item_id, self._handled(item))

    def replay(self, wanted: Wanted, *, dry_run: bool = False) -> Counter[str]:
        """Handle stored bodies again, oldest first, also those that are done: what counted once counts once.

        Returns how many ended in which state (``dry_run``: are in which state now). Raises what a handler raises; then
        those before it are done, and the whole may be replayed again.
        """
        counts: Counter[str] = Counter()
        for item in self._items(wanted):
            if not dry_run:
                self._settle(item.id, self._handled(item))
                item = self._read(item.id) or item
            counts[item.state] += 1
        _log.info("inbox.replayed", dry_run=dry_run, **counts)
        return counts

    def _items(self, wanted: Wanted) -> Iterator[InboxItem]:
        """Page by page, so that a month of bodies is no month in memory."""
        after = 0
        while True:
            with self._db.transaction() as session:
                page = items_to_replay(session, wanted, after)
            yield from page
            if not page:
                return
            after = page[-1].id

    def _read(self, item_id: int) -> InboxItem | None:
        with self._db.transaction() as session:
            return item_by_id(session, item_id)

    def _handled(self, item: InboxItem) -> Handled:
        handler = self._handlers.get(item.source)
        if handler is None:
            return Handled(InboxState.UNMATCHED, "nobody handles this source now")
        try:
            body = self._inbox.body(item)
        except Unreadable:
            return Handled(InboxState.UNREADABLE, "sealed under a lost key")
        return handler(item.token, body)

    def retry_due(self) -> int:
        """Defer again what is not settled and due, with growing gaps; returns how many."""
        with self._db.transaction() as session:
            items = due_items(session, self._clock())
            for item in items:
                item.due_at = self._clock() + _gap(item.attempts)
                self._jobs.defer_inbox(session, item.id)
        return len(items)

    def _settle(self, item_id: int, handled: Handled) -> None:
        now = self._clock()
        with self._db.transaction() as session:
            item = item_locked(session, item_id)
            item.attempts += 1
            if item.state == InboxState.HANDLED and handled.state is not InboxState.HANDLED:
                return  # a replay cannot undo what was done
            item.state, item.note = handled.state, handled.note
            item.due_at = now + _gap(item.attempts)
            item.handled_at = None if item.is_open else now
            if handled.match:
                item.match_index = self._vault.digest("inbox.match", handled.match)
        _log.info("inbox.item", item=item_id, source=item.source, state=str(handled.state), note=handled.note)


def _gap(attempts: int) -> timedelta:
    """One minute, doubling: a forged body costs a handful of look-ups a year, a real one waits little."""
    return timedelta(minutes=1 << min(attempts, 18))
