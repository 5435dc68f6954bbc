"""Stellar keypairs: real ones, and no secret in any message."""

from __future__ import annotations

import traceback

import pytest

from integrations.stellar.keypairs import BadSecret, StellarKeypairs, public_key_of


def test_every_keypair_is_new_and_belongs_together():
    first, second = StellarKeypairs().new_keypair(), StellarKeypairs().new_keypair()
    assert first.public_key != second.public_key
    assert first.public_key.startswith("G")
    assert public_key_of(first.secret) == first.public_key


def test_a_secret_is_not_printed():
    made = StellarKeypairs().new_keypair()
    assert made.secret not in repr(made)


def _with_a_typing_error(secret):
    return secret[:-1] + ("A" if secret[-1] != "A" else "B")


@pytest.mark.parametrize("spoil", [_with_a_typing_error, lambda s: s[:-3], lambda s: s.lower(), lambda s: s + "é"])
def test_a_bad_secret_is_not_in_the_error_nor_in_its_causes(spoil):
    bad = spoil(StellarKeypairs().new_keypair().secret)
    with pytest.raises(BadSecret) as refused:
        public_key_of(bad)
    error = refused.value
    assert bad not in "".join(traceback.format_exception(error))
    assert (error.__cause__, error.__context__) == (None, None)
