"""A wrong or missing setting stops the start with one sentence per problem, all of them at once."""

from __future__ import annotations

import pytest

from gateway.settings import BadSettings, Settings, load_settings

FIT_FOR_PRODUCTION = {
    "APP_ENV": "production",
    "DATABASE_URL": "postgresql://mlango@database/mlango",
    "REDIS_URL": "redis://redis:6379/0",
    "ENCRYPTION_KEY": "a long and secret key",
    "CALLBACK_TOKEN": "0123456789abcdef",
    "PUBLIC_URL": "https://pay.example.co.ke",
    "AT_USERNAME": "mlango",
    "AT_API_KEY": "key",
    "MPESA_CONSUMER_KEY": "key",
    "MPESA_CONSUMER_SECRET": "secret",
    "MPESA_PASSKEY": "passkey",
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, field in Settings.model_fields.items():
        monkeypatch.delenv(name.upper(), raising=False)
        for alias in getattr(field.validation_alias, "choices", ()):
            monkeypatch.delenv(str(alias), raising=False)


def _load(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("APP_ENV", "staging", "APP_ENV: "),
        ("PUBLIC_URL", "pay.example.co.ke", "PUBLIC_URL: must start with http:// or https://"),
        ("AT_BASE_URL", "localhost:9000", "AT_BASE_URL: must start with http:// or https://"),
        ("DATABASE_URL", "mysql://x", "DATABASE_URL: must be a postgresql:// address"),
        ("REDIS_URL", "localhost", "REDIS_URL: must be a redis:// address"),
        ("CALLBACK_TOKEN", "mpesa-callbacks-", "CALLBACK_TOKEN: must be at least 16 hexadecimal digits"),
        ("CALLBACK_TOKEN", "abc", "CALLBACK_TOKEN: must be at least 16 hexadecimal digits"),
        ("USSD_SESSION_TTL", "5", "USSD_SESSION_TTL: "),
        ("USSD_SESSION_TTL", "three minutes", "USSD_SESSION_TTL: "),
        ("USSD_BUDGET_SECONDS", "0", "USSD_BUDGET_SECONDS: "),
        ("CLAIM_DAYS", "0", "CLAIM_DAYS: "),
        ("MPESA_ENVIRONMENT", "live", "MPESA_ENVIRONMENT: "),
        ("DATABASE_POOL_SIZE", "0", "DATABASE_POOL_SIZE: "),
        ("LIMIT_PER_DAY", '{"basic": 5000}', "LIMIT_PER_DAY: needs a limit of at least 1 for each"),
        ("LIMIT_PER_TRANSFER", "five", "error parsing value"),
        ("TRANSFER_FEES", '{"100": -1}', "TRANSFER_FEES: needs amounts of at least 1"),
        ("CREDIT_PACKAGES", '{"ten": [10, -5]}', "CREDIT_PACKAGES: needs packages of at least 1 credit"),
        ("CREDIT_PACKAGES", "{}", "CREDIT_PACKAGES: needs packages of at least 1 credit"),
        ("CALLBACK_NETWORKS", '{"mpsea": ["196.201.214.0/24"]}', "CALLBACK_NETWORKS: knows no rail called mpsea"),
        ("LEAST_WITHDRAWAL", "250001", "LEAST_WITHDRAWAL must not be above MOST_WITHDRAWAL"),
    ],
)
def test_a_wrong_setting_is_one_sentence_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    with pytest.raises(BadSettings) as bad:
        _load(monkeypatch, {name: value})
    assert len(bad.value.problems) == 1
    assert bad.value.problems[0].startswith(sentence)


def test_a_value_that_may_be_a_secret_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSettings) as bad:
        _load(monkeypatch, {"CALLBACK_TOKEN": "hunter2", "DATABASE_URL": "mysql://me:hunter2@db"})
    assert "hunter2" not in str(bad.value)


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSettings) as bad:
        _load(monkeypatch, {"REDIS_URL": "x", "DATABASE_URL": "x", "CLAIM_DAYS": "x"})
    assert [problem.split(":")[0] for problem in bad.value.problems] == ["CLAIM_DAYS", "DATABASE_URL", "REDIS_URL"]


def test_nothing_needs_to_be_set_in_development(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _load(monkeypatch, {}).simulators_on


def test_a_complete_production_starts_without_simulators(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _load(monkeypatch, FIT_FOR_PRODUCTION).simulators_on


@pytest.mark.parametrize("name", [name for name in FIT_FOR_PRODUCTION if name != "APP_ENV"])
def test_production_refuses_to_start_without(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(BadSettings) as bad:
        _load(monkeypatch, {**FIT_FOR_PRODUCTION, name: ""})
    assert len(bad.value.problems) == 1
    assert name in bad.value.problems[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIMULATORS_URL", "http://simulators:8500"),
        ("ENCRYPTION_KEY", "development"),
        ("ENCRYPTION_KEY", "a long and secret key,short"),
        ("CALLBACK_TOKEN", "00000000000000000000000000000000"),
        ("PUBLIC_URL", "http://pay.example.co.ke"),
    ],
)
def test_production_refuses_what_is_for_laptops(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(BadSettings, match=name):
        _load(monkeypatch, {**FIT_FOR_PRODUCTION, name: value})


@pytest.mark.parametrize("name", ["FLUTTERWAVE_SECRET_KEY", "FLUTTERWAVE_HASH", "STRIPE_SECRET_KEY"])
def test_production_does_not_start_without_cards_because_a_key_of_theirs_was_forgotten(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with pytest.raises(BadSettings, match="belong together"):
        _load(monkeypatch, {**FIT_FOR_PRODUCTION, name: "key"})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"PAYHERO_API_KEY": "key"}, "to pay out by PayHero"),
        ({}, "or PAYHERO_API_KEY"),
        ({"PAYHERO_USERNAME": "u", "PAYHERO_PASSWORD": "p", "PAYHERO_CHANNEL_ID": "133"}, None),
    ],
)
def test_only_payheros_present_api_pays_out(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], problem: str | None
) -> None:
    wanted = FIT_FOR_PRODUCTION | {"PAYOUT_RAIL": "payhero"} | values
    if problem is None:
        assert _load(monkeypatch, wanted).payouts == "payhero"
        return
    with pytest.raises(BadSettings, match=problem):
        _load(monkeypatch, wanted)


def test_an_empty_production_lists_everything_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSettings) as bad:
        _load(monkeypatch, {"APP_ENV": "Production"})
    assert len(bad.value.problems) == 7


@pytest.mark.parametrize(
    ("alias", "field", "value"),
    [
        ("CALLBACK_URL_BASE", "public_url", "https://a.example"),
        ("BACKEND_URL", "public_url", "https://b.example"),
        ("SAFARICOM_CONSUMER_KEY", "mpesa_consumer_key", "key"),
        ("SAFARICOM_CONSUMER_SECRET", "mpesa_consumer_secret", "secret"),
        ("SAFARICOM_SHORTCODE", "mpesa_shortcode", "600000"),
        ("SAFARICOM_PASSKEY", "mpesa_passkey", "passkey"),
        ("SAFARICOM_BASE", "mpesa_base_url", "https://daraja.example"),
    ],
)
def test_the_names_of_the_source_systems_work_too(
    monkeypatch: pytest.MonkeyPatch, alias: str, field: str, value: str
) -> None:
    assert getattr(_load(monkeypatch, {alias: value}), field) == value


def test_an_address_alone_makes_a_rail_real(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _load(monkeypatch, {"MPESA_BASE_URL": "http://127.0.0.1:9/", "AT_BASE_URL": "http://127.0.0.1:9"})
    assert settings.rail_configured("mpesa")
    assert settings.sms_configured
    assert settings.mpesa_base_url == "http://127.0.0.1:9"
