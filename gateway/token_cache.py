"""Access tokens of rails, shared by all processes through Redis: sealed, because a token is as good as a password."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import redis

from gateway.vault import Unreadable, Vault


class SealedTokenCache:
    """Keeps ``integrations.mpesa.tokens.TokenCache``. A Redis that is away only costs another token."""

    def __init__(self, client: redis.Redis, vault: Vault) -> None:
        self._redis: Any = client  # redis-py types its answers for two worlds at once
        self._vault = vault

    def get(self, key: str) -> str | None:
        with suppress(redis.RedisError, Unreadable):
            sealed = self._redis.get(key)
            return self._vault.open(sealed.decode()) if sealed else None
        return None

    def set(self, key: str, token: str, seconds: int) -> None:
        with suppress(redis.RedisError):
            self._redis.set(key, self._vault.seal(token), ex=seconds)
