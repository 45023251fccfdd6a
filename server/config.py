"""The settings: read once at start, from the environment or a ``.env`` file; the environment wins.

Each field's name in upper case is the variable. A wrong value stops the start with :class:`SettingsError`, which names
every wrong setting, its value (never a secret's) and what is allowed.
"""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from server.domain.currency import MINOR_DIGITS
from server.domain.money import AMOUNT_DIGITS

_PREFIX_MAX_LENGTH = 64
"""Leaves room for the dash and the suffix in the column's 100 characters."""

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?")

_BOUND_WORDS = {"gt": "more than", "ge": "at least", "le": "at most"}

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


def _usable_currency(code: str) -> str:
    digits = MINOR_DIGITS.get(code)
    if digits is None:
        msg = "must be an ISO 4217 code of three upper-case letters, such as INR"
        raise ValueError(msg)
    if digits > AMOUNT_DIGITS:
        msg = f"has {digits} decimals; amounts are stored with {AMOUNT_DIGITS}"
        raise ValueError(msg)
    return code


def _prefix(template: str) -> str:
    if not re.fullmatch(r"(\{date\}|[!-z|~])+", template) or len(template.format(date="20250910")) > _PREFIX_MAX_LENGTH:
        msg = (
            f"must be at most {_PREFIX_MAX_LENGTH} printable ASCII characters without spaces, "
            "in which {date} stands for the day (YYYYMMDD, UTC)"
        )
        raise ValueError(msg)
    return template


Currency = Annotated[str, AfterValidator(_usable_currency)]


class Engine(StrEnum):
    """What serves gRPC."""

    NATIVE = "native"
    GRPCIO = "grpcio"


class SettingsError(Exception):
    """The settings are wrong; the message has a line for each that is."""


class Settings(BaseSettings):
    """What a deployment may choose."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    mysql_host: str | None = Field(None, description="host of the database; needed unless MYSQL_SOCKET is set")
    mysql_port: int = Field(3306, ge=1, le=65535, description="TCP port of the database")
    mysql_socket: Path | None = Field(None, description="Unix socket of the database, instead of host and port")
    mysql_user: str = Field("payments", min_length=1, description="user of the database")
    mysql_password: SecretStr = Field(SecretStr(""), description="password of that user")
    mysql_db: str = Field("ecommerce", min_length=1, max_length=64, description="name of the database")
    mysql_pool_min: int = Field(2, ge=0, le=1000, description="connections kept open")
    mysql_pool_max: int = Field(16, ge=1, le=1000, description="connections at most")
    mysql_connect_timeout_seconds: Seconds = Field(5, description="how long opening a connection may take")
    mysql_acquire_timeout_seconds: Seconds = Field(2, description="how long a call waits for a free connection")
    mysql_statement_timeout_seconds: Seconds = Field(
        10, description="how long one call's work in the database may take before its connection is dropped"
    )
    mysql_startup_timeout_seconds: Seconds = Field(60, description="how long the start waits for the database")
    health_check_interval_seconds: Seconds = Field(1, description="how often health asks the database")

    grpc_host: str = Field("127.0.0.1", min_length=1, description="address that gRPC listens on")
    grpc_port: int = Field(50051, ge=0, le=65535, description="port that gRPC listens on; 0 takes a free one")
    grpc_engine: Engine = Field(Engine.GRPCIO, description="what serves gRPC: native (pygrpc-native) or grpcio")
    grpc_max_message_bytes: int = Field(1 << 20, ge=1 << 12, le=1 << 28, description="largest request accepted")
    grpc_max_connection_age_seconds: Seconds | None = Field(
        None, description="when a gRPC connection's client is told to make a new one, where clients balance; else never"
    )
    rest_host: str = Field("127.0.0.1", min_length=1, description="address that REST listens on")
    rest_port: int = Field(8001, ge=0, le=65535, description="port that REST listens on; 0 takes a free one")
    rest_max_body_bytes: int = Field(1 << 20, ge=1 << 10, le=1 << 28, description="largest body accepted over REST")
    rest_body_timeout_seconds: Seconds = Field(30, description="how long a body may take to arrive")
    cors_allowed_origins: Annotated[frozenset[str], NoDecode] = Field(
        frozenset({"*"}), description="web origins whose pages may call REST, separated by commas; * is any, - is none"
    )
    rest_metrics: bool = Field(default=True, description="whether REST serves /metrics, for Prometheus")
    max_concurrent_calls: int = Field(
        1000, ge=1, le=1_000_000, description="calls in progress at most; further ones are told to try again"
    )
    drain_timeout_seconds: Seconds = Field(20, description="how long calls in progress may take to end at shutdown")

    default_currency: Currency = Field("INR", description="currency of amounts that name none (ISO 4217)")
    allowed_currencies: Annotated[frozenset[Currency], NoDecode] = Field(
        frozenset({"INR", "USD", "EUR", "GBP", "JPY"}), description="currencies accepted, separated by commas"
    )
    success_probability: Probability = Field(0.6, description="how often the simulated processor approves, 0 to 1")
    success_probability_upi: Probability | None = Field(None, description="the same for UPI, where it differs")
    success_probability_card: Probability | None = Field(None, description="the same for CARD, where it differs")
    success_probability_cod: Probability | None = Field(None, description="the same for COD, where it differs")
    processor_seed: int | None = Field(None, description="makes the simulated processor repeatable")
    reference_prefix: Annotated[str, AfterValidator(_prefix)] = Field(
        "ECI{date}",
        description="start of a payment's reference; {date} is the day (YYYYMMDD, UTC)",
    )

    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="json: one object a line; console: for people; auto: console on a terminal"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")

    @field_validator("allowed_currencies", "cors_allowed_origins", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("allowed_currencies")
    @classmethod
    def _some_currency(cls, currencies: frozenset[str]) -> frozenset[str]:
        if not currencies:
            raise ValueError("must name at least one currency")
        return currencies

    @field_validator("cors_allowed_origins")
    @classmethod
    def _origins_are_origins(cls, origins: frozenset[str]) -> frozenset[str]:
        if origins not in ({"*"}, {"-"}) and not all(_ORIGIN.fullmatch(origin) for origin in origins):
            msg = "must be origins such as https://shop.example.com:8443, separated by commas; or * alone, or - alone"
            raise ValueError(msg)
        return origins - {"-"}

    @field_validator("mysql_pool_max")
    @classmethod
    def _pool_holds_its_minimum(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("mysql_pool_min", 0):
            msg = "must be at least MYSQL_POOL_MIN"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _database_is_named(self) -> Self:
        if self.mysql_host is None and self.mysql_socket is None:
            msg = "MYSQL_HOST (or MYSQL_SOCKET) must be set: the database's host name or address"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _engine_can_do_it(self) -> Self:
        if self.grpc_engine is Engine.NATIVE and self.grpc_max_connection_age_seconds is not None:
            msg = (
                "GRPC_MAX_CONNECTION_AGE_SECONDS needs GRPC_ENGINE=grpcio: the native engine ends no connections of age"
            )
            raise ValueError(msg)
        return self

    @property
    def currencies(self) -> frozenset[str]:
        """Every currency that a charge may name: the allowed ones and the default."""
        return self.allowed_currencies | {self.default_currency}


def load_settings() -> Settings:
    """Read the settings from the environment and ``.env``.

    Raises:
        SettingsError: some are wrong.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(problem) for problem in error.errors())) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env cannot be read: {error}; it must be a text file in UTF-8") from None


def _explain(problem: ErrorDetails) -> str:
    reason = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return reason
    field = str(problem["loc"][0])
    about = Settings.model_fields[field]
    bounds = {
        kind: getattr(bound, kind) for bound in about.metadata for kind in ("gt", "ge", "le") if hasattr(bound, kind)
    }
    limits = [f"{_BOUND_WORDS[kind]} {bound:g}" for kind, bound in bounds.items()]
    allowed = f"{reason} ({'; '.join([str(about.description), *limits])})"
    if about.annotation is SecretStr:
        return f"{field.upper()}: {allowed}"
    return f"{field.upper()}={problem['input']!r}: {allowed}"
