"""Whom a program means: an account by its number, or by its owner's phone."""

from __future__ import annotations

from gateway.domain.errors import AccountNotFound
from gateway.domain.phone import Phone, parse_phone
from gateway.models.accounts import Member
from gateway.services.accounts import Accounts
from gateway.vault import Vault


class People:
    """Finds accounts for routes."""

    def __init__(self, accounts: Accounts, vault: Vault) -> None:
        self._accounts = accounts
        self._vault = vault

    def named(self, who: str) -> Member:
        """Refuses: ``AccountNotFound``, ``InvalidPhone``."""
        by_number = who.strip()[:3].upper() == "ML-"
        member = self._accounts.by_number(who) if by_number else self._accounts.by_phone(parse_phone(who))
        if member is None:
            raise AccountNotFound
        return member

    def phone(self, member: Member, other: str | None) -> Phone:
        """The other phone that was named, else the member's own. Refuses: ``InvalidPhone``."""
        return Phone(self._vault.open(member.phone_sealed)) if other is None else parse_phone(other)
