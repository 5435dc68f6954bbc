"""One hop of a USSD session: found, answered once, remembered, within its time.

The rules are in ``docs/hop.md``. This module holds those that are about sessions (the same hop twice, the new tail,
whose session it is, rebuilding, the time budget); the menus know nothing of them.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as OutOfTime
from dataclasses import replace

import orjson
import structlog

from gateway.calls import Afterwards, Call, HopRules, MakesWorlds, Reply, calling_number, phone_tag
from gateway.domain.errors import TryLater
from gateway.domain.phone import Phone
from gateway.sessions import Record, SessionStore
from gateway.vault import Vault
from ussd_menus.engine import Engine, Hop, Turn
from ussd_menus.session import Session

log = structlog.get_logger()

#: A gateway that sends only the newest answer repeats a hop within this time at most.
_REPEAT_SECONDS = 2.0


class Switchboard:
    """Answers hops. Shared by all threads of a process; keeps nothing of a caller between them."""

    def __init__(
        self,
        engine: Engine,
        store: SessionStore,
        vault: Vault,
        worlds: MakesWorlds,
        afterwards: Afterwards,
        rules: HopRules,
        now: Callable[[], float] = time.time,
        threads: int = 32,
    ) -> None:
        self._engine = engine
        self._store = store
        self._vault = vault
        self._worlds = worlds
        self._afterwards = afterwards
        self._rules = rules
        self._now = now
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="hop")

    def answer(self, call: Call) -> Reply:
        """The page for this hop; never raises. What cannot be answered in time or at all is told politely."""
        try:
            return self._answer(call)
        except TryLater:
            log.warning("hop_away", session_id=call.session_id)
        except Exception:
            # The one handler of hops: a caller gets a page, whatever went wrong.
            log.exception("hop_failed", session_id=call.session_id)
        return self._away(call)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _answer(self, call: Call) -> Reply:
        owner = secrets.token_hex(8)
        taken, record = self._store.open(call.session_id, owner)
        if not taken:
            taken, record = self._store.wait(
                call.session_id, owner, self._rules.budget_seconds, lambda record: self._is_repeat(call, record)
            )
            if not taken:
                return self._busy(call, record)
        phone = calling_number(call.phone, known=record is not None)
        if phone is None:
            self._store.release(call.session_id)
            return self._end("no.bad_request", "en", "malformed")
        tag = phone_tag(self._vault, phone)
        if record is not None and record.tag != tag:
            self._store.release(call.session_id)
            return self._end("no.other_phone", "en", "refused")
        if record is not None and self._is_repeat(call, record):
            self._store.release(call.session_id)
            return Reply(record.reply, record.screen, record.language, "replayed")
        return self._in_time(_Work(self, call, phone, tag, record))

    def _busy(self, call: Call, record: Record | None) -> Reply:
        """Somebody else has answered this hop, or is not done with it, or died over it."""
        phone = calling_number(call.phone, known=True)
        if record is None or phone is None:
            return self._away(call)
        if record.tag != phone_tag(self._vault, phone):
            return self._end("no.other_phone", "en", "refused")
        if self._is_repeat(call, record):
            return Reply(record.reply, record.screen, record.language, "replayed")
        session = Session.or_none(record.walk)
        if session is None or not self._engine.acts(session):
            return self._end("no.away", record.language, "away")
        self._afterwards.promise(phone, session)
        return self._end("late", record.language, "late")

    def _away(self, call: Call) -> Reply:
        """Nothing was done for somebody who only dialled; of a call that went on we cannot say so."""
        return self._end("no.away_unsure" if call.text else "no.away", "en", "away")

    def _in_time(self, work: _Work) -> Reply:
        """Hops that stay in the menus are answered here; those that ask the world get the budget and no more."""
        if not work.asks_the_world:
            return work.run()
        future = self._pool.submit(work.run)
        try:
            return future.result(self._rules.budget_seconds)
        except OutOfTime:
            return self._too_late(work, future)

    def _too_late(self, work: _Work, future: Future[Reply]) -> Reply:
        if not work.give_up():
            return future.result()
        log.warning("hop_late", session_id=work.call.session_id, screen=work.screen)
        if work.rebuilds and not work.acts:
            return self._away(work.call)
        if not work.acts:
            return self._end("no.away", work.language, "away")
        work.promise()
        return self._end("late", work.language, "late")

    def _is_repeat(self, call: Call, record: Record) -> bool:
        if len(call.text) != record.seen or self._seen(call, len(call.text)) != record.seen_digest:
            return False
        return not self._rules.latest_input_only or self._now() - record.at < _REPEAT_SECONDS

    def _seen(self, call: Call, length: int) -> str:
        return self._digest("seen", call.session_id, call.text[:length])

    def _digest(self, purpose: str, *parts: str) -> str:
        return self._vault.digest(purpose, *parts).hex()

    def _end(self, sentence: str, language: str, outcome: str) -> Reply:
        return Reply("END " + self._engine.texts(sentence, language), "none", language, outcome)


class _Work:
    """What one hop has to do, so that it can go on in the background when its caller cannot wait."""

    def __init__(self, board: Switchboard, call: Call, phone: Phone, tag: str, record: Record | None) -> None:
        self.call = call
        self.phone = phone
        self._board = board
        self._tag = tag
        self._record = record
        self.session = Session.or_none(record.walk) if record is not None else None
        self.language = record.language if record is not None else "en"
        self.screen = record.screen if record is not None else "dial"
        self._typed = self._new_tail()
        self._decided = threading.Lock()
        self._given_up = False
        self._answered = False

    @property
    def asks_the_world(self) -> bool:
        if self._typed is None or self.session is None:
            return True
        return self._board._engine.asks_the_world(self.session, self._typed)

    @property
    def acts(self) -> bool:
        """Whether this hop may move money."""
        goes_on = self._typed is not None or self._record is None
        return goes_on and self.session is not None and self._board._engine.acts(self.session)

    @property
    def rebuilds(self) -> bool:
        """Whether a transcript is walked again: an earlier hop of it may have moved money."""
        return self._record is None and bool(self.call.text)

    def give_up(self) -> bool:
        """Stop waiting, unless the answer came this very moment: then it is ``False`` and the answer stands."""
        with self._decided:
            self._given_up = not self._answered
            return self._given_up

    def run(self) -> Reply:
        """Do it, remember it, and when the caller has gone tell the outcome by SMS."""
        board, call = self._board, self.call
        try:
            turn = self._turn()
        except Exception:
            board._store.release(call.session_id)
            if self.session is None or not self.acts:
                raise
            # Nobody expected this while money may be moving: it is not known, and told by SMS.
            log.exception("hop_failed", session_id=call.session_id, screen=self.session.screen)
            turn = board._engine.unsure(self.session, board._rules.room(call.network_code))
        reply = _reply(turn)
        self._remember(turn, reply)
        with self._decided:
            self._answered = not self._given_up
        if turn.unsure:
            self.promise()
        elif self._given_up and self.acts and not turn.told:
            board._afterwards.tell(self.phone, self.session or turn.session, turn.reason or turn.page)
        return reply

    def promise(self) -> None:
        """An SMS was announced: whoever keeps promises must know what it is about."""
        if self.session is not None:
            self._board._afterwards.promise(self.phone, self.session)

    def _turn(self) -> Turn:
        engine, hop = self._board._engine, self._hop(self.call.text)
        if self._typed is not None and self.session is not None:
            return engine.answer(self.session, self._typed, hop)
        if self._record is None and self.call.text:
            return self._rebuild()
        return engine.dial(hop, self.language)

    def _new_tail(self) -> str | None:
        """What was typed now; ``None`` for a dial, a transcript that is shorter or another one, or a lost session."""
        text, record = self.call.text, self._record
        if record is None:
            return None
        if self._board._rules.latest_input_only:
            return text
        if len(text) <= record.seen or self._board._seen(self.call, record.seen) != record.seen_digest:
            return None
        if record.seen == 0:
            return text
        return text[record.seen + 1 :] if text[record.seen] == "*" else None

    def _rebuild(self) -> Turn:
        """Walk a transcript from the root: the session was lost, or a long code like ``*384*1*2#`` was dialled.

        Secrets in the middle are not typed again. The last answer may be one only when the session was really lost:
        a code dialled from a contact list never pays.
        """
        board, pieces = self._board, self.call.text.split("*")
        trusted = self.call.proven or board._store.forgot_lately()
        turn = board._engine.dial(self._hop(""), resume=False)
        for count, piece in enumerate(pieces, 1):
            may_act = count == len(pieces) and trusted
            if not turn.goes_on or (board._engine.guards(turn.session) and not (may_act and self._enter(turn.session))):
                break
            turn = board._engine.answer(turn.session, piece, self._hop("*".join(pieces[:count])))
        return turn

    def _enter(self, session: Session) -> bool:
        """Go on from a screen that was walked to again, unless its caller was told that nothing happens.

        What asks for no PIN is asked again: the walk began at today's first page, which may not be the one of then.
        """
        with self._decided:
            self.session = session
            return not self._given_up and (self._board._engine.takes_secret(session) or not self.acts)

    def _hop(self, text: str) -> Hop:
        """Keys are minted from session, phone and transcript: a rebuilt session mints the same ones again."""
        board, call = self._board, self.call

        def mint() -> str:
            if board._rules.latest_input_only:
                return secrets.token_hex(16)
            return board._digest("confirm", call.session_id, self._tag, text)

        return Hop(board._worlds(self.phone, self._tag), mint, board._rules.room(call.network_code))

    def _remember(self, turn: Turn, reply: Reply) -> None:
        board, call = self._board, self.call
        record = Record(
            self._tag,
            len(call.text),
            board._seen(call, len(call.text)),
            reply.body,
            reply.screen,
            reply.language,
            turn.session.to_json(),
            board._now(),
        )
        engine, before = board._engine, self.session
        draft = orjson.dumps(replace(turn.session, draft=None).to_json()) if engine.resumes(turn.session) else None
        # Left for something else: not to be offered again. After the last page it stays, so that a redial can look up
        # what became of it.
        forget = turn.goes_on and before is not None and (before.draft is not None or engine.resumes(before))
        try:
            board._store.close(call.session_id, record, draft, forget=forget, fresh=not self.asks_the_world)
        except TryLater:
            # What was done is done: the caller still gets this page. A repeat walks again, and the key holds.
            log.warning("session_not_kept", session_id=call.session_id)


def _reply(turn: Turn) -> Reply:
    screen, language = turn.session.screen, turn.session.language
    if turn.goes_on:
        return Reply("CON " + turn.page, screen, language)
    return Reply("END " + turn.page, screen, language, "late" if turn.unsure else "end")
