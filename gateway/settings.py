"""The environment, read once into one validated, frozen ``Settings``.

A wrong or missing setting stops the start with one sentence per problem, all of them at once.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
import secrets
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError


class BadSettings(Exception):
    """The environment does not make a working gateway; ``problems`` has a sentence for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


#: Scheme, host and port: what a browser calls an origin.
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?", re.ASCII)


def _either(*names: str) -> Any:
    return AliasChoices(*names)


class Settings(BaseSettings):
    """Everything that differs between a laptop and production. Names are the environment's, in lower case."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    app_env: Literal["development", "test", "production"] = "development"
    public_url: str = Field(
        "http://127.0.0.1:5000", validation_alias=_either("PUBLIC_URL", "CALLBACK_URL_BASE", "BACKEND_URL")
    )
    shortcode: str = "*384*123#"
    data_dir: Path = Path(".data")

    database_url: str = ""
    redis_url: str = ""
    database_pool_size: int = Field(8, ge=1, le=200)

    encryption_key: str = ""
    callback_token: str = ""
    ussd_api_key: str = ""

    ussd_session_ttl: int = Field(180, ge=30, le=3600)
    ussd_resume_seconds: int = Field(600, ge=0, le=86_400)
    ussd_budget_seconds: float = Field(2.0, gt=0, le=9)
    ussd_latest_input_only: bool = False
    ussd_page_septets: dict[str, int] = Field(default_factory=dict)

    at_username: str = ""
    at_api_key: str = ""
    at_sender_id: str = ""
    at_base_url: str = ""

    mpesa_environment: Literal["sandbox", "production"] = "sandbox"
    mpesa_consumer_key: str = Field("", validation_alias=_either("MPESA_CONSUMER_KEY", "SAFARICOM_CONSUMER_KEY"))
    mpesa_consumer_secret: str = Field(
        "", validation_alias=_either("MPESA_CONSUMER_SECRET", "SAFARICOM_CONSUMER_SECRET")
    )
    mpesa_shortcode: str = Field("174379", validation_alias=_either("MPESA_SHORTCODE", "SAFARICOM_SHORTCODE"))
    mpesa_passkey: str = Field("", validation_alias=_either("MPESA_PASSKEY", "SAFARICOM_PASSKEY"))
    mpesa_base_url: str = Field("", validation_alias=_either("MPESA_BASE_URL", "SAFARICOM_BASE"))
    mpesa_initiator_name: str = ""
    mpesa_initiator_password: str = Field("", repr=False)
    mpesa_certificate: str = ""
    mpesa_b2c_shortcode: str = ""
    mpesa_c2b_version: Literal["v1", "v2"] = "v2"

    payhero_api_key: str = Field("", repr=False)
    payhero_username: str = ""
    payhero_password: str = Field("", repr=False)
    payhero_channel_id: int = Field(0, ge=0)
    payhero_base_url: str = ""

    flutterwave_public_key: str = ""
    flutterwave_secret_key: str = Field("", repr=False)
    flutterwave_hash: str = Field("", repr=False)
    flutterwave_base_url: str = ""

    stripe_secret_key: str = Field("", repr=False)
    stripe_webhook_secret: str = Field("", repr=False)
    stripe_base_url: str = ""

    collect_rail: Literal["mpesa", "payhero"] = "mpesa"
    payout_rail: Literal["mpesa", "payhero", "none", ""] = ""
    card_rail: Literal["flutterwave", "stripe", "none", ""] = ""
    callback_networks: dict[str, list[str]] = Field(default_factory=dict)
    trusted_proxies: int = Field(0, ge=0, le=10)

    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), validation_alias=_either("ALLOWED_ORIGINS", "FRONTEND_URL")
    )
    api_reads_per_minute: int = Field(600, ge=1)
    api_writes_per_minute: int = Field(120, ge=1)

    simulators_url: str = ""

    metrics_port: int = Field(0, ge=0, le=65_535)

    transfer_fees: dict[int, int] = Field(
        default_factory=lambda: {100: 0, 500: 5, 1_000: 10, 5_000: 20, 20_000: 40, 250_000: 60}
    )
    least_transfer: int = Field(1, ge=1)
    least_deposit: int = Field(1, ge=1)
    most_deposit: int = Field(250_000, ge=1)
    limit_per_transfer: dict[str, int] = Field(
        default_factory=lambda: {"basic": 70_000, "verified": 250_000, "cooling": 5_000}
    )
    limit_per_day: dict[str, int] = Field(
        default_factory=lambda: {"basic": 140_000, "verified": 500_000, "cooling": 10_000}
    )
    ask_rail_above: int = Field(20_000, ge=0)
    claim_days: int = Field(7, ge=1, le=90)
    most_claims_per_day: int = Field(10, ge=1)
    withdraw_fees: dict[int, int] = Field(default_factory=lambda: {2_500: 15, 20_000: 30, 250_000: 45})
    least_withdrawal: int = Field(10, ge=1)
    most_withdrawal: int = Field(250_000, ge=1)
    credit_packages: dict[str, tuple[int, int]] = Field(
        default_factory=lambda: {
            "pkg_10_credits": (10, 5_000),
            "pkg_25_credits": (25, 12_500),
            "pkg_50_credits": (50, 25_000),
        }
    )
    push_delay_seconds: int = Field(3, ge=0, le=60)

    alarm_payment_minutes: int = Field(15, ge=1)
    alarm_payout_minutes: int = Field(10, ge=1)
    alarm_unknown_payout_minutes: int = Field(60, ge=1)
    alarm_suspense_hours: int = Field(24, ge=1)
    alarm_sms_minutes: int = Field(10, ge=1)
    alarm_callback_minutes: int = Field(15, ge=1)
    alarm_failing_percent: int = Field(50, ge=1, le=100)
    alarm_failing_least: int = Field(10, ge=1)

    @field_validator("app_env", mode="before")
    @classmethod
    def _known_environment(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator(
        "public_url",
        "at_base_url",
        "mpesa_base_url",
        "payhero_base_url",
        "flutterwave_base_url",
        "stripe_base_url",
        "simulators_url",
    )
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _postgresql_only(cls, value: str) -> str:
        if value and not value.startswith(("postgresql://", "postgres://", "postgresql+psycopg2://")):
            raise ValueError("must be a postgresql:// address")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_only(cls, value: str) -> str:
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must be a redis:// address")
        return value

    @field_validator("limit_per_transfer", "limit_per_day")
    @classmethod
    def _every_tier(cls, value: dict[str, int]) -> dict[str, int]:
        missing = {"basic", "verified", "cooling"} - value.keys()
        if missing or min(value.values()) < 1:
            raise ValueError("needs a limit of at least 1 for each of basic, verified and cooling")
        return value

    @field_validator("transfer_fees", "withdraw_fees")
    @classmethod
    def _fees_of_something(cls, value: dict[int, int]) -> dict[int, int]:
        if not value or min(value) < 1 or min(value.values()) < 0:
            raise ValueError("needs amounts of at least 1 with fees of at least 0")
        return value

    @field_validator("credit_packages")
    @classmethod
    def _packages_of_something(cls, value: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        if not value or min(map(min, value.values())) < 1:
            raise ValueError("needs packages of at least 1 credit for at least 1 naira")
        return value

    @field_validator("callback_networks")
    @classmethod
    def _networks(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        if unknown := value.keys() - _NEEDED.keys():
            raise ValueError(f"knows no rail called {', '.join(sorted(unknown))}, only {', '.join(sorted(_NEEDED))}")
        for network in itertools.chain.from_iterable(value.values()):
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError("needs addresses or networks, such as 196.201.214.0/24, by rail") from None
        return value

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _origins(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        origins = tuple(origin.strip().rstrip("/") for origin in value.split(",") if origin.strip())
        if not all(map(_ORIGIN.fullmatch, origins)):
            raise ValueError("needs origins such as https://shop.example, separated by commas")
        return origins

    @field_validator("callback_token")
    @classmethod
    def _hex_token(cls, value: str) -> str:
        # Daraja refuses callback addresses that contain its brand names, "sql", "cmd" and others;
        # hexadecimal digits cannot spell any of them.
        if value and (len(value) < 16 or not all(c in "0123456789abcdef" for c in value)):
            raise ValueError("must be at least 16 hexadecimal digits, in lower case")
        return value

    @model_validator(mode="after")
    def _something_can_be_withdrawn(self) -> Settings:
        if self.least_withdrawal > self.most_withdrawal:
            raise ValueError("LEAST_WITHDRAWAL must not be above MOST_WITHDRAWAL")
        return self

    @model_validator(mode="after")
    def _fit_for_production(self) -> Settings:
        problems = list(self._production_problems()) if self.app_env == "production" else []
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _production_problems(self) -> list[str]:
        needed = {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "ENCRYPTION_KEY": self.encryption_key,
            "CALLBACK_TOKEN": self.callback_token,
        }
        problems = [f"{name} must be set in production" for name, value in needed.items() if not value]
        if self.encryption_key and min(map(len, self.encryption_key.split(","))) < 16:
            problems.append("ENCRYPTION_KEY must have at least 16 characters in production")
        if self.callback_token and len(set(self.callback_token)) < 5:
            problems.append("CALLBACK_TOKEN must be random in production")
        return problems + list(self._provider_problems())

    def _provider_problems(self) -> list[str]:
        problems = []
        if not self.public_url.startswith("https://"):
            problems.append("PUBLIC_URL must be an https:// address in production")
        if self.simulators_url:
            problems.append("SIMULATORS_URL must not be set in production")
        if not self.sms_configured:
            problems.append("AT_USERNAME and AT_API_KEY must be set in production: there are no simulators there")
        missing_rails = [rail for rail in sorted(self.rails_in_use) if not self.rail_configured(rail)]
        problems += [
            f"{_NEEDED[rail]} must be set in production: there are no simulators there" for rail in missing_rails
        ]
        half = {
            "flutterwave": bool(self.flutterwave_secret_key) is not bool(self.flutterwave_hash),
            "stripe": bool(self.stripe_secret_key) is not bool(self.stripe_webhook_secret),
        }
        begun_rails = [rail for rail, is_half in half.items() if is_half and rail not in missing_rails]
        problems += [f"{_NEEDED[rail]} belong together" for rail in begun_rails if not self.rail_configured(rail)]
        begun = self.mpesa_initiator_name or self.mpesa_initiator_password or self.mpesa_certificate
        if (self.payout_rail == "mpesa" or begun) and not self.mpesa_can_pay:
            problems.append(
                "MPESA_INITIATOR_NAME, MPESA_INITIATOR_PASSWORD and MPESA_CERTIFICATE must be set in production to pay "
                "out by M-Pesa"
            )
        if self.payout_rail == "payhero" and self.payhero_api_key and not self.payhero_speaks_v2:
            problems.append(
                "PAYHERO_USERNAME, PAYHERO_PASSWORD and PAYHERO_CHANNEL_ID must be set in production to pay out by "
                "PayHero"
            )
        return problems

    @property
    def sms_configured(self) -> bool:
        """Africa's Talking is real: its address or its credentials are given."""
        return bool(self.at_base_url or (self.at_username and self.at_api_key))

    @property
    def mpesa_can_pay(self) -> bool:
        """Daraja takes payouts, questions and reversals of who has these."""
        return bool(self.mpesa_initiator_name and self.mpesa_initiator_password and self.mpesa_certificate)

    @property
    def payhero_speaks_v2(self) -> bool:
        """PayHero's present API takes who has these; its older contract, by a key alone, can only collect."""
        return bool(self.payhero_username and self.payhero_password and self.payhero_channel_id)

    @property
    def most_prompted(self) -> int:
        """The most that a prompt asks for: what cannot be asked about gets no more than a callback is believed for."""
        blind = self.collect_rail == "payhero" and self.payhero_api_key and not self.payhero_speaks_v2
        return min(self.most_deposit, self.ask_rail_above) if blind else self.most_deposit

    @property
    def payouts(self) -> str:
        """The rail of payouts: the chosen one, else M-Pesa when it can pay, else the simulated one."""
        if self.payout_rail:
            return "" if self.payout_rail == "none" else self.payout_rail
        return "" if self.app_env == "production" and not self.mpesa_can_pay else "mpesa"

    @property
    def cards(self) -> str:
        """The rail of cards: the chosen one, else a configured one, else a simulated one where others are simulated."""
        if self.card_rail:
            return "" if self.card_rail == "none" else self.card_rail
        configured = [name for name in ("flutterwave", "stripe") if self.rail_configured(name)]
        default = "" if self.app_env == "production" or self._phones_are_real else "flutterwave"
        return configured[0] if configured else default

    @property
    def _phones_are_real(self) -> bool:
        rails = {self.collect_rail, self.payouts} - {""}
        return self.sms_configured and all(map(self.rail_configured, rails))

    @property
    def rails_in_use(self) -> frozenset[str]:
        """Rails that new money takes."""
        return frozenset({self.collect_rail, self.payouts, self.cards} - {""})

    def rail_configured(self, name: str) -> bool:
        """Whether a rail is real: its address or its credentials are given."""
        mpesa = self.mpesa_consumer_key and self.mpesa_consumer_secret and self.mpesa_passkey
        payhero = self.payhero_speaks_v2 or self.payhero_api_key
        real = {
            "mpesa": self.mpesa_base_url or mpesa,
            "payhero": self.payhero_base_url or payhero,
            "flutterwave": self.flutterwave_base_url or (self.flutterwave_secret_key and self.flutterwave_hash),
            "stripe": self.stripe_base_url or (self.stripe_secret_key and self.stripe_webhook_secret),
        }
        return bool(real[name])

    @property
    def shared_with_providers(self) -> dict[str, str]:
        """Secrets that a provider's stand-in must know too, by their environment names."""
        names = ("callback_token", "mpesa_passkey", "flutterwave_hash", "stripe_webhook_secret")
        return {name.upper(): str(getattr(self, name)) for name in names}

    @property
    def simulators_on(self) -> bool:
        """Whether any provider is a simulator; never in production."""
        everything_real = self._phones_are_real and all(map(self.rail_configured, self.rails_in_use))
        return self.app_env != "production" and not everything_real


#: What makes a rail real, for whoever has to set it.
_NEEDED = {
    "mpesa": "MPESA_CONSUMER_KEY, MPESA_CONSUMER_SECRET and MPESA_PASSKEY",
    "payhero": "PAYHERO_USERNAME, PAYHERO_PASSWORD and PAYHERO_CHANNEL_ID (or PAYHERO_API_KEY)",
    "flutterwave": "FLUTTERWAVE_SECRET_KEY and FLUTTERWAVE_HASH",
    "stripe": "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET",
}


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; raises ``BadSettings`` with every problem at once."""
    try:
        return Settings(**overrides)
    except ValidationError as invalid:
        raise BadSettings(_sentences(invalid)) from None
    except SettingsError as unreadable:
        raise BadSettings([str(unreadable)]) from None


def _sentences(invalid: ValidationError) -> list[str]:
    """One line per problem, by the environment's name, never with the value: it may be a secret."""
    sentences: list[str] = []
    for problem in invalid.errors(include_input=False, include_url=False):
        name = "_".join(str(part) for part in problem["loc"]).upper()
        said = problem["msg"].removeprefix("Value error, ")
        sentences += [f"{name}: {said}"] if name else said.split("; ")
    return sorted(sentences)


def new_token() -> str:
    """An unguessable lower-case hexadecimal token, fit for a callback address."""
    return secrets.token_hex(16)
