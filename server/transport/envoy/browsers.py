"""gRPC-Web, the form of gRPC that browsers can send, and CORS for the pages that may send it (Envoy's API v3)."""

from collections.abc import Collection
from typing import Any

from server.transport.pipeline.calls import CALL_ID_KEY, REPLAYED_KEY

_FILTERS = "type.googleapis.com/envoy.extensions.filters.http"

_CORS = "envoy.filters.http.cors"

_STATUS_HEADERS = ("grpc-status", "grpc-message", "grpc-status-details-bin", "grpc-retry-pushback-ms")
"""The status is in headers, not in the body, if a call fails before its first response."""

_PREFLIGHT_MAX_AGE_SECONDS = 600
"""How long a browser may remember a preflight: the default of Starlette, which REST uses."""


def browser_filters(origins: Collection[str]) -> list[dict[str, Any]]:
    """Return the filters that answer the preflights of pages of ``origins``, and translate gRPC-Web to gRPC.

    The filter of CORS adds its headers to all responses to these pages, so that they can read errors too. It passes on
    the preflights of other pages, which the service rejects.
    """
    grpc_web = {
        "name": "envoy.filters.http.grpc_web",
        "typed_config": {"@type": f"{_FILTERS}.grpc_web.v3.GrpcWeb"},
    }
    if not origins:
        return [grpc_web]
    return [{"name": _CORS, "typed_config": {"@type": f"{_FILTERS}.cors.v3.Cors"}}, grpc_web]


def virtual_host(origins: Collection[str]) -> dict[str, Any]:
    """Return the virtual host of all requests, which has the policy of CORS for pages of ``origins``.

    Envoy applies a policy only to requests that have a route, although the service needs none.
    """
    host: dict[str, Any] = {"name": "service", "domains": ["*"]}
    if origins:
        host["routes"] = [{"match": {"prefix": "/"}, "non_forwarding_action": {}}]
        host["typed_per_filter_config"] = {_CORS: _cors_policy(origins)}
    return host


def _cors_policy(origins: Collection[str]) -> dict[str, Any]:
    """Return the policy of CORS. It has no credentials, as for REST, so cookies and client certificates do not work."""
    return {
        "@type": f"{_FILTERS}.cors.v3.CorsPolicy",
        # Envoy, too, takes * for every origin.
        "allow_origin_string_match": [{"exact": origin} for origin in sorted(origins)],
        "allow_methods": "POST",
        # For a browser, * does not include Authorization.
        "allow_headers": "*, authorization",
        "expose_headers": ", ".join((*_STATUS_HEADERS, CALL_ID_KEY, REPLAYED_KEY)),
        "max_age": str(_PREFLIGHT_MAX_AGE_SECONDS),
    }
