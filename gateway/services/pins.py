"""PINs: which are too weak, how they are checked, and the lock after three wrong ones.

A guess is counted *before* it is looked at, by one atomic UPDATE that commits by itself: sessions in parallel get
no extra guesses, and no rollback gives one back. The third guess sets the lock with it; the right PIN clears both.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import NoReturn

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.errors import AccountNotFound, PinLocked, PinNotSet, TryLater, WrongPin
from gateway.domain.phone import Phone
from gateway.domain.pin import refuse_weak
from gateway.domain.words import Words
from gateway.models.accounts import Account, account_by_number
from gateway.services.messages import Messages
from gateway.vault import Vault

MOST_TRIES = 3
LOCK = timedelta(minutes=15)

# A lock that is over gives all tries back. Three guesses in flight lock out the fourth, also before they are judged.
_COUNT_GUESS = """
    UPDATE accounts
    SET pin_failures = CASE WHEN pin_locked_until IS NULL THEN pin_failures ELSE 0 END + 1,
        pin_locked_until = CASE WHEN pin_locked_until IS NULL AND pin_failures + 1 >= :most
                                THEN CAST(:until AS timestamptz) END
    WHERE number = :number AND pin_hash IS NOT NULL AND (pin_locked_until IS NULL OR pin_locked_until <= :now)
    RETURNING pin_hash, pin_failures
"""

_CLEAR = "UPDATE accounts SET pin_failures = 0, pin_locked_until = NULL WHERE number = :number AND pin_hash = :hash"

_WHY_NOT = "SELECT pin_hash IS NOT NULL AS has_pin, pin_locked_until FROM accounts WHERE number = :number"

_SET_FIRST = "UPDATE accounts SET pin_hash = :hash WHERE number = :number AND pin_hash IS NULL RETURNING id"

_CHANGE = """
    UPDATE accounts SET pin_hash = :hash, pin_changed_at = :now, pin_failures = 0, pin_locked_until = NULL
    WHERE number = :number AND pin_hash = :old_hash RETURNING id
"""


class Pins:
    """Checks and changes PINs. Never keeps, logs or raises one."""

    def __init__(
        self, db: Database, vault: Vault, messages: Messages, words: Words, clock: Clock, *, shortcode: str
    ) -> None:
        self._db = db
        self._vault = vault
        self._messages = messages
        self._words = words
        self._clock = clock
        self._shortcode = shortcode

    def check(self, number: str, pin: str) -> None:
        """Return when ``pin`` is right; raises ``WrongPin``, ``PinLocked``, ``PinNotSet`` or ``AccountNotFound``."""
        self._verified(number, pin)

    def change(self, number: str, old: str, new: str) -> None:
        """Replace the PIN, tell the owner, and start the day of lower limits.

        Raises ``WeakPin`` (before a try is spent) and whatever ``check`` raises.
        """
        with self._db.transaction() as session:
            refuse_weak(new, self._phone_of(session, number))
        old_hash = self._verified(number, old)
        row = {"number": number, "hash": self.hash(number, new), "old_hash": old_hash, "now": self._clock()}
        with self._db.transaction() as session:
            if session.execute(text(_CHANGE), row).first() is None:
                raise WrongPin(MOST_TRIES)  # another session changed it in between: the old one is not right any more
            self._tell(session, number, "pin_changed")

    def set_first(self, session: Session, account: Account, pin: str) -> bool:
        """Set the PIN of an account that has none, in the caller's transaction; False when it has one already.

        Raises ``WeakPin``. No day of lower limits: nobody could have known an earlier PIN.
        """
        refuse_weak(pin, Phone(self._vault.open(account.phone_sealed)))
        row = {"number": account.number, "hash": self.hash(account.number, pin)}
        return session.execute(text(_SET_FIRST), row).first() is not None

    def hash(self, number: str, pin: str) -> str:
        """What is stored of a PIN; bound to the account number."""
        return self._vault.hash_pin(number, pin)

    def _verified(self, number: str, pin: str) -> str:
        """The stored hash that ``pin`` matched."""
        until = self._clock() + LOCK
        guess = self._count_guess(number, until)
        if not self._vault.pin_matches(number, pin, guess.pin_hash):
            self._refuse(number, guess.pin_failures, until)
        with self._db.statement() as connection:
            connection.execute(text(_CLEAR), {"number": number, "hash": guess.pin_hash})
        return str(guess.pin_hash)

    def _count_guess(self, number: str, until: datetime) -> Row[tuple[str, int]]:
        row = {"number": number, "most": MOST_TRIES, "until": until, "now": self._clock()}
        with self._db.statement() as connection:
            guess = connection.execute(text(_COUNT_GUESS), row).first()
            if guess is None:
                self._say_why(connection.execute(text(_WHY_NOT), {"number": number}).first())
        return guess

    def _phone_of(self, session: Session, number: str) -> Phone:
        account = account_by_number(session, number)
        if account is None:
            raise AccountNotFound
        return Phone(self._vault.open(account.phone_sealed))

    def _say_why(self, row: Row[tuple[bool, datetime | None]] | None) -> NoReturn:
        """Why no guess was counted."""
        if row is None:
            raise AccountNotFound
        if not row.has_pin:
            raise PinNotSet
        if row.pin_locked_until is None:
            raise TryLater  # the right PIN cleared the lock between our two statements
        raise self._locked(row.pin_locked_until)

    def _refuse(self, number: str, failures: int, until: datetime) -> NoReturn:
        """A wrong guess; the one that completed the three tells the owner, so that there is one SMS per lock."""
        if failures >= MOST_TRIES and self._told_of_lock(number, until):
            raise self._locked(until)
        raise WrongPin(max(MOST_TRIES - failures, 0))

    def _told_of_lock(self, number: str, until: datetime) -> bool:
        """False when the right PIN, counted before, has cleared the lock meanwhile."""
        with self._db.transaction() as session:
            account = account_by_number(session, number)
            stands = account is not None and account.pin_locked_until == until
            if stands:
                self._tell(session, number, "pin_locked", minutes=int(LOCK.total_seconds() // 60))
        return stands

    def _locked(self, until: datetime) -> PinLocked:
        minutes = math.ceil((until - self._clock()).total_seconds() / 60)
        return PinLocked(until, max(minutes, 1))

    def _tell(self, session: Session, number: str, kind: str, **blanks: object) -> None:
        account = account_by_number(session, number)
        if account is not None:
            body = self._words(f"sms.{kind}", account.language, shortcode=self._shortcode, **blanks)
            self._messages.queue(session, account.recipient, kind, body)
