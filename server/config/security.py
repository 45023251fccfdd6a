"""Settings of TLS and authentication."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from server.config.values import CommaSeparated, Seconds
from server.domain.callers import Role


class Protection(StrEnum):
    """What listening elsewhere than on this machine's loopback needs, unless it is waived."""

    TLS = "tls"
    AUTHENTICATION = "authentication"


class SecuritySettings(BaseModel):
    """Who may call, and how connections are encrypted."""

    tls_cert_file: Path | None = Field(
        None, description="the service's certificate and those between it and its authority, in PEM; turns TLS on"
    )
    tls_key_file: Path | None = Field(None, description="the key of that certificate, in PEM")
    tls_client_ca_file: Path | None = Field(
        None, description="authorities of clients' certificates, in PEM; with it every caller needs a certificate"
    )
    tls_reload_interval_seconds: Seconds = Field(10, description="how often these files are looked at for changes")
    anonymous_roles: Annotated[frozenset[Role], *CommaSeparated] = Field(
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
    listen_without: Annotated[frozenset[Protection], *CommaSeparated] = Field(
        frozenset(),
        description="what listening elsewhere than on loopback may go without, separated by commas: tls, "
        "authentication",
    )

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

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("TLS_CERT_FILE and TLS_KEY_FILE must be set together, or neither")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("TLS_CLIENT_CA_FILE needs TLS_CERT_FILE and TLS_KEY_FILE")
        return self
