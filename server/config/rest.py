"""Settings of the HTTP servers: REST, and the monitoring port."""

import ipaddress
import re
from typing import Annotated

from pydantic import BaseModel, Field, field_validator

from server.config.values import CommaSeparated, Host, Seconds

_ORIGIN_HOST = r"([a-z0-9.-]+|\[[0-9a-f:]+\])"
_ORIGIN = re.compile(rf"http://{_ORIGIN_HOST}(:(?!80$)\d{{1,5}})?|https://{_ORIGIN_HOST}(:(?!443$)\d{{1,5}})?")
"""An origin as browsers write it, without the default port."""


class RestSettings(BaseModel):
    """REST and monitoring: addresses, endpoints, and the limits of requests."""

    rest_host: Host = Field("127.0.0.1", min_length=1, description="address that REST listens on")
    rest_port: int = Field(8001, ge=0, le=65535, description="port that REST listens on; 0 picks a free one")
    rest_max_body_bytes: int = Field(1 << 20, ge=1 << 10, le=1 << 28, description="maximum size of a request body")
    rest_body_timeout_seconds: Seconds = Field(30, description="how long a request body may take to arrive")
    rest_max_header_bytes: int = Field(
        1 << 15, ge=1 << 10, le=1 << 20, description="maximum size of a request's first line and headers"
    )
    rest_max_headers: int = Field(100, ge=10, le=10_000, description="maximum number of headers in a request")
    rest_header_timeout_seconds: Seconds = Field(
        15,
        description="how long a request's headers may take to arrive; for the first request, from the start of the "
        "connection",
    )
    rest_keepalive_seconds: Seconds = Field(5, description="how long a REST connection may be idle before it is closed")
    rest_max_connections: int = Field(20_000, ge=1, le=1_000_000, description="maximum number of REST connections")
    trusted_proxies: Annotated[frozenset[str], *CommaSeparated] = Field(
        frozenset(),
        description="addresses or networks of the proxies in front of REST, separated by commas; X-Forwarded-For and "
        "X-Forwarded-Proto are trusted from these only",
    )
    cors_allowed_origins: Annotated[frozenset[str], *CommaSeparated] = Field(
        frozenset(),
        description="web origins whose pages may call the service, separated by commas; * is any, - is none",
    )
    rest_docs: bool = Field(
        default=True, description="whether REST serves its documentation at /docs, /redoc and /openapi.json"
    )
    rest_metrics: bool | None = Field(
        None,
        description="whether REST serves /metrics, without authentication; unset: only if there is no MONITORING_PORT",
    )
    monitoring_host: Host = Field("127.0.0.1", min_length=1, description="address that monitoring listens on")
    monitoring_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port that serves only /healthz, /readyz and /metrics, without TLS or authentication; 0 picks a "
        "free one; unset: no such port",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, proxies: frozenset[str]) -> frozenset[str]:
        try:
            networks = [ipaddress.ip_network(proxy) for proxy in proxies]
        except ValueError:
            networks = []
        if len(networks) < len(proxies) or not all(network.prefixlen for network in networks):
            # If every address were trusted, any caller could forge its address.
            raise ValueError(
                "must be addresses or networks such as 10.0.0.7 or 10.0.0.0/8; a network must have only zero bits "
                "after its prefix, and must not contain every address"
            )
        return frozenset(str(network) for network in networks)

    @field_validator("cors_allowed_origins")
    @classmethod
    def _check_origins(cls, origins: frozenset[str]) -> frozenset[str]:
        if origins not in ({"*"}, {"-"}) and not all(_ORIGIN.fullmatch(origin) for origin in origins):
            msg = (
                "must be origins as browsers send them, such as https://shop.example.com:8443, without a path and "
                "without the default port, separated by commas; or * alone, or - alone"
            )
            raise ValueError(msg)
        return origins - {"-"}

    @property
    def serves_rest_metrics(self) -> bool:
        """Whether REST serves ``/metrics``: by default, only if monitoring has no port of its own."""
        return self.monitoring_port is None if self.rest_metrics is None else self.rest_metrics
