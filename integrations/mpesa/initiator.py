"""The API user in whose name Daraja pays out, looks up and undoes: its name, and its password for Safaricom only.

The ``SecurityCredential`` is the password encrypted with the key in Safaricom's certificate for the environment.
"""

from __future__ import annotations

import base64
import logging
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from integrations.rails import BadRail

log = logging.getLogger(__name__)

_PEM = "-----BEGIN"
_UNREADABLE = "MPESA_CERTIFICATE: holds no certificate; it must be Safaricom's, as a file (PEM or DER) or as PEM text"


class Initiator:
    """One API user. Without a key its password is encrypted for nobody, which is enough for stand-ins."""

    def __init__(self, name: str, password: str, key: rsa.RSAPublicKey | None = None) -> None:
        self.name = name
        self._password = password
        self._key = key

    @cached_property
    def credential(self) -> str:
        """May be used for many requests, so it is made once; raises ``BadRail``."""
        return security_credential(self._password, self._key or throwaway_key())


def security_credential(password: str, key: rsa.RSAPublicKey) -> str:
    """Base64 of the encrypted password, another one each time; raises ``BadRail`` for a password that does not fit."""
    try:
        encrypted = key.encrypt(password.encode(), padding.PKCS1v15())
    except ValueError:
        raise BadRail("MPESA_INITIATOR_PASSWORD: is too long for the key of MPESA_CERTIFICATE") from None
    return base64.b64encode(encrypted).decode()


def certificate_key(given: str) -> rsa.RSAPublicKey:
    """The key of a certificate, by its file (PEM or DER) or by its PEM text; raises ``BadRail``.

    A certificate that has expired is only logged: Safaricom's own sandbox still takes one of 2016.
    """
    certificate = _certificate(_content(given))
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPublicKey):
        raise BadRail("MPESA_CERTIFICATE: has no RSA key, so it is not Safaricom's")
    _log_expiry(certificate.not_valid_after_utc)
    return key


@cache
def throwaway_key() -> rsa.RSAPublicKey:
    """A key nobody can decrypt for, so that requests to stand-ins look right."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()


def _content(given: str) -> bytes:
    if _PEM in given:
        return given.replace("\\n", "\n").encode()  # as line breaks are written in an environment file
    try:
        return Path(given).read_bytes()
    except (OSError, ValueError):
        raise BadRail("MPESA_CERTIFICATE: is neither a file that can be read nor the text of a certificate") from None


def _certificate(content: bytes) -> x509.Certificate:
    try:
        if _PEM.encode() in content:
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except ValueError:
        raise BadRail(_UNREADABLE) from None


def _log_expiry(ends_at: datetime) -> None:
    over = ends_at < datetime.now(UTC)
    log.log(
        logging.WARNING if over else logging.INFO,
        "the M-Pesa certificate %s on %s",
        "ended" if over else "ends",
        ends_at.date().isoformat(),
    )
