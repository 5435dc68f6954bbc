"""Asking the payer to pay: a prompt on the phone, once, after the USSD session has ended; or a link to a page.

The rail has no idempotency: two equal calls are two prompts. Therefore the fact *we are calling* is committed before
the call (``requested`` becomes ``unknown``), and only ``requested`` is ever pushed. When the process dies after that
commit, nobody knows whether the phone rang, and nobody rings it again: the payment stays ``unknown``. Without the
rail's id it cannot be asked about either; it waits for the callback, which finds it by the token in the address, and
when the schedule of questions ends a person looks at it (``needs_review``). It never expires by silence alone.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy.orm import Session
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from gateway.domain.errors import TryLater
from gateway.domain.phone import Phone
from gateway.domain.states import PaymentState
from gateway.models.inbox import unmatched_ids
from gateway.models.payments import Payment, advance, note, payment_by_provider_id, payment_locked
from gateway.services.payment_desk import Desk, owner
from gateway.services.payment_questions import FIRST_QUESTION_SECONDS
from gateway.services.rail_health import is_answer
from integrations.protocols import Buyer, LinkAnswer, Outcome, PromptAnswer

_log = structlog.get_logger(__name__)

#: Shown in the payer's prompt; Daraja takes up to 13 characters.
_DESCRIPTION = "Mlango"
#: Waits before the next try after an answer that proves nothing was started; then it has failed.
_BACKOFF_SECONDS = (5, 20)
#: The payment's rail is no longer configured.
_NO_RAIL = PromptAnswer(Outcome.REJECTED, code="no_rail", reason="config")
#: A prompt that comes long after the call has ended only frightens people.
_STALE = timedelta(minutes=10)
_LINK_LIVES = timedelta(hours=24)


class Pushes:
    """Carries out the job ``push_payment``; running it again is harmless at any point."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def push(self, payment_id: int, *, tell_link: bool = True) -> None:
        """Prompt the payer, or make the page, unless this was done or tried before; ``tell_link`` sends it by SMS."""
        payment = self._begin(payment_id)
        if payment is None:
            return
        answer = self._link(payment) if payment.way == "link" else self._prompt(payment)
        # The rail has answered: losing that to a database that is away for a moment would leave a day of doubt.
        for attempt in Retrying(
            retry=retry_if_exception_type(TryLater),
            stop=stop_after_delay(20),
            wait=wait_random_exponential(max=4),
            reraise=True,
        ):
            with attempt:
                self._record(payment_id, answer, tell_link)
        if answer is not _NO_RAIL:
            self._desk.health.note(payment.rail, answered=is_answer(answer.outcome, answer.code))

    def _prompt(self, payment: Payment) -> PromptAnswer:
        rail = self._desk.rail_of(payment)
        if rail is None or rail.collects is None:
            return _NO_RAIL
        return rail.collects.prompt(
            phone=Phone(self._desk.vault.open(payment.payer_sealed)),
            amount=payment.amount,
            reference=payment.reference,
            description=_DESCRIPTION,
            addresses=self._desk.addresses(payment),
        )

    def _link(self, payment: Payment) -> LinkAnswer | PromptAnswer:
        rail = self._desk.rail_of(payment)
        if rail is None or rail.links is None:
            return _NO_RAIL
        with self._desk.db.transaction() as session:
            payer = owner(session, payment)
            name, number = payer.name, payer.number.lower()
        return rail.links.make_link(
            reference=payment.reference,
            amount=payment.amount,
            title=self._desk.title(payment),
            buyer=Buyer(name, Phone(self._desk.vault.open(payment.payer_sealed)), self._desk.email(number)),
            return_url=f"{self._desk.settings.public_url}/paid/{payment.token}",
            expires_at=payment.created_at + _LINK_LIVES,
        )

    def _begin(self, payment_id: int) -> Payment | None:
        """Commit that the rail is being called, with the first question about it; ``None`` when it must not be."""
        with self._desk.db.transaction() as session:
            payment, now = payment_locked(session, payment_id), self._desk.clock()
            if payment.state != PaymentState.REQUESTED:
                return None
            if now - payment.created_at > _STALE:
                advance(session, payment, PaymentState.EXPIRED, "the push came too late", now)
                self._desk.tell(session, payment, "failed")
                return None
            advance(session, payment, PaymentState.UNKNOWN, "calling the rail", now)
            payment.pushes += 1
            payment.prompted_at = now
            payment.due_at = now + timedelta(seconds=FIRST_QUESTION_SECONDS)
            self._desk.jobs.defer_ask(session, payment.id, payment.checks, FIRST_QUESTION_SECONDS)
            return payment

    def _record(self, payment_id: int, answer: PromptAnswer | LinkAnswer, tell_link: bool) -> None:
        """What the rail said to our call. A callback may have been faster: then only the ids are new."""
        with self._desk.db.transaction() as session:
            payment = payment_locked(session, payment_id)
            if answer.outcome is Outcome.ACCEPTED:
                self._accepted(session, payment, answer)
                if isinstance(answer, LinkAnswer) and answer.url:
                    payment.link = answer.url
                    if tell_link:
                        self._desk.tell(session, payment, "link", link=answer.url)
            elif payment.state != PaymentState.UNKNOWN:
                note(session, payment, f"the push was answered {answer.outcome}, too late", self._desk.clock())
            elif answer.outcome is Outcome.REJECTED:
                self._rejected(session, payment, answer)
            else:
                note(session, payment, "no answer to the push", self._desk.clock())
                if payment.provider_id is None and answer.provider_id:  # known without an answer: asked about by it
                    self._keep_ids(session, payment, answer.provider_id, None)
        _log.info("payment.push", payment=payment.reference, outcome=str(answer.outcome), code=answer.code)

    def _accepted(self, session: Session, payment: Payment, answer: PromptAnswer | LinkAnswer) -> None:
        if payment.state == PaymentState.UNKNOWN:
            advance(session, payment, PaymentState.PROMPTED, "the rail asks the payer", self._desk.clock())
        if payment.provider_id is None and answer.provider_id:
            request_id = answer.request_id if isinstance(answer, PromptAnswer) else None
            self._keep_ids(session, payment, answer.provider_id, request_id)

    def _keep_ids(self, session: Session, payment: Payment, provider_id: str, request_id: str | None) -> None:
        """Store the rail's ids, and have those callbacks handled that came before we knew them."""
        if payment_by_provider_id(session, payment.rail, provider_id) is not None:
            payment.needs_review = True
            _log.error("payment.contradiction", payment=payment.reference, why="the rail gave one id twice")
            return
        payment.provider_id, payment.request_id = provider_id, request_id
        for inbox_id in unmatched_ids(session, self._desk.vault.digest("inbox.match", provider_id)):
            self._desk.jobs.defer_inbox(session, inbox_id)

    def _rejected(self, session: Session, payment: Payment, answer: PromptAnswer | LinkAnswer) -> None:
        now, because = self._desk.clock(), f"the rail refused the push ({answer.code})"
        if answer.retry_safe and payment.pushes <= len(_BACKOFF_SECONDS):
            seconds = _BACKOFF_SECONDS[payment.pushes - 1]
            advance(session, payment, PaymentState.REQUESTED, because, now)
            payment.due_at = now + timedelta(seconds=seconds)
            self._desk.jobs.defer_push(session, payment.id, seconds)
            return
        advance(session, payment, PaymentState.FAILED, because, now)
        payment.result_code, payment.reason = answer.code, answer.reason or "other"
        self._desk.tell(session, payment, "failed")
