"""The API user's password: encrypted for Safaricom's certificate only, and a wrong certificate told at the start."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from gateway.preflight import CannotStart, check
from gateway.settings import load_settings
from integrations.mpesa.initiator import Initiator, certificate_key, security_credential
from integrations.mpesa.rail import build
from integrations.rails import BadRail, Tools
from integrations.registry import rail_problems

PASSWORD = "Safaricom999!*#&%$()é"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
DARAJA = {"mpesa_consumer_key": "k", "mpesa_consumer_secret": "s", "mpesa_passkey": "p"}


def certificate(key: Any = KEY, days: int = 30) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
    ends_at = datetime.now(UTC) + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ends_at - timedelta(days=365))
        .not_valid_after(ends_at)
        .sign(key, hashes.SHA256())
    )


def pem(**of: Any) -> str:
    return certificate(**of).public_bytes(serialization.Encoding.PEM).decode()


def opened(credential: str) -> str:
    return KEY.decrypt(base64.b64decode(credential, validate=True), padding.PKCS1v15()).decode()


@pytest.fixture(params=["text", "text in one line", "PEM file", "DER file", "PEM file with a preface"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The certificate in every form in which it may be set."""
    forms = {
        "text": pem(),
        "text in one line": pem().replace("\n", "\\n"),
        "PEM file": pem().encode(),
        "DER file": certificate().public_bytes(serialization.Encoding.DER),
        "PEM file with a preface": b"Bag Attributes\n" + pem().encode(),
    }
    form = forms[request.param]
    if isinstance(form, str):
        return form
    file = tmp_path / "sandbox.cer"
    file.write_bytes(form)
    return str(file)


def test_only_the_owner_of_the_certificate_can_read_the_password(given: str) -> None:
    credential = security_credential(PASSWORD, certificate_key(given))
    assert opened(credential) == PASSWORD
    assert len(credential) == 344
    assert credential.isprintable()


def test_each_encryption_is_another_text_and_an_initiator_keeps_its_own() -> None:
    key = KEY.public_key()
    assert security_credential(PASSWORD, key) != security_credential(PASSWORD, key)
    initiator = Initiator("apiuser", PASSWORD, key)
    assert initiator.credential == initiator.credential


def test_a_stand_in_is_sent_a_credential_of_the_right_look_and_never_the_password() -> None:
    encrypted = base64.b64decode(Initiator("apiuser", PASSWORD).credential, validate=True)
    assert len(encrypted) == 256
    assert PASSWORD.encode() not in encrypted


@pytest.mark.parametrize(("days", "word"), [(-3000, "ended"), (30, "ends")])
def test_a_certificate_that_expired_is_used_all_the_same_and_said_so(
    caplog: pytest.LogCaptureFixture, days: int, word: str
) -> None:
    caplog.set_level("INFO")
    assert certificate_key(pem(days=days)) == KEY.public_key()
    (record,) = caplog.records
    assert f"certificate {word} on " in record.getMessage()


WRONG = [
    "/nowhere/sandbox.cer",
    "no certificate",
    "\0",
    "x" * 5000,
    "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----",
    "-----BEGIN NONSENSE-----",
]


@pytest.mark.parametrize("wrong", [*WRONG, "an elliptic key"])
def test_what_is_no_certificate_is_one_sentence_without_the_value(wrong: str) -> None:
    given = pem(key=ec.generate_private_key(ec.SECP256R1())) if wrong == "an elliptic key" else wrong
    with pytest.raises(BadRail) as bad:
        certificate_key(given)
    sentence = str(bad.value)
    assert sentence.startswith("MPESA_CERTIFICATE: ")
    assert "\n" not in sentence
    assert given not in sentence


@pytest.mark.parametrize("content", [b"", b"\x30\x82", b"\xff" * 50])
def test_a_file_that_holds_no_certificate_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "sandbox.cer"
    file.write_bytes(content)
    with pytest.raises(BadRail, match="holds no certificate"):
        certificate_key(str(file))


def test_a_password_that_does_not_fit_the_key_is_told_without_it() -> None:
    with pytest.raises(BadRail, match="MPESA_INITIATOR_PASSWORD: is too long") as bad:
        security_credential("secret" * 50, KEY.public_key())
    assert "secretsecret" not in str(bad.value)


def real(**values: str) -> Any:
    named = {"mpesa_initiator_name": "apiuser", "mpesa_initiator_password": PASSWORD, "mpesa_certificate": pem()}
    return load_settings(app_env="development", **DARAJA | named | values)


def test_with_an_initiator_the_rail_can_do_everything() -> None:
    rail = build(real(), "", Tools())
    assert all((rail.collects, rail.pays_out, rail.gives_back, rail.looks_up, rail.tells_balance))
    assert all((rail.checks_arrivals, rail.registers))
    assert rail.pays_out
    assert opened(rail.pays_out._initiator.credential) == PASSWORD  # type: ignore[attr-defined]


@pytest.mark.parametrize("missing", ["mpesa_initiator_name", "mpesa_initiator_password", "mpesa_certificate"])
def test_without_an_initiator_the_rail_collects_and_hears_of_everything_on_its_way(missing: str) -> None:
    rail = build(real(**{missing: ""}), "", Tools())
    assert (rail.pays_out, rail.gives_back, rail.looks_up, rail.tells_balance) == (None, None, None, None)
    assert all((rail.collects, rail.checks_arrivals, rail.registers))
    assert len(rail.channels) == 12


def test_away_from_safaricom_no_certificate_is_needed_but_in_production_it_is() -> None:
    stub = {"mpesa_base_url": "http://127.0.0.1:1", "mpesa_certificate": ""}
    assert build(real(**stub), "", Tools()).pays_out
    assert build(load_settings(app_env="test"), "http://127.0.0.1:1/mpesa", Tools()).pays_out
    production = real(**stub).model_copy(update={"app_env": "production"})
    assert build(production, "", Tools()).pays_out is None


@pytest.mark.parametrize(("own", "paying"), [("600992", "600992"), ("", "174379")])
def test_payouts_come_from_their_own_shortcode_or_the_one_there_is(own: str, paying: str) -> None:
    rail = build(real(mpesa_b2c_shortcode=own), "", Tools())
    assert rail.pays_out
    assert rail.looks_up
    assert rail.gives_back
    assert rail.pays_out._shortcode == rail.looks_up._paying == paying  # type: ignore[attr-defined]
    assert rail.looks_up._shortcode == rail.gives_back._shortcode == "174379"  # type: ignore[attr-defined]


def test_a_wrong_certificate_stops_the_start_with_one_sentence_beside_the_others() -> None:
    settings = real(mpesa_certificate="/nowhere/sandbox.cer")
    (sentence,) = rail_problems(settings)
    assert sentence.startswith("MPESA_CERTIFICATE: is neither a file")
    with pytest.raises(CannotStart) as stopped:
        check(settings)
    assert sentence in stopped.value.sentences


@pytest.mark.parametrize("settings", [real(), load_settings(app_env="test")])
def test_good_settings_and_simulated_rails_have_no_problems(settings: Any) -> None:
    assert rail_problems(settings) == []
