"""Accounts: one service by which USSD, REST and SMS make them, find them, freeze them and invite to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.orm import Session

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.errors import AccountNotFound, TooManyInvitations, TryLater
from gateway.domain.names import clean_name
from gateway.domain.phone import Phone
from gateway.domain.pin import refuse_weak
from gateway.domain.references import new_account_number
from gateway.domain.words import Words
from gateway.models import accounts as rows
from gateway.models.accounts import Account, Member, account_by_number
from gateway.services.messages import Messages
from gateway.services.pins import Pins
from gateway.vault import Vault
from integrations.protocols import Keypair, MakesKeypairs

INVITATIONS_A_DAY = 5

#: Of a thousand million numbers one is taken already once in a thousand times at a million accounts.
_MOST_NUMBERS = 5

OnActive = Callable[[Session, Account], object]


class Wallets(Protocol):
    """What accounts need of the ledger; a cursor is of the transaction that must hold it."""

    def open_account(self, cursor: Any, code: str, currency: str = "KES") -> object: ...
    def freeze(self, cursor: Any, code: str) -> object: ...
    def unfreeze(self, cursor: Any, code: str) -> object: ...


class Accounts:
    """Everything that happens to a person's account, apart from money and PINs."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        pins: Pins,
        messages: Messages,
        wallets: Wallets,
        keypairs: MakesKeypairs,
        words: Words,
        clock: Clock,
        *,
        shortcode: str,
        languages: Collection[str] = ("en", "sw"),
        on_active: OnActive = lambda session, account: None,
        new_number: Callable[[], str] = new_account_number,
    ) -> None:
        """``on_active`` is called once per account, in the transaction in which it gets its first PIN."""
        self._db = db
        self._vault = vault
        self._pins = pins
        self._messages = messages
        self._wallets = wallets
        self._keypairs = keypairs
        self._words = words
        self._clock = clock
        self._shortcode = shortcode
        self._languages = languages
        self._on_active = on_active
        self._new_number = new_number

    def by_phone(self, phone: Phone) -> Member | None:
        """Who has this number; one plain read, it runs whenever somebody dials."""
        with self._db.hot() as cursor:
            return rows.member_by_index(cursor, self._vault.phone_index(phone))

    def by_number(self, number: str) -> Member | None:
        """Who has this account number, as people write it: ``ml-7f3k9q`` is ``ML-7F3K9Q``."""
        with self._db.hot() as cursor:
            return rows.member_by_number(cursor, number.strip().upper())

    def create_account(
        self, phone: Phone, name: str, *, language: str = "en", pin: str | None = None, send_sms: bool = True
    ) -> Member:
        """The account of ``phone``, made now unless there is one: then it is returned as it is, whatever is asked.

        Without ``pin`` it can receive money and waits for its owner (``activate``). Raises ``InvalidName``,
        ``WeakPin``, ``TryLater``.
        """
        wanted = _Wanted(phone, clean_name(name), self._known(language), pin, send_sms)
        if pin is not None:
            refuse_weak(pin, phone)
        return self.by_phone(phone) or self._create(wanted)

    def activate(self, number: str, pin: str) -> Member:
        """Set the first PIN of an account somebody else made; one that has a PIN keeps it. Raises ``WeakPin``."""
        with self._db.transaction() as session:
            account = _must_exist(account_by_number(session, number))
            if self._pins.set_first(session, account, pin):
                self._on_active(session, account)
        return self._member(number)

    def set_language(self, number: str, language: str) -> Member:
        """Speak ``language`` to this person from now on; raises ``ValueError`` for one we do not speak."""
        with self._db.transaction() as session:
            _must_exist(account_by_number(session, number)).language = self._known(language)
        return self._member(number)

    def freeze(self, number: str) -> Member:
        """Let no money out any more and tell the owner; freezing twice is freezing once."""
        with self._db.transaction() as session:
            account = _must_exist(_locked(session, number))
            if account.frozen_at is None:
                account.frozen_at = self._clock()
                with _cursor(session) as cursor:
                    self._wallets.freeze(cursor, account.wallet)
                self._tell(session, account, "frozen")
        return self._member(number)

    def unfreeze(self, number: str) -> Member:
        """Let money out again and tell the owner. Whoever calls this has checked the PIN."""
        with self._db.transaction() as session:
            account = _must_exist(_locked(session, number))
            if account.frozen_at is not None:
                account.frozen_at = None
                with _cursor(session) as cursor:
                    self._wallets.unfreeze(cursor, account.wallet)
                self._tell(session, account, "unfrozen")
        return self._member(number)

    def invite(self, inviter: Member, phone: Phone) -> bool:
        """Send one SMS that says how to join; False when ``phone`` is here already or was invited today.

        Raises ``TooManyInvitations`` after five a day (UTC).
        """
        if self.by_phone(phone) is not None:
            return False
        index, day = self._vault.phone_index(phone), self._clock().date()
        with self._db.transaction() as session:
            _must_exist(_locked(session, inviter.number))  # invitations of one person are counted one at a time
            if rows.invited(session, index, day):
                return False
            if rows.invitations_by(session, inviter.id, day) >= INVITATIONS_A_DAY:
                raise TooManyInvitations
            if not rows.note_invitation(session, index, day, inviter.id):
                return False
            self._send_invitation(session, inviter, phone)
        return True

    def _create(self, wanted: _Wanted) -> Member:
        index = self._vault.phone_index(wanted.phone)
        for _ in range(_MOST_NUMBERS):
            row = self._row(wanted, index, self._new_number(), self._keypairs.new_keypair())
            with self._db.transaction() as session:
                made = rows.insert_account(session, row)
                if made is not None:
                    self._set_up(session, made, wanted)
            member = self.by_phone(wanted.phone)
            if member is not None:
                return member
        raise TryLater

    def _row(self, wanted: _Wanted, index: bytes, number: str, keypair: Keypair) -> dict[str, object]:
        return {
            "number": number,
            "phone_index": index,
            "phone_sealed": self._vault.seal(wanted.phone.e164),
            "phone_last4": wanted.phone.last4,
            "name": wanted.name,
            "language": wanted.language,
            "pin_hash": None if wanted.pin is None else self._pins.hash(number, wanted.pin),
            "stellar_public_key": keypair.public_key,
            "stellar_secret_sealed": self._vault.seal(keypair.secret),
            "created_at": self._clock(),
        }

    def _set_up(self, session: Session, account: Account, wanted: _Wanted) -> None:
        """What belongs to a new account: its wallet, its welcome, and money that waited for it."""
        with _cursor(session) as cursor:
            self._wallets.open_account(cursor, account.wallet)
        if wanted.send_sms:
            self._tell(session, account, "welcome", name=account.name, number=account.number)
        if wanted.pin is not None:
            self._on_active(session, account)

    def _send_invitation(self, session: Session, inviter: Member, phone: Phone) -> None:
        body = self._words("sms.invite", inviter.language, name=inviter.name, shortcode=self._shortcode)
        self._messages.queue(session, self._messages.recipient(phone), "invite", body, reference=inviter.number)

    def _tell(self, session: Session, account: Account, kind: str, **blanks: object) -> None:
        body = self._words(f"sms.{kind}", account.language, shortcode=self._shortcode, **blanks)
        self._messages.queue(session, account.recipient, kind, body)

    def _member(self, number: str) -> Member:
        member = self.by_number(number)
        if member is None:
            raise AccountNotFound
        return member

    def _known(self, language: str) -> str:
        if language not in self._languages:
            raise ValueError(f"no texts in language {language!r}")
        return language


@dataclass(frozen=True, slots=True, repr=False)
class _Wanted:
    """What a new account should be like; never printed, it holds a PIN."""

    phone: Phone
    name: str
    language: str
    pin: str | None
    send_sms: bool


def _must_exist(account: Account | None) -> Account:
    if account is None:
        raise AccountNotFound
    return account


def _locked(session: Session, number: str) -> Account | None:
    """The row, held until the transaction ends."""
    session.execute(text("SELECT 1 FROM accounts WHERE number = :number FOR UPDATE"), {"number": number})
    return account_by_number(session, number)


@contextmanager
def _cursor(session: Session) -> Iterator[Any]:
    """The driver's cursor inside the session's transaction, which is what the ledger works on."""
    session.flush()
    with closing(session.connection().connection.cursor()) as cursor:
        yield cursor
