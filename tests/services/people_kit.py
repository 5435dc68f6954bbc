"""Small honest fakes and a ready set of services for the tests about people and the words to them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from gateway.db import Database
from gateway.domain.clock import Clock
from gateway.domain.phone import Phone
from gateway.models.accounts import Account
from gateway.services.accounts import Accounts
from gateway.services.messages import Messages, SendingRules
from gateway.services.pins import Pins
from gateway.vault import Vault
from integrations.protocols import DeliveryReport, Keypair, Outcome, SmsReceipt
from ussd_menus.texts import load_texts

SHORTCODE = "*384*123#"
WORDS = load_texts()


def new_phone() -> Phone:
    return Phone(f"+2547{secrets.randbelow(10**8):08d}")


def together(count: int, act: Callable[[], Any]) -> list[Any]:
    """What ``count`` threads get that start ``act`` at one moment; exceptions are answers too."""
    gate = threading.Barrier(count)

    def one(_: int) -> Any:
        gate.wait()
        try:
            return act()
        except Exception as refused:  # noqa: BLE001 - the answer of this thread
            return refused

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


class FakeKeypairs:
    """Keypairs that look like a chain's and are none."""

    def new_keypair(self) -> Keypair:
        token = secrets.token_hex(20).upper()
        return Keypair(f"G{token}", f"S{token}")


@dataclass
class FakeWallets:
    """The ledger as accounts see it; a real cursor must come along."""

    opened: list[str] = field(default_factory=list)
    frozen: list[str] = field(default_factory=list)

    def open_account(self, cursor: Any, code: str, currency: str = "KES") -> None:
        cursor.execute("SELECT 1")
        self.opened.append(code)

    def freeze(self, cursor: Any, code: str) -> None:
        cursor.execute("SELECT 1")
        self.frozen.append(code)

    def unfreeze(self, cursor: Any, code: str) -> None:
        cursor.execute("SELECT 1")
        self.frozen.remove(code)


class FakeSms:
    """A provider with its own memory: answers as told by phone, accepts otherwise."""

    name = "fake"

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[Phone]]] = []
        self.answers: dict[Phone, list[SmsReceipt]] = {}
        self.before_answer: Callable[[], None] = lambda: None

    def send(self, text: str, phones: Sequence[Phone]) -> Mapping[Phone, SmsReceipt]:
        self.calls.append((text, list(phones)))
        self.before_answer()
        return {phone: self._answer(phone) for phone in phones}

    def read_report(self, form: Mapping[str, str]) -> DeliveryReport | None:
        return None

    def texts_to(self, phone: Phone) -> list[str]:
        return [text for text, phones in self.calls if phone in phones]

    def _answer(self, phone: Phone) -> SmsReceipt:
        told = self.answers.get(phone)
        return told.pop(0) if told else accepted()


def accepted(cost: str = "0.8") -> SmsReceipt:
    return SmsReceipt(Outcome.ACCEPTED, f"AT_{secrets.token_hex(8)}", 101, cost=Decimal(cost), cost_currency="KES")


class CountingVault:
    """A vault that counts how often a PIN was compared."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.compared = 0

    def pin_matches(self, owner: str, pin: str, hashed: str) -> bool:
        self.compared += 1
        return self._vault.pin_matches(owner, pin, hashed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)


class Kit:
    """All services about people on one database."""

    def __init__(self, db: Database, vault: Any, clock: Clock, **accounts: Any) -> None:
        self.db, self.vault, self.clock = db, vault, clock
        self.sms, self.wallets = FakeSms(), FakeWallets()
        self.active: list[str] = []
        self.messages = Messages(db, vault, self.sms, clock, SendingRules())
        self.pins = Pins(db, vault, self.messages, WORDS, clock, shortcode=SHORTCODE)
        parts = {"shortcode": SHORTCODE, "on_active": self._is_active, **accounts}
        self.accounts = Accounts(
            db, vault, self.pins, self.messages, self.wallets, FakeKeypairs(), WORDS, clock, **parts
        )
        self.forget_messages()

    def _is_active(self, session: object, account: Account) -> None:
        self.active.append(account.number)

    def forget_messages(self) -> None:
        with self.db.transaction() as session:
            session.execute(text("DELETE FROM messages"))

    def all(self, sql: str, **values: object) -> list[Any]:
        with self.db.reading() as connection:
            return list(connection.execute(text(sql), values).all())

    def one(self, sql: str, **values: object) -> Any:
        return self.all(sql, **values)[0]

    def told(self, number: str) -> list[str]:
        """The kinds of SMS queued for an account, oldest first."""
        sql = "SELECT m.kind FROM messages m JOIN accounts a ON a.id = m.account_id WHERE a.number = :n ORDER BY m.id"
        return [row.kind for row in self.all(sql, n=number)]
