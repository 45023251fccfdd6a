"""Settings of logs, traces and health checks."""

import re
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from server.config.values import Probability, Seconds, split_commas

_ENDPOINT = re.compile(r"https?://[\w.:%\[\]-]+(/[^\s?#]*)?")
_TRACES_PATH = "/v1/traces"
"""The path at which OTLP collectors receive traces, added to a URL without a path."""

_HEADERS = re.compile(r"[\w-]+=[!-+\--~]+( *, *[\w-]+=[!-+\--~]+)*")


class ObservabilitySettings(BaseModel):
    """Health checks, logs, metrics and traces."""

    health_check_interval_seconds: Seconds = Field(
        1, description="how often the health check reads a table of the database"
    )
    event_loop_probe_interval_seconds: Seconds = Field(
        0.1, description="how often the delay of the event loop is measured, for payments_event_loop_delay_seconds"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto",
        description="json: one object per line; console: for people; auto: console on a terminal, otherwise json",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="minimum level to log")
    tracing_endpoint: str | None = Field(
        None,
        description="URL of the OTLP/HTTP collector that traces are sent to, such as http://collector:4318; unset: no "
        "tracing",
    )
    tracing_headers: SecretStr = Field(
        SecretStr(""),
        description="headers for the trace collector, as NAME=VALUE, separated by commas; values are percent-encoded",
    )
    tracing_sample_ratio: Probability = Field(
        0.1, description="fraction of calls to trace if the caller has not decided, 0 to 1"
    )

    @field_validator("tracing_endpoint")
    @classmethod
    def _complete_endpoint(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        if not _ENDPOINT.fullmatch(endpoint):
            raise ValueError("must be an http or https URL without a user, such as http://collector:4318")
        return endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + _TRACES_PATH

    @field_validator("tracing_headers")
    @classmethod
    def _check_headers(cls, headers: SecretStr) -> SecretStr:
        text = headers.get_secret_value()
        if text and not (_HEADERS.fullmatch(text) and unquote(text).isascii() and unquote(text).isprintable()):
            raise ValueError(
                "must be entries such as x-api-key=abc, separated by commas; values must be printable ASCII, with a "
                "space written as %20 and a comma as %2C"
            )
        return headers

    @property
    def tracing_header_values(self) -> dict[str, str]:
        """The values of the headers that are sent with traces, by name."""
        entries = split_commas(self.tracing_headers.get_secret_value())
        return {name: unquote(value) for name, _, value in (entry.partition("=") for entry in entries)}
