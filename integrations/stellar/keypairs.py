"""A Stellar keypair for every account. The SDK puts a bad secret into its exception's message: it stays in here."""

from __future__ import annotations

from stellar_sdk import Keypair as StellarKeypair
from stellar_sdk.exceptions import Ed25519SecretSeedInvalidError

from integrations.protocols import Keypair


class BadSecret(Exception):
    """Not a Stellar secret. Says nothing more, so that a secret with a typing error is not shown to anybody."""


class StellarKeypairs:
    """Makes chain wallets; nothing is sent to the network."""

    def new_keypair(self) -> Keypair:
        made = StellarKeypair.random()
        return Keypair(made.public_key, made.secret)


def public_key_of(secret: str) -> str:
    """The public key (``G...``) of a secret (``S...``); raises ``BadSecret``, without the SDK's words even as cause."""
    key = _public_key(secret)
    if key is None:
        raise BadSecret("not a Stellar secret")
    return key


def _public_key(secret: str) -> str | None:
    try:
        return StellarKeypair.from_secret(secret).public_key
    except Ed25519SecretSeedInvalidError:
        return None
