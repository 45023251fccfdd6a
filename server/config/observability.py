"""Settings of logs, traces and health checks."""

import re
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from server.config.values import Probability, Seconds

_ENDPOINT = re.compile(r"https?://[\w.:%\[\]-]+(/[^\s?#]*)?")
_TRACES_PATH = "/v1/traces"
"""Where OTLP's receivers take traces, unless a URL says otherwise."""

_HEADERS = re.compile(r"[\w-]+=[!-+\--~]+( *, *[\w-]+=[!-+\--~]+)*")


class ObservabilitySettings(BaseModel):
    """What the service shows of itself."""

    health_check_interval_seconds: Seconds = Field(1, description="how often health asks the database")
    event_loop_probe_interval_seconds: Seconds = Field(
        0.1, description="how often the delay of the event loop is measured, for payments_event_loop_delay_seconds"
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

    @property
    def tracing_header_values(self) -> dict[str, str]:
        """What is sent along with traces: the value of each header, by its name."""
        entries = [entry.strip() for entry in self.tracing_headers.get_secret_value().split(",") if entry.strip()]
        return {name: unquote(value) for name, _, value in (entry.partition("=") for entry in entries)}
