"""The only place that holds keys: sealing, blind indexes, keyed digests, PIN hashes.

``ENCRYPTION_KEY`` is any string; a comma-separated list rotates: the first one encrypts, all decrypt.
Digests that must stay findable (phone index, PIN) are keyed by a *pepper*: 32 random bytes that the database
holds sealed, so that a stolen database alone tests no PIN, and keys can be rotated without losing anybody.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.domain.phone import Phone

#: argon2id of 8 MiB and one pass costs about 4 ms; at 19 MiB it would be four fifths of a
#: conversation's cost. Four digits are protected by the pepper and the lock, not by a slow hash.
_ARGON2 = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1)


class Unreadable(Exception):
    """A sealed value was made under a key that is not in ``ENCRYPTION_KEY`` any more."""


class Vault:
    """Seals and opens values, and makes keyed digests. Holds no state beside its keys."""

    def __init__(self, encryption_key: str, sealed_pepper: str) -> None:
        """Raises ``Unreadable`` when the pepper was sealed under a key that is not in the list."""
        self._fernet = _fernet(encryption_key)
        self._first = _fernet(_keys(encryption_key)[0])
        self._pepper = bytes.fromhex(self.open(sealed_pepper))

    @staticmethod
    def new_pepper(encryption_key: str) -> str:
        """A fresh pepper, sealed: made once, when a database is set up."""
        return _fernet(encryption_key).encrypt(secrets.token_hex(32).encode()).decode()

    def seal(self, text: str) -> str:
        """Encrypt for reading back later (Fernet)."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Decrypt what ``seal`` made; raises ``Unreadable``. The message never contains the value."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise Unreadable("sealed under an unknown key") from None

    def reseal(self, sealed: str) -> str:
        """The same secret under the first key of the list; raises ``Unreadable``."""
        try:
            return self._fernet.rotate(sealed.encode()).decode()
        except InvalidToken:
            raise Unreadable("sealed under an unknown key") from None

    def is_current(self, sealed: str) -> bool:
        """Whether ``sealed`` is under the first key of the list already."""
        try:
            self._first.decrypt(sealed.encode())
        except InvalidToken:
            return False
        return True

    def digest(self, purpose: str, *parts: str) -> bytes:
        """A keyed SHA-256 over ``parts``; another ``purpose`` gives another digest."""
        message = "\x1f".join((purpose, *parts)).encode()
        return hmac.digest(self._pepper, message, sha256)

    def phone_index(self, phone: Phone) -> bytes:
        """The blind index by which a phone number is found without being stored in clear."""
        return self.digest("phone", phone.e164)

    def hash_pin(self, owner: str, pin: str) -> str:
        """A peppered PIN under a light argon2id; ``owner`` is the account number."""
        return _ARGON2.hash(self.digest("pin", owner, pin))

    def pin_matches(self, owner: str, pin: str, hashed: str) -> bool:
        try:
            return _ARGON2.verify(hashed, self.digest("pin", owner, pin))
        except VerifyMismatchError:
            return False


def _fernet(encryption_key: str) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(key))) for key in _keys(encryption_key)])


def _keys(encryption_key: str) -> list[str]:
    keys = [part.strip() for part in encryption_key.split(",") if part.strip()]
    if not keys:
        raise ValueError("ENCRYPTION_KEY is empty")
    return keys


def _derive(key: str) -> bytes:
    return HKDF(SHA256(), 32, salt=b"mlango", info=b"seal").derive(key.encode())
