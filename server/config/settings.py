"""The settings: read once at startup, from the environment or a ``.env`` file; the environment takes precedence.

Each variable is the upper-case name of a field. If a value is invalid, loading fails with :class:`SettingsError`, which
names every invalid setting, its value (unless it is a secret) and the allowed values.
"""

import os
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Self, get_args

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from server.config import env_file
from server.config.database import DatabaseSettings
from server.config.events import EventSettings
from server.config.grpc import Engine, GrpcSettings
from server.config.limits import LimitSettings
from server.config.network_addresses import are_distinct
from server.config.observability import ObservabilitySettings
from server.config.payments import PaymentSettings
from server.config.processor import ProcessorSettings
from server.config.rest import RestSettings
from server.config.security import SecuritySettings
from server.config.workers import WorkerSettings

_CREDENTIALS = re.compile(r"(?<=//)[^/\s]*(?=@)")
"""A user and a password in a URL."""

_BOUND_WORDS = {"gt": "more than", "ge": "at least", "le": "at most"}

_ENVOY_LACKS = {
    "grpc_min_ping_interval_seconds": "limits pings by the frames that it has to send",
    "grpc_max_ping_strikes": "limits pings by the frames that it has to send",
}
"""The settings that Envoy does not support, and what it does instead."""

DIVIDED_AMONG_WORKERS = (
    "mysql_pool_min",
    "mysql_pool_max",
    "grpc_max_connections",
    "rest_max_connections",
    "max_concurrent_calls",
    "processor_max_requests",
)
"""Limits of the whole service of which each worker has a share."""

_MAY_BE_LESS_THAN_WORKERS = frozenset({"mysql_pool_min"})


class SettingsError(Exception):
    """The settings are invalid; the message has a line for each problem."""


class Settings(  # pydantic lists the fields of the last base first
    WorkerSettings,
    ObservabilitySettings,
    ProcessorSettings,
    PaymentSettings,
    EventSettings,
    LimitSettings,
    SecuritySettings,
    RestSettings,
    GrpcSettings,
    DatabaseSettings,
    BaseSettings,
):
    """All settings of a deployment. A part of the service may take only the base class that it needs."""

    model_config = SettingsConfigDict(
        env_file=env_file.PATH, env_file_encoding=env_file.ENCODING, env_ignore_empty=True, extra="ignore", frozen=True
    )

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        addresses = {
            "GRPC_PORT": (self.grpc_host, self.grpc_port),
            "REST_PORT": (self.rest_host, self.rest_port),
            "MONITORING_PORT": (self.monitoring_host, self.monitoring_port),
        }
        for (name, (host, port)), (other_name, (other_host, other_port)) in combinations(addresses.items(), 2):
            if port and port == other_port and not are_distinct(host, other_host):
                raise ValueError(f"{name} and {other_name} must differ: both are {port}")
        return self

    @model_validator(mode="after")
    def _check_engine(self) -> Self:
        if self.grpc_engine is not Engine.ENVOY:
            return self
        problems = [
            f"{name.upper()} cannot be set with GRPC_ENGINE=envoy, which {instead}"
            for name, instead in _ENVOY_LACKS.items()
            if name in self.model_fields_set
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @model_validator(mode="after")
    def _check_workers(self) -> Self:
        problems = [
            f"{name.upper()}={getattr(self, name)} must be at least WORKERS={self.workers}, as the workers share it"
            for name in DIVIDED_AMONG_WORKERS
            if name not in _MAY_BE_LESS_THAN_WORKERS and getattr(self, name) < self.workers
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def load_settings(*, reads_file: bool = True) -> Settings:
    """Read the settings from the environment and, if it ``reads_file``, from ``.env``.

    Raises:
        SettingsError: settings are invalid, or lines of ``.env`` are not settings.
    """
    file = _read_env_file() if reads_file else env_file.EnvFile({}, [])
    in_environment = {name.upper() for name, value in os.environ.items() if value}
    lines = {name: line for name, line in file.lines.items() if name not in in_environment}
    try:
        settings = Settings() if reads_file else Settings(_env_file=None)
    except ValidationError as error:
        # A missing setting is not reported if .env has problems, because it may be the misspelled one.
        problems = [problem for problem in error.errors() if problem["loc"] or not file.problems]
        raise SettingsError("\n".join([*file.problems, *(_explain(problem, lines) for problem in problems)])) from None
    if file.problems:
        raise SettingsError("\n".join(file.problems))
    return settings


def environment_with_file() -> dict[str, str]:
    """Return the environment, with the settings of ``.env`` that it does not have.

    With it, a process that is started later has the settings of this one, even if the file has changed.
    """
    file = dotenv_values(env_file.PATH, encoding=env_file.ENCODING)
    in_file = {name.upper(): value for name, value in file.items() if value and name.upper() in _names()}
    set_here = {name.upper() for name, value in os.environ.items() if value}
    added = {name: value for name, value in in_file.items() if name not in set_here}
    return {name: value for name, value in os.environ.items() if name.upper() not in added} | added


def check_env_file() -> None:
    """Check that every line of ``.env`` is a setting, for tools that do not load the settings.

    Raises:
        SettingsError: lines are not settings; the message has a line for each.
    """
    problems = _read_env_file().problems
    if problems:
        raise SettingsError("\n".join(problems))


def misspelled_variables() -> Iterator[tuple[str, str]]:
    """Yield each environment variable whose name resembles a setting, with the name of that setting."""
    return env_file.find_misspelled(os.environ, _names())


def _names() -> list[str]:
    return [name.upper() for name in Settings.model_fields]


def _read_env_file() -> env_file.EnvFile:
    try:
        return env_file.read_env_file(_names())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env cannot be read: {error}; it must be a text file in UTF-8") from None


def _explain(problem: ErrorDetails, lines: Mapping[str, int]) -> str:
    """Return a message about an invalid setting; ``lines`` has the line of each setting that comes from ``.env``."""
    reason = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return reason
    field = str(problem["loc"][0])
    where = f"{env_file.PATH} line {lines[field.upper()]}: " if field.upper() in lines else ""
    info = Settings.model_fields[field]
    bounds = {
        kind: getattr(bound, kind) for bound in info.metadata for kind in ("gt", "ge", "le") if hasattr(bound, kind)
    }
    limits = [f"{_BOUND_WORDS[kind]} {bound:g}" for kind, bound in bounds.items()]
    explanation = f"{reason} ({'; '.join([str(info.description), *limits])})"
    if SecretStr in (info.annotation, *get_args(info.annotation)):
        return f"{where}{field.upper()}: {explanation}"
    return f"{where}{field.upper()}={_CREDENTIALS.sub('...', repr(problem['input']))}: {explanation}"
