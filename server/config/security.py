"""Settings of TLS and authentication."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from server.config.values import CommaSeparated, Seconds, split_commas
from server.domain.callers import CALLING_ROLES, Role


class Protection(StrEnum):
    """A protection that listening beyond loopback requires, unless it is waived."""

    TLS = "tls"
    AUTHENTICATION = "authentication"


class SecuritySettings(BaseModel):
    """TLS, and the roles of callers."""

    tls_cert_file: Path | None = Field(
        None, description="the service's certificate and the intermediate certificates, in PEM; turns TLS on"
    )
    tls_key_file: Path | None = Field(None, description="private key of that certificate, in PEM")
    tls_client_ca_file: Path | None = Field(
        None,
        description="certificate authorities of client certificates, in PEM; if set, every caller needs a certificate",
    )
    tls_reload_interval_seconds: Seconds = Field(10, description="how often these files are checked for changes")
    anonymous_roles: Annotated[frozenset[Role], *CommaSeparated] = Field(
        CALLING_ROLES,
        description="roles of callers without an API key or client certificate, separated by commas; - is none",
    )
    certificate_roles: Annotated[Mapping[str, frozenset[Role]], NoDecode] = Field(
        {"*": CALLING_ROLES},
        description="roles of callers by the name in their client certificate, as NAME=ROLE+ROLE, separated by commas; "
        "* is every other name",
    )
    api_key_refresh_interval_seconds: Seconds = Field(
        2,
        description="how often API keys are reloaded; a new or revoked key may take this long to be noticed",
    )
    listen_without: Annotated[frozenset[Protection], *CommaSeparated] = Field(
        frozenset(),
        description="protections that are not required beyond loopback, separated by commas: tls, authentication",
    )

    @field_validator("anonymous_roles", mode="before")
    @classmethod
    def _parse_no_roles(cls, value: object) -> object:
        return [] if value in ("-", ["-"]) else value

    @field_validator("certificate_roles", mode="before")
    @classmethod
    def _split_roles(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        entries = [entry.rpartition("=") for entry in split_commas(value)]
        if not all(name for name, _, _ in entries) or len({name for name, _, _ in entries}) < len(entries):
            raise ValueError(
                "must be entries such as shop.example.com=payments.charge+payments.read, at most one for each name"
            )
        return {name: [role for role in roles.split("+") if role] for name, _, roles in entries}

    @model_validator(mode="after")
    def _check_tls_files(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("TLS_CERT_FILE and TLS_KEY_FILE must be set together, or neither")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("TLS_CLIENT_CA_FILE requires TLS_CERT_FILE and TLS_KEY_FILE")
        return self
