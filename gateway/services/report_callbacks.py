"""Delivery reports that overtook the answer to their own send: brought again until the message is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from gateway.models.inbox import InboxState
from gateway.services.callbacks import Handled
from integrations.protocols import DeliveryReport

#: The inbox's name for delivery reports.
SMS_REPORT = "sms.report"

ReadReport = Callable[[Mapping[str, str]], DeliveryReport | None]
#: Whether the message was known.
NoteReport = Callable[[DeliveryReport], bool]


class ReportCallbacks:
    """The handler of kept delivery reports: a form, read by the SMS provider."""

    def __init__(self, read: ReadReport, note: NoteReport) -> None:
        self._read = read
        self._note = note

    def __call__(self, token: str | None, body: bytes) -> Handled:
        report = self._read(form_of(body))
        if report is None:
            return Handled(InboxState.UNREADABLE, "not a delivery report")
        if self._note(report):
            return Handled(InboxState.HANDLED, "reported")
        return Handled(InboxState.UNMATCHED, "no such message", report.provider_id)


def form_of(body: bytes) -> dict[str, str]:
    """A URL-encoded form as a plain mapping; bytes that are none give an empty or odd one, never an error."""
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
