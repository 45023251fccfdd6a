"""The settings: read once at start, from the environment or a ``.env`` file; the environment wins.

Each field's name in upper case is the variable. A wrong value stops the start with :class:`SettingsError`, which names
every wrong setting, its value (never a secret's) and what is allowed.
"""

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal, Self, get_args
from urllib.parse import unquote, urlsplit

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

from server.config import env_file
from server.domain.callers import Role
from server.domain.money import AMOUNT_DIGITS, MINOR_DIGITS
from server.domain.payment import PaymentMethod

_PREFIX_MAX_LENGTH = 64
"""Leaves room for the dash and the suffix in the column's 100 characters."""

_ORIGIN_HOST = r"([a-z0-9.-]+|\[[0-9a-f:]+\])"
_ORIGIN = re.compile(rf"http://{_ORIGIN_HOST}(:(?!80$)\d{{1,5}})?|https://{_ORIGIN_HOST}(:(?!443$)\d{{1,5}})?")
"""As browsers write it: without the default port."""

_HOST = re.compile(r"[\w.:%-]+")

_ENDPOINT = re.compile(r"https?://[\w.:%\[\]-]+(/[^\s?#]*)?")
_TRACES_PATH = "/v1/traces"
"""Where OTLP's receivers take traces, unless a URL says otherwise."""

_HEADERS = re.compile(r"[\w-]+=[!-+\--~]+( *, *[\w-]+=[!-+\--~]+)*")

_CREDENTIALS = re.compile(r"(?<=//)[^/\s]*(?=@)")
"""A user and a password in a URL."""

_BOUND_WORDS = {"gt": "more than", "ge": "at least", "le": "at most"}

_GRPCIO_ONLY = {
    "grpc_max_connections": "takes any number of connections",
    "grpc_max_connection_idle_seconds": "ends no idle connections",
    "grpc_max_connection_age_seconds": "ends no connections of age",
    "grpc_handshake_timeout_seconds": "gives new connections 120 s",
    "grpc_min_ping_interval_seconds": "answers any number of pings",
    "grpc_max_ping_strikes": "answers any number of pings",
    "tls_cert_file": "has no TLS",
}
"""What the native engine does instead of obeying a setting: none of them may be given together with it."""

_STRIPE_NEEDS = ("processor_url", "processor_api_key", "processor_methods")

_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+/?")

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


class ProcessorKind(StrEnum):
    """Who moves the money."""

    SIMULATED = "simulated"
    STRIPE = "stripe"


class Protection(StrEnum):
    """What listening elsewhere than on this machine's loopback needs, unless it is waived."""

    TLS = "tls"
    AUTHENTICATION = "authentication"


class SettingsError(Exception):
    """The settings are wrong; the message has a line for each that is."""


class Settings(BaseSettings):
    """What a deployment may choose."""

    model_config = SettingsConfigDict(
        env_file=env_file.PATH, env_file_encoding=env_file.ENCODING, env_ignore_empty=True, extra="ignore", frozen=True
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
        10, description="how long a statement may take in the database, which ends it, and with it the call"
    )
    mysql_lock_timeout_seconds: int = Field(
        2, ge=1, le=3600, description="how long a statement waits for a row that another transaction has locked"
    )
    mysql_startup_timeout_seconds: Seconds = Field(60, description="how long the start waits for the database")
    health_check_interval_seconds: Seconds = Field(1, description="how often health asks the database")
    event_loop_probe_interval_seconds: Seconds = Field(
        0.1, description="how often the delay of the event loop is measured, for payments_event_loop_delay_seconds"
    )

    grpc_host: str = Field("127.0.0.1", min_length=1, description="address that gRPC listens on")
    grpc_port: int = Field(50051, ge=0, le=65535, description="port that gRPC listens on; 0 takes a free one")
    grpc_engine: Engine = Field(Engine.GRPCIO, description="what serves gRPC: grpcio, or native (on loopback only)")
    grpc_max_message_bytes: int = Field(1 << 20, ge=1 << 12, le=1 << 28, description="largest request accepted")
    grpc_max_metadata_bytes: int = Field(
        1 << 14, ge=1 << 12, le=1 << 20, description="largest metadata of a gRPC call accepted"
    )
    grpc_max_concurrent_streams: int = Field(
        256, ge=1, le=1_000_000, description="calls in progress on one gRPC connection at most; further ones wait"
    )
    grpc_max_connections: int = Field(
        20_000, ge=1, le=1_000_000, description="gRPC connections at most (GRPC_ENGINE=grpcio only)"
    )
    grpc_max_connection_idle_seconds: Seconds = Field(
        1800, description="when a gRPC connection without calls is ended (GRPC_ENGINE=grpcio only)"
    )
    grpc_handshake_timeout_seconds: Seconds = Field(
        20, description="how long a new gRPC connection may take to begin HTTP/2 (GRPC_ENGINE=grpcio only)"
    )
    grpc_keepalive_seconds: Seconds = Field(
        60, description="how long a gRPC connection may be silent before the service asks for a sign of life"
    )
    grpc_keepalive_timeout_seconds: Seconds = Field(
        20, description="how long that sign of life may take before the connection is ended"
    )
    grpc_min_ping_interval_seconds: Seconds = Field(
        10, description="how often a gRPC client without data may ping (GRPC_ENGINE=grpcio only)"
    )
    grpc_max_ping_strikes: int = Field(
        2, ge=0, le=1000, description="pings too many before a connection is ended; 0: any (GRPC_ENGINE=grpcio only)"
    )
    grpc_write_timeout_seconds: Seconds = Field(
        60, description="how long the client of a gRPC stream may take nothing of it before the stream is ended"
    )
    grpc_max_health_watches: int = Field(
        1000, ge=0, le=1_000_000, description="watches of health that may be open; a quarter of them from one address"
    )
    grpc_max_reflection_streams: int = Field(
        100,
        ge=0,
        le=1_000_000,
        description="streams of reflection that may be open; a quarter of them from one address",
    )
    grpc_max_connection_age_seconds: Seconds | None = Field(
        None, description="when a gRPC connection's client is told to make a new one, where clients balance; else never"
    )
    rest_host: str = Field("127.0.0.1", min_length=1, description="address that REST listens on")
    rest_port: int = Field(8001, ge=0, le=65535, description="port that REST listens on; 0 takes a free one")
    rest_max_body_bytes: int = Field(1 << 20, ge=1 << 10, le=1 << 28, description="largest body accepted over REST")
    rest_body_timeout_seconds: Seconds = Field(30, description="how long a body may take to arrive")
    rest_max_header_bytes: int = Field(
        1 << 15, ge=1 << 10, le=1 << 20, description="largest head of a REST request accepted: its line and headers"
    )
    rest_max_headers: int = Field(100, ge=10, le=10_000, description="headers of a REST request at most")
    rest_header_timeout_seconds: Seconds = Field(
        15, description="how long the head of a REST request may take to arrive, the first since the connection"
    )
    rest_keepalive_seconds: Seconds = Field(5, description="when a REST connection without a request is ended")
    rest_max_connections: int = Field(20_000, ge=1, le=1_000_000, description="REST connections at most")
    trusted_proxies: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        description="addresses or networks of proxies before REST, separated by commas: they alone are believed what "
        "X-Forwarded-For and X-Forwarded-Proto say",
    )
    cors_allowed_origins: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(), description="web origins whose pages may call REST, separated by commas; * is any, - is none"
    )
    grpc_reflection: bool = Field(default=True, description="whether gRPC describes itself, as grpcurl asks it to")
    rest_docs: bool = Field(
        default=True, description="whether REST describes itself, at /docs, /redoc and /openapi.json"
    )
    rest_metrics: bool | None = Field(
        None,
        description="whether REST serves /metrics, for which callers need no key; unless set, it does where there is "
        "no MONITORING_PORT",
    )
    monitoring_host: str = Field("127.0.0.1", min_length=1, description="address that monitoring listens on")
    monitoring_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port of /healthz, /readyz and /metrics alone, over HTTP without TLS or keys; 0 takes a free one; "
        "none unless set",
    )

    tls_cert_file: Path | None = Field(
        None, description="the service's certificate and those between it and its authority, in PEM; turns TLS on"
    )
    tls_key_file: Path | None = Field(None, description="the key of that certificate, in PEM")
    tls_client_ca_file: Path | None = Field(
        None, description="authorities of clients' certificates, in PEM; with it every caller needs a certificate"
    )
    tls_reload_interval_seconds: Seconds = Field(10, description="how often these files are looked at for changes")
    anonymous_roles: Annotated[frozenset[Role], NoDecode] = Field(
        frozenset(Role), description="roles of callers without a key or certificate, separated by commas; - is none"
    )
    certificate_roles: Annotated[Mapping[str, frozenset[Role]], NoDecode] = Field(
        {"*": frozenset(Role)},
        description="roles of callers by the name in their certificate, as NAME=ROLE+ROLE, separated by commas; "
        "* is every other name",
    )
    api_key_refresh_interval_seconds: Seconds = Field(
        2, description="how often API keys are read anew: how long one that was revoked, or made, may go unnoticed"
    )
    listen_without: Annotated[frozenset[Protection], NoDecode] = Field(
        frozenset(),
        description="what listening elsewhere than on loopback may go without, separated by commas: tls, "
        "authentication",
    )
    max_concurrent_calls: int = Field(
        1000, ge=1, le=1_000_000, description="calls in progress at most; further ones are told to try again"
    )
    overload_target_seconds: Seconds = Field(
        0.1,
        description="while calls are refused, fewer are let in as long as all take more than this; 3600: never fewer",
    )
    call_timeout_seconds: Seconds = Field(60, description="how long a call may take, whatever deadline it has")
    rate_limit_calls_per_second: float | None = Field(
        None, gt=0, le=1_000_000, allow_inf_nan=False, description="calls a second of one caller at most; else any"
    )
    rate_limit_burst_calls: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="calls that a caller may make at once after a pause, where that is limited",
    )
    rate_limit_failed_authentications_per_second: float = Field(
        1,
        gt=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="calls a second without valid credentials from one address that are told why; further ones are "
        "told to try again later, and valid ones are served",
    )
    rate_limit_failed_authentications_burst: int = Field(
        100, ge=1, le=1_000_000, description="how many of those are told why at once after a pause"
    )
    max_watches: int = Field(100, ge=0, le=100_000, description="streams of events that may be open at the same time")
    max_watches_per_caller: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="how many of them one caller may have open, or one address without a name; else a quarter",
    )
    event_relay_interval_seconds: Seconds = Field(0.1, description="how often new events are looked for")
    event_heartbeat_interval_seconds: Seconds = Field(
        15, description="how long after the last event those who watch are told that there was none"
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
    processor: ProcessorKind = Field(
        ProcessorKind.SIMULATED, description="who moves the money: simulated, or stripe (any with its API, over HTTP)"
    )
    processor_url: str | None = Field(None, description="where the processor is, for stripe; https unless on loopback")
    processor_api_key: SecretStr | None = Field(None, description="the processor's key for this service, for stripe")
    processor_methods: Annotated[Mapping[PaymentMethod, str], NoDecode] = Field(
        {},
        description="what the processor is given as payment_method, as METHOD=NAME, separated by commas, for each "
        "method that can be charged; for stripe",
    )
    processor_default_method: PaymentMethod = Field(
        PaymentMethod.CARD, description="the method of charges that name none, for stripe: one of PROCESSOR_METHODS"
    )
    processor_timeout_seconds: Seconds = Field(10, description="how long one request to the processor may take")
    processor_deadline_margin_seconds: Seconds = Field(
        0.25, description="how long before its deadline a call is answered PENDING when the processor has not answered"
    )
    processor_max_requests: int = Field(
        64, ge=1, le=10_000, description="charges and refunds that the processor is asked at the same time at most"
    )
    processor_breaker_failures: int = Field(
        5, ge=1, le=1000, description="requests in a row without an answer after which the processor is left alone"
    )
    processor_breaker_open_seconds: Seconds = Field(10, description="how long it is left alone then")
    processor_janitor_interval_seconds: Seconds = Field(
        1, description="how often the janitor looks for what has no outcome yet"
    )
    processor_janitor_after_seconds: Seconds = Field(
        30, description="how old that must be for the janitor to ask the processor about it"
    )
    processor_janitor_max_pause_seconds: Seconds = Field(
        300, description="how long it waits at most before it asks again, which doubles each time"
    )
    processor_key_lifetime_seconds: float = Field(
        86_400,
        gt=0,
        le=31_536_000,
        allow_inf_nan=False,
        description="how long the processor remembers idempotency keys; what it does not know by then has failed",
    )
    reference_prefix: Annotated[str, AfterValidator(_prefix)] = Field(
        "ECI{date}",
        description="start of a payment's reference; {date} is the day (YYYYMMDD, UTC)",
    )

    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="json: one object a line; console: for people; auto: console on a terminal"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")

    tracing_endpoint: str | None = Field(
        None,
        description="where traces are sent, by OTLP over HTTP: a URL such as http://collector:4318; off unless set",
    )
    tracing_headers: SecretStr = Field(
        SecretStr(""),
        description="headers that the receiver of traces asks for, as NAME=VALUE, separated by commas; values are "
        "percent-encoded",
    )
    tracing_sample_ratio: Probability = Field(
        0.1, description="share of calls that are traced, of those whose caller did not decide that, 0 to 1"
    )

    @field_validator("mysql_host", "grpc_host", "rest_host", "monitoring_host")
    @classmethod
    def _host_alone(cls, host: str | None) -> str | None:
        # It is in messages about what cannot be reached, or listened on.
        if host is None:
            return None
        alone = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not _HOST.fullmatch(alone) or (":" in alone and not _is_address(alone)):
            msg = "must be a host's name or address alone: port, user and password have settings of their own"
            raise ValueError(msg)
        return alone

    @field_validator(
        "allowed_currencies",
        "trusted_proxies",
        "cors_allowed_origins",
        "anonymous_roles",
        "listen_without",
        mode="before",
    )
    @classmethod
    def _split_list(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("anonymous_roles", mode="before")
    @classmethod
    def _no_role(cls, value: object) -> object:
        return [] if value in ("-", ["-"]) else value

    @field_validator("certificate_roles", mode="before")
    @classmethod
    def _split_roles(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        entries = [entry.strip().rpartition("=") for entry in value.split(",") if entry.strip()]
        if not all(name for name, _, _ in entries) or len({name for name, _, _ in entries}) < len(entries):
            raise ValueError(
                "must be entries such as shop.example.com=payments.charge+payments.read, one for each name"
            )
        return {name: [role for role in roles.split("+") if role] for name, _, roles in entries}

    @field_validator("processor_url")
    @classmethod
    def _url_is_safe(cls, url: str | None) -> str | None:
        # The message does not repeat what is in it: there may be a password.
        if url is None:
            return None
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
        if not (_URL.fullmatch(url) and is_safe):
            raise ValueError("must be such as https://api.stripe.com, without a path; http only on loopback")
        return url

    @field_validator("processor_api_key")
    @classmethod
    def _key_can_be_sent(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not re.fullmatch(r"[!-~]+", key.get_secret_value()):
            raise ValueError("must be printable ASCII characters without spaces")
        return key

    @field_validator("processor_methods", mode="before")
    @classmethod
    def _split_methods(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        entries = [entry.strip().partition("=") for entry in value.split(",") if entry.strip()]
        if len({method for method, _, _ in entries}) < len(entries):
            raise ValueError("must have each method once, such as CARD=pm_card_visa,UPI=pm_upi")
        return {method: name for method, _, name in entries}

    @field_validator("processor_methods")
    @classmethod
    def _methods_are_chargeable(cls, methods: Mapping[PaymentMethod, str]) -> Mapping[PaymentMethod, str]:
        if PaymentMethod.OTHER in methods or not all(re.fullmatch(r"[!-~]+", name) for name in methods.values()):
            raise ValueError("must be names for UPI, CARD or COD, such as CARD=pm_card_visa,UPI=pm_upi")
        return methods

    @field_validator("allowed_currencies")
    @classmethod
    def _some_currency(cls, currencies: frozenset[str]) -> frozenset[str]:
        if not currencies:
            raise ValueError("must name at least one currency")
        return currencies

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_addresses(cls, proxies: frozenset[str]) -> frozenset[str]:
        try:
            networks = [ipaddress.ip_network(proxy) for proxy in proxies]
        except ValueError:
            networks = []
        if len(networks) < len(proxies) or not all(network.prefixlen for network in networks):
            # A network of every address would let each caller choose its own.
            raise ValueError(
                "must be addresses or networks such as 10.0.0.7 or 10.0.0.0/8, where a network has only zero bits "
                "after its prefix and does not hold every address"
            )
        return frozenset(str(network) for network in networks)

    @field_validator("cors_allowed_origins")
    @classmethod
    def _origins_are_origins(cls, origins: frozenset[str]) -> frozenset[str]:
        if origins not in ({"*"}, {"-"}) and not all(_ORIGIN.fullmatch(origin) for origin in origins):
            msg = (
                "must be origins as browsers send them, such as https://shop.example.com:8443, without a path and "
                "without the default port, separated by commas; or * alone, or - alone"
            )
            raise ValueError(msg)
        return origins - {"-"}

    @field_validator("tracing_endpoint")
    @classmethod
    def _whole_endpoint(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        if not _ENDPOINT.fullmatch(endpoint):
            raise ValueError("must be a URL of http or https without a user, such as http://collector:4318")
        return endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + _TRACES_PATH

    @field_validator("tracing_headers")
    @classmethod
    def _headers_have_names(cls, headers: SecretStr) -> SecretStr:
        text = headers.get_secret_value()
        if text and not (_HEADERS.fullmatch(text) and unquote(text).isascii() and unquote(text).isprintable()):
            raise ValueError(
                "must be entries such as x-api-key=abc, separated by commas; in a value, a space is %20, a comma %2C, "
                "and no character is other than printable ASCII"
            )
        return headers

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
    def _ports_differ(self) -> Self:
        places = {
            "GRPC_PORT": (self.grpc_host, self.grpc_port),
            "REST_PORT": (self.rest_host, self.rest_port),
            "MONITORING_PORT": (self.monitoring_host, self.monitoring_port),
        }
        for (name, (host, port)), (other_name, (other_host, other_port)) in combinations(places.items(), 2):
            if port and port == other_port and not _are_apart(host, other_host):
                raise ValueError(f"{name} and {other_name} must differ: both are {port}")
        return self

    @model_validator(mode="after")
    def _engine_can_do_it(self) -> Self:
        if self.grpc_engine is Engine.NATIVE:
            beyond = [
                name for name in _GRPCIO_ONLY if name in self.model_fields_set and getattr(self, name) is not None
            ]
            if beyond:
                msg = "; ".join(
                    f"{name.upper()} needs GRPC_ENGINE=grpcio: the native engine {_GRPCIO_ONLY[name]}"
                    for name in beyond
                )
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _processor_is_whole(self) -> Self:
        if self.processor is ProcessorKind.STRIPE:
            missing = [name.upper() for name in _STRIPE_NEEDS if not getattr(self, name)]
            if missing:
                raise ValueError(f"PROCESSOR=stripe needs {', '.join(missing)}")
            if self.processor_default_method not in self.processor_methods:
                raise ValueError("PROCESSOR_DEFAULT_METHOD must be one of PROCESSOR_METHODS")
            least = max(10 * self.processor_timeout_seconds, 2 * self.processor_janitor_after_seconds)
            if self.processor_key_lifetime_seconds < least:
                # A quarter of it must be longer than anything that was asked can be on its way.
                raise ValueError(
                    "PROCESSOR_KEY_LIFETIME_SECONDS must be at least 10 times PROCESSOR_TIMEOUT_SECONDS, "
                    "and twice PROCESSOR_JANITOR_AFTER_SECONDS"
                )
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("TLS_CERT_FILE and TLS_KEY_FILE must be set together, or neither")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("TLS_CLIENT_CA_FILE needs TLS_CERT_FILE and TLS_KEY_FILE")
        return self

    @property
    def tracing_header_values(self) -> dict[str, str]:
        """What is sent along with traces: the value of each header, by its name."""
        entries = [entry.strip() for entry in self.tracing_headers.get_secret_value().split(",") if entry.strip()]
        return {name: unquote(value) for name, _, value in (entry.partition("=") for entry in entries)}

    @property
    def serves_rest_metrics(self) -> bool:
        """Whether REST serves ``/metrics``: callers are shown it only where it has no listener of its own."""
        return self.monitoring_port is None if self.rest_metrics is None else self.rest_metrics

    @property
    def currencies(self) -> frozenset[str]:
        """Every currency that a charge may name: the allowed ones and the default."""
        return self.allowed_currencies | {self.default_currency}


def load_settings() -> Settings:
    """Read the settings from the environment and ``.env``.

    Raises:
        SettingsError: some are wrong, or lines of ``.env`` are no settings.
    """
    file = _read_env_file()
    in_environment = {name.upper() for name, value in os.environ.items() if value}
    lines = {name: line for name, line in file.lines.items() if name not in in_environment}
    try:
        settings = Settings()
    except ValidationError as error:
        # What is missing may be what is misspelt.
        wrong = [problem for problem in error.errors() if problem["loc"] or not file.problems]
        explained = [_explain(problem, lines) for problem in wrong]
        raise SettingsError("\n".join([*file.problems, *explained])) from None
    if file.problems:
        raise SettingsError("\n".join(file.problems))
    return settings


def check_env_file() -> None:
    """Check that every line of ``.env`` is a setting, for those who look at it before they can load the settings.

    Raises:
        SettingsError: it has others; the message has a line for each.
    """
    problems = _read_env_file().problems
    if problems:
        raise SettingsError("\n".join(problems))


def misspelt_variables() -> Iterator[tuple[str, str]]:
    """Yield the names in the environment that are nearly a setting's, each with that."""
    return env_file.misspelt(os.environ, _names())


def _names() -> list[str]:
    return [name.upper() for name in Settings.model_fields]


def _read_env_file() -> env_file.EnvFile:
    try:
        return env_file.read_env_file(_names())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env cannot be read: {error}; it must be a text file in UTF-8") from None


def check_exposure(settings: Settings) -> None:
    """Check that the service, if others than this machine can reach it, is protected, or that this was waived.

    The native engine may be reached from this machine alone, and nothing waives that. ``MONITORING_HOST`` may be any
    address, because no call can be made there and no payment is shown.

    It is for those who start the service: tools that listen nowhere need no such thing.

    Raises:
        SettingsError: it is not; the message names the settings that would allow it.
    """
    open_to = [
        f"{name}={host}"
        for name, host in (("GRPC_HOST", settings.grpc_host), ("REST_HOST", settings.rest_host))
        if not _is_loopback(host)
    ]
    if not open_to:
        return
    where = " and ".join(open_to)
    problems = []
    if settings.grpc_engine is Engine.NATIVE and not _is_loopback(settings.grpc_host):
        problems.append(
            f"GRPC_ENGINE=native listens on loopback alone, and GRPC_HOST={settings.grpc_host} is elsewhere: "
            "set GRPC_ENGINE=grpcio, or GRPC_HOST=127.0.0.1 behind a proxy on this machine"
        )
    if settings.tls_cert_file is None and Protection.TLS not in settings.listen_without:
        problems.append(
            f"listening elsewhere than on loopback ({where}) needs TLS: set TLS_CERT_FILE and TLS_KEY_FILE. "
            "Where the network or a proxy protects what is sent, LISTEN_WITHOUT=tls waives it"
        )
    is_open = settings.anonymous_roles and settings.tls_client_ca_file is None
    if is_open and Protection.AUTHENTICATION not in settings.listen_without:
        problems.append(
            f"listening elsewhere than on loopback ({where}) needs callers who say who they are: set ANONYMOUS_ROLES=- "
            "and make keys with `payments keys create`, or set TLS_CLIENT_CA_FILE. "
            "Where only those who may can reach it, LISTEN_WITHOUT=authentication waives it"
        )
    if problems:
        raise SettingsError("\n".join(problems))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _are_apart(host: str, other: str) -> bool:
    """Whether the two are different addresses, and neither is every address; names may have any."""
    try:
        addresses = ipaddress.ip_address(host), ipaddress.ip_address(other)
    except ValueError:
        return False
    return addresses[0] != addresses[1] and not any(address.is_unspecified for address in addresses)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _explain(problem: ErrorDetails, lines: Mapping[str, int]) -> str:
    """Return what is wrong with a setting; ``lines`` has where it is in ``.env``, if it is from there."""
    reason = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return reason
    field = str(problem["loc"][0])
    where = f"{env_file.PATH} line {lines[field.upper()]}: " if field.upper() in lines else ""
    about = Settings.model_fields[field]
    bounds = {
        kind: getattr(bound, kind) for bound in about.metadata for kind in ("gt", "ge", "le") if hasattr(bound, kind)
    }
    limits = [f"{_BOUND_WORDS[kind]} {bound:g}" for kind, bound in bounds.items()]
    allowed = f"{reason} ({'; '.join([str(about.description), *limits])})"
    if SecretStr in (about.annotation, *get_args(about.annotation)):
        return f"{where}{field.upper()}: {allowed}"
    return f"{where}{field.upper()}={_CREDENTIALS.sub('...', repr(problem['input']))}: {allowed}"
