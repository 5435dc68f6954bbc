"""The desk behind the screens: what menus ask, answered by the services. One ``CallerWorld`` a hop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from gateway.db import Database
from gateway.domain.errors import AccountNotFound, SamePerson
from gateway.domain.money import Money
from gateway.domain.names import masked
from gateway.domain.phone import Phone
from gateway.domain.pin import refuse_weak
from gateway.domain.words import Words
from gateway.drafts import Drafts
from gateway.models.accounts import Member
from gateway.models.parties import Party
from gateway.services.accounts import Accounts
from gateway.services.credits import Credits
from gateway.services.limits import Standing
from gateway.services.messages import Messages
from gateway.services.otps import Otps
from gateway.services.payments import Glance, Payments
from gateway.services.payments import Standing as PaymentStanding
from gateway.services.payout_views import Glance as PayoutGlance
from gateway.services.payout_views import Standing as PayoutStanding
from gateway.services.payouts import Payouts
from gateway.services.pins import Pins
from gateway.services.rail_health import RailHealth
from gateway.services.statements import Line as Movement
from gateway.services.statements import Statements
from gateway.services.transfers import Quote, Transfers
from gateway.vault import Vault
from ussd_menus import ports
from ussd_menus.session import Caller, Session

_NOTICES: Mapping[PaymentStanding, str] = {
    PaymentStanding.CHECKING: "home.checking",
    PaymentStanding.PAID: "home.paid",
    PaymentStanding.NOT_PAID: "home.not_paid",
    PaymentStanding.WAITING: "home.short",
}

_PAYOUT_NOTICES: Mapping[PayoutStanding, str] = {
    PayoutStanding.CHECKING: "home.withdrawing",
    PayoutStanding.PAID: "home.withdrawn",
    PayoutStanding.RETURNED: "home.returned",
}

#: One purpose of codes: to prove that whoever types also reads that number's SMS.
_PROVE_NUMBER = "number"
_LINES_BY_SMS = 6


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a caller's wishes need; made once, shared by all hops."""

    db: Database
    drafts: Drafts
    vault: Vault
    words: Words
    accounts: Accounts
    pins: Pins
    otps: Otps
    transfers: Transfers
    statements: Statements
    payments: Payments
    credits: Credits
    messages: Messages
    shortcode: str
    payouts: Payouts
    health: RailHealth
    collect_rail: str

    def world(self, phone: Phone, tag: str) -> CallerWorld:
        """The world as the caller with this number sees it; ``tag`` is the number's keyed digest."""
        return CallerWorld(self, phone, tag)


class CallerWorld:
    """Keeps ``ussd_menus.ports.World`` for one caller."""

    def __init__(self, desk: Desk, phone: Phone, tag: str) -> None:
        self._desk = desk
        self._phone = phone
        self._tag = tag
        self.shortcode = desk.shortcode

    def arrive(self) -> ports.Arrival:
        member = self._desk.accounts.by_phone(self._phone)
        if member is None:
            return ports.Arrival(None)
        caller = _caller(member)
        notice, unfinished = self._unfinished(caller)
        return ports.Arrival(caller, notice or self._news(member.number), unfinished)

    def is_calling_number(self, phone: Phone) -> bool:
        return phone == self._phone

    def send_code(self, phone: Phone, language: str) -> str:
        self._desk.otps.send(phone, _PROVE_NUMBER, language, asked_by=self._tag)
        return self._desk.vault.seal(phone.e164)

    def check_code(self, sealed_phone: str, code: str) -> None:
        self._desk.otps.check(self._number(sealed_phone), _PROVE_NUMBER, code)

    def holder(self, sealed_phone: str) -> Caller | None:
        member = self._desk.accounts.by_phone(self._number(sealed_phone))
        return _caller(member) if member else None

    def weigh_pin(self, pin: str, sealed_phone: str) -> str:
        refuse_weak(pin, self._number(sealed_phone))
        return self._desk.vault.digest("pin typed twice", self._tag, pin).hex()

    def create_account(self, name: str, pin: str, language: str, sealed_phone: str) -> ports.Opened:
        accounts = self._desk.accounts
        member = accounts.create_account(self._number(sealed_phone), name, language=language, pin=pin)
        if not member.has_pin:
            member = accounts.activate(member.number, pin)
        return ports.Opened(_caller(member), self._desk.statements.balance(member.number))

    def check_pin(self, caller: Caller, pin: str) -> None:
        self._desk.pins.check(caller.number, pin)

    def change_pin(self, caller: Caller, pin: str) -> None:
        self._desk.pins.change(caller.number, pin)

    def set_language(self, caller: Caller, language: str) -> None:
        self._desk.accounts.set_language(caller.number, language)

    def freeze(self, caller: Caller) -> None:
        self._desk.accounts.freeze(caller.number)

    def unfreeze(self, caller: Caller, pin: str) -> None:
        self.check_pin(caller, pin)
        self._desk.accounts.unfreeze(caller.number)

    def invite(self, caller: Caller, phone: Phone) -> None:
        self._desk.accounts.invite(self._member(caller), phone)

    def payee(self, caller: Caller, phone: Phone) -> ports.Payee:
        member = self._desk.accounts.by_phone(phone)
        if member is not None and member.number == caller.number:
            raise SamePerson
        shown = masked(member.name) if member else phone.masked
        return ports.Payee(shown, self._desk.vault.seal(phone.e164), member is not None)

    def quote(self, caller: Caller, payee: str, amount: Money) -> ports.Quote:
        standing = _standing(self._member(caller))
        quote = self._desk.transfers.quote(caller.number, standing, self._number(payee), amount)
        return ports.Quote(quote.amount, quote.fee, self._desk.vault.seal(_packed(quote)))

    def send(self, caller: Caller, pin: str, ticket: str, key: str) -> ports.Receipt:
        self.check_pin(caller, pin)
        member = self._member(caller)
        sender = Party(member.number, member.name, member.language)
        sent = self._desk.transfers.send(key, sender, _standing(member), self._unpacked(ticket))
        return ports.Receipt(sent.reference, sent.balance_after)

    def deposit(self, caller: Caller, amount: Money, key: str) -> str:
        return self._desk.payments.request(caller.number, self._phone, amount, key).reference

    def check_deposits(self) -> None:
        self._desk.health.refuse_if_down(self._desk.collect_rail)

    def check_withdrawals(self) -> None:
        self._desk.payouts.refuse_if_closed()

    def quote_withdrawal(self, caller: Caller, amount: Money) -> ports.Withdrawal:
        member = self._member(caller)
        quote = self._desk.payouts.quote(member.number, _standing(member), amount)
        return ports.Withdrawal(quote.amount, quote.fee, self._number(member.phone_sealed).masked)

    def withdraw(self, caller: Caller, pin: str, amount: Money, key: str) -> str:
        self.check_pin(caller, pin)
        member = self._member(caller)
        return self._desk.payouts.request(member.number, _standing(member), amount, key).reference

    def add_waiting(self, caller: Caller, reference: str) -> None:
        self._desk.payments.add_waiting(caller.number, reference, f"add:{reference}")

    def statement(self, caller: Caller, most: int) -> ports.Statement:
        balance = self._desk.statements.balance(caller.number)
        moved = self._desk.statements.lines(caller.number, None, most)
        return ports.Statement(balance, [_line(movement) for movement in moved])

    def text_statement(self, caller: Caller) -> None:
        member = self._member(caller)
        moved = self._desk.statements.lines(caller.number, None, _LINES_BY_SMS)
        lines = "\n".join(self._written(_line(movement), caller.language) for movement in moved)
        balance = self._desk.statements.balance(caller.number)
        body = self._desk.words("sms.statement", caller.language, number=member.number, balance=balance, lines=lines)
        with self._desk.db.transaction() as session:
            self._desk.messages.queue(session, member.recipient, "statement", body.strip())

    def credits(self, caller: Caller) -> Money:
        return self._desk.credits.balance(caller.number)

    def offers(self) -> list[ports.Offer]:
        self._desk.credits.refuse_if_closed()
        return [ports.Offer(package.id, package.credits, package.price) for package in self._desk.credits.packages()]

    def buy_credits(self, caller: Caller, package: str, key: str) -> str:
        return self._desk.credits.buy(caller.number, package, key).reference

    def seal_number(self, phone: Phone) -> str:
        return self._desk.vault.seal(phone.e164)

    def check_number(self, caller: Caller, pin: str, sealed_phone: str, key: str) -> ports.Checked:
        self.check_pin(caller, pin)
        checked = self._desk.credits.check(caller.number, self._number(sealed_phone), key)
        return ports.Checked(checked.shown or "", checked.since, checked.verified, checked.balance)

    def _written(self, line: ports.Line, language: str) -> str:
        return f"{line.amount} {line.counterpart or self._desk.words(f'kind.{line.kind}', language)}"

    def _unfinished(self, caller: Caller) -> tuple[ports.Notice | None, Session | None]:
        """What a dropped call of this caller left behind: news of what it sent (told once), or where to go on."""
        left = self._desk.drafts.left_by(self._tag)
        if left.sent is not None:
            self._desk.drafts.forget(self._tag)
            return ports.Notice("home.sent", left.sent.amount, left.sent.reference), None
        whose = left.session.caller if left.session else None
        return None, left.session if whose and whose.number == caller.number else None

    def _news(self, number: str) -> ports.Notice | None:
        """Of the last payment and the last withdrawal the one that is not certain, else the later one."""
        paid, withdrawn = self._desk.payments.latest(number), self._desk.payouts.latest(number)
        if paid is None or (withdrawn is not None and _rank(withdrawn) > _rank(paid)):
            return _payout_notice(withdrawn)
        return _notice(paid)

    def _number(self, sealed_phone: str) -> Phone:
        """The number behind a token we gave out, or the calling one for an empty token."""
        return Phone(self._desk.vault.open(sealed_phone)) if sealed_phone else self._phone

    def _member(self, caller: Caller) -> Member:
        member = self._desk.accounts.by_number(caller.number)
        if member is None:
            raise AccountNotFound
        return member

    def _unpacked(self, ticket: str) -> Quote:
        value: dict[str, Any] = orjson.loads(self._desk.vault.open(ticket))
        phone = Phone(value["phone"])
        recipient = Party(*value["to"]) if value["to"] else None
        currency = value["currency"]
        index = self._desk.vault.phone_index(phone)
        return Quote(Money(value["amount"], currency), Money(value["fee"], currency), phone, recipient, index)


def _packed(quote: Quote) -> str:
    to = quote.recipient
    value = {
        "phone": quote.phone.e164,
        "to": to and [to.number, to.name, to.language],
        "amount": quote.amount.minor,
        "fee": quote.fee.minor,
        "currency": quote.amount.currency,
    }
    return str(orjson.dumps(value), "utf-8")


def _caller(member: Member) -> Caller:
    return Caller(member.number, member.name, member.language, member.frozen, member.has_pin)


def _standing(member: Member) -> Standing:
    return Standing(member.tier, member.pin_changed_at)


def _notice(glance: Glance | None) -> ports.Notice | None:
    if glance is None:
        return None
    shown = glance.received if glance.standing is PaymentStanding.WAITING and glance.received else glance.amount
    return ports.Notice(_NOTICES[glance.standing], shown, glance.reference)


def _payout_notice(glance: PayoutGlance | None) -> ports.Notice | None:
    return ports.Notice(_PAYOUT_NOTICES[glance.standing], glance.amount, glance.reference) if glance else None


def _rank(glance: Glance | PayoutGlance) -> tuple[bool, datetime]:
    return glance.standing not in _CERTAIN, glance.at


_CERTAIN = (PaymentStanding.PAID, PaymentStanding.NOT_PAID, PayoutStanding.PAID, PayoutStanding.RETURNED)

#: A rail is named by the word for what came or went over it.
_BY_RAIL = ("deposit", "withdraw", "refund")


def _line(movement: Movement) -> ports.Line:
    """A rail is named by a word of ours, a person by what may be seen of the name."""
    counterpart = "" if movement.what.startswith(_BY_RAIL) else movement.counterpart
    return ports.Line(movement.what, counterpart, movement.amount, movement.when)
