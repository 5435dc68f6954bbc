"""Who is using the account, on screens that only members reach."""

from __future__ import annotations

from gateway.domain.errors import AccountNotFound
from ussd_menus.session import Caller, Session


def member(session: Session) -> Caller:
    """The caller's account; raises ``AccountNotFound`` on a screen that a stranger has no way to."""
    if session.caller is None:
        raise AccountNotFound
    return session.caller
