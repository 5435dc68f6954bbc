"""What Africa's Talking posts to us besides hops: ended sessions and delivery reports. Readers never raise.

An ended session's ``input`` holds the PIN once it was typed: it is not read at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from gateway.domain.errors import InvalidPhone
from gateway.domain.phone import Phone, parse_phone
from integrations.protocols import DeliveryReport, DeliveryStatus, SessionEnded

#: Report words -> what became of the message, and whether that is the last word.
REPORTS = {
    "sent": (DeliveryStatus.ON_ITS_WAY, False),
    "submitted": (DeliveryStatus.ON_ITS_WAY, False),
    "buffered": (DeliveryStatus.ON_ITS_WAY, False),
    "success": (DeliveryStatus.DELIVERED, True),
    "rejected": (DeliveryStatus.FAILED, True),
    "failed": (DeliveryStatus.FAILED, True),
    "absentsubscriber": (DeliveryStatus.FAILED, True),
    "expired": (DeliveryStatus.FAILED, True),
}
#: Why a message failed, in our words; a failure without a reason is told by its status.
FAILURES = {
    "insufficientcredit": "no_balance",
    "invalidlinkid": "config",
    "userisinactive": "inactive",
    "userinblacklist": "blacklisted",
    "useraccountsuspended": "inactive",
    "notnetworksubcriber": "no_route",  # so spelled in the documentation
    "notnetworksubscriber": "no_route",
    "usernotsubscribedtoproduct": "config",
    "userdoesnotexist": "invalid_phone",
    "deliveryfailure": "gateway",
    "donotdisturbrejection": "do_not_disturb",
    "absentsubscriber": "absent",
    "expired": "expired",
}

METADATA_HEADER = "at-ussd-hop-metadata"

_PRINTABLE = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?")
_COST = re.compile(r"(?:([A-Za-z]{3}) ?)?([0-9]{1,9}(?:\.[0-9]{1,8})?)")


def read_session_ended(form: Mapping[str, str]) -> SessionEnded | None:
    """An end-of-session notification, or ``None`` without session id or status."""
    session_id, status = _word(form.get("sessionId")), _word(form.get("status"))
    if session_id is None or status is None:
        return None
    cost, currency = read_cost(form.get("cost"))
    return SessionEnded(
        session_id=session_id,
        phone=_phone(form.get("phoneNumber")),
        network_code=_word(form.get("networkCode")) or "",
        service_code=_word(form.get("serviceCode")) or "",
        status=status,
        cost=cost or Decimal(0),
        cost_currency=currency,
        duration_ms=_count(form.get("durationInMillis")),
        hops=_count(form.get("hopsCount")),
        metadata=_metadata(form.get("hopsMetadata")),
        error=_word(form.get("errorMessage")),
        ended_at=_moment(form.get("date")),
    )


def read_report(form: Mapping[str, str]) -> DeliveryReport | None:
    """A delivery report, or ``None`` without id or status. A status we do not know is not final."""
    provider_id, said = _word(form.get("id")), _word(form.get("status"))
    if provider_id is None or said is None:
        return None
    status, final = REPORTS.get(said.lower(), (DeliveryStatus.ON_ITS_WAY, False))
    reason = _reason(said, form.get("failureReason")) if status is DeliveryStatus.FAILED else ""
    return DeliveryReport(provider_id, status, final, reason)


def read_cost(cost: object) -> tuple[Decimal | None, str | None]:
    """``KES 0.8000`` as (0.8000, ``KES``), ``0`` as (0, ``None``), anything else as (``None``, ``None``)."""
    parts = _COST.fullmatch(cost.strip()) if isinstance(cost, str) else None
    if parts is None:
        return None, None
    currency, amount = parts.groups()
    return Decimal(amount), currency.upper() if currency else None


def _reason(status: str, failure: str | None) -> str:
    said = (_word(failure) or "").lower()
    return FAILURES.get(said) or FAILURES.get(status.lower(), "other")


def _word(value: object) -> str | None:
    """A short printable text, else ``None``: what is stored cannot break a database or a log."""
    written = value.strip() if isinstance(value, str) else ""
    return written if _PRINTABLE.fullmatch(written) else None


def _phone(value: object) -> Phone | None:
    """A plus sign that was sent bare arrives as a blank: ``" 254..."`` is ``"+254..."``."""
    if not isinstance(value, str):
        return None
    if value.startswith(" "):
        value = "+" + value.strip()
    try:
        return parse_phone(value)
    except InvalidPhone:
        return None


def _count(value: object) -> int:
    written = value.strip() if isinstance(value, str) else ""
    return int(written) if re.fullmatch(r"[0-9]{1,9}", written) else 0


def _metadata(value: object) -> tuple[str, ...]:
    pieces = value.split("|") if isinstance(value, str) else []
    return tuple(word for piece in pieces if (word := _word(piece)))


def _moment(value: object) -> datetime | None:
    written = value.strip()[:19].replace("T", " ") if isinstance(value, str) else ""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", written):
        return None
    try:
        return datetime.strptime(written, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
