"""Money that is really there, but was not asked for: to whom its payer named, once per receipt, else to suspense.

Only what came to the address that the rail alone was told may say for whom it is. Of anything else the rail can prove
that the money came, and never who typed what: that money waits in suspense for the true message, or for a person.
"""

from __future__ import annotations

import structlog
from sqlalchemy.orm import Session

from gateway.domain.phone import Phone
from gateway.domain.states import ArrivalState
from gateway.domain.typed import echoed
from gateway.models.accounts import Account, account_by_index
from gateway.models.arrivals import Arrival, advance
from gateway.models.messages import Recipient
from gateway.models.payments import Payment, claim_receipt, owner_of_receipt
from gateway.services import arrival_books as books
from gateway.services.arrival_names import Meant, Names
from gateway.services.arrival_payers import clear, is_payer
from gateway.services.payment_desk import Desk
from gateway.services.payment_results import Effect
from gateway.services.payments import Payments
from integrations.protocols import ArrivalNotice, PaymentResult, PaymentVerdict

_log = structlog.get_logger(__name__)

_SAID = {True: "paid by its owner", False: "paid by another phone", None: "payer not told"}


class Settling:
    """Every method works on a locked arrival, in the caller's transaction, and returns what it did in a word."""

    def __init__(self, desk: Desk, payments: Payments) -> None:
        self._desk = desk
        self._payments = payments
        self._names = Names(desk.vault)

    def is_ambiguous(self, session: Session, rail: str, notice: ArrivalNotice) -> bool:
        """Whether it names a payment of another amount that a query confirmed, and nobody knows by which receipt.

        It may be that payment's own money, or more money: its own result, or the statement, will tell its receipt.
        """
        meant = self._names.who(session, rail, notice.typed)
        payment = meant.payment if meant else None
        if payment is None or payment.receipt is not None or payment.received_minor is None:
            return False
        return payment.received_minor != notice.amount.minor

    def believe(self, session: Session, arrival: Arrival) -> str:
        """Book it, unless its receipt was booked before."""
        meant = self._meant(session, arrival)
        if meant and meant.payment:
            return self._settle(session, arrival, meant.payment)
        if arrival.state == ArrivalState.SUSPENDED:
            return self._find_owner(session, arrival, meant)
        if not claim_receipt(session, arrival.rail, arrival.receipt, None, self._desk.clock()):
            return self._counted(session, arrival)
        if meant and meant.account:
            books.credit(self._desk, session, arrival, meant.account)
            return self._credited(session, arrival, meant.account, "named by who paid")
        return self._suspend(session, arrival)

    def suspend(self, session: Session, arrival: Arrival) -> str:
        """Book it to suspense whoever is named, unless its receipt was booked before."""
        if not claim_receipt(session, arrival.rail, arrival.receipt, None, self._desk.clock()):
            return self._counted(session, arrival)
        return self._suspend(session, arrival)

    def assign(self, session: Session, arrival: Arrival, account: Account, because: str) -> None:
        """From suspense to a wallet: a person, or the true message, says whose it is."""
        books.assign(self._desk, session, arrival, account)
        self._credited(session, arrival, account, because)

    def _meant(self, session: Session, arrival: Arrival) -> Meant | None:
        typed = self._desk.vault.open(arrival.typed_sealed)
        return self._names.who(session, arrival.rail, typed) if arrival.tokened else None

    def _settle(self, session: Session, arrival: Arrival, payment: Payment) -> str:
        result = PaymentResult(
            PaymentVerdict.PAID,
            receipt=arrival.receipt,
            amount=arrival.amount,
            payer=clear(self._told(arrival)),
            occurred_at=arrival.occurred_at,
        )
        effect = self._payments.settled_by(session, payment.id, result)
        if effect is Effect.CONTRADICTION:
            return self._counted(session, arrival)
        if arrival.state != ArrivalState.CREDITED:  # else its money was freed from suspense for it
            advance(arrival, ArrivalState.CREDITED, f"named a payment: {effect}", self._desk.clock(), money=True)
            arrival.payment_id = payment.id
        return f"payment {effect}"

    def _find_owner(self, session: Session, arrival: Arrival, meant: Meant | None) -> str:
        if meant and meant.account:
            self.assign(session, arrival, meant.account, "named by who paid")
        return arrival.state

    def _counted(self, session: Session, arrival: Arrival) -> str:
        """The same money told twice: by a prompt's own result, or for another payment."""
        if arrival.state == ArrivalState.SUSPENDED:
            return arrival.state
        arrival.payment_id = owner_of_receipt(session, arrival.rail, arrival.receipt)
        advance(arrival, ArrivalState.CREDITED, "its receipt was booked before", self._desk.clock(), money=True)
        return "counted before"

    def _credited(self, session: Session, arrival: Arrival, account: Account, because: str) -> str:
        said = _SAID[is_payer(Phone(self._desk.vault.open(account.phone_sealed)), self._told(arrival))]
        advance(arrival, ArrivalState.CREDITED, f"{because}; {said}", self._desk.clock(), money=True)
        arrival.account_id = account.id
        words = self._desk.words
        body = words("sms.arrival_credited", account.language, amount=arrival.amount, receipt=arrival.receipt)
        self._desk.messages.queue(session, account.recipient, "arrival_credited", body, reference=arrival.receipt)
        return arrival.state

    def _suspend(self, session: Session, arrival: Arrival) -> str:
        books.suspend(self._desk, session, arrival)
        why = "names nobody we know" if arrival.tokened else "the rail has it, but nobody proved for whom it is"
        advance(arrival, ArrivalState.SUSPENDED, why, self._desk.clock(), money=True)
        _log.warning("arrival.suspended", arrival=arrival.id, rail=arrival.rail, why=why)
        payer = clear(self._told(arrival)) if arrival.tokened else None
        if payer:
            self._tell_payer(session, arrival, payer)
        return arrival.state

    def _tell_payer(self, session: Session, arrival: Arrival, payer: Phone) -> None:
        member = account_by_index(session, self._desk.vault.phone_index(payer))
        stranger = Recipient(None, self._desk.vault.seal(payer.e164), payer.last4)
        typed = echoed(self._desk.vault.open(arrival.typed_sealed))
        words, values = self._desk.words, {"amount": arrival.amount, "receipt": arrival.receipt, "typed": typed}
        body = words("sms.arrival_unknown", member.language if member else "en", **values)
        to = member.recipient if member else stranger
        self._desk.messages.queue(session, to, "arrival_unknown", body, reference=arrival.receipt)

    def _told(self, arrival: Arrival) -> str:
        """What the rail told of the payer: a number, a digest, a mask, or nothing."""
        return self._desk.vault.open(arrival.payer_sealed) if arrival.payer_sealed else ""
