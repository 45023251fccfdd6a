"""The configuration of Envoy for the settings of the service (Envoy's API v3).

Every limit of the open network is here: connections, streams, the sizes of heads and windows, and timeouts.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from server.config.settings import Settings
from server.transport.envoy.browsers import browser_filters, virtual_host
from server.transport.envoy.folder import admin_socket
from server.transport.envoy.health_watches import health_watch_route, rate_limit_filter
from server.transport.envoy.local_replies import local_replies
from server.transport.envoy.rest import FORWARDED_SCHEME
from server.transport.envoy.tls import transport_socket

GRPC_LISTENER, REST_LISTENER = "grpc", "rest"

_TYPES = "type.googleapis.com/envoy"

_MONITORS = f"{_TYPES}.extensions.resource_monitors"

_STREAM_WINDOW_BYTES = 1 << 16
_WINDOWS = {"initial_stream_window_size": _STREAM_WINDOW_BYTES, "initial_connection_window_size": 1 << 18}
"""How much one stream and one connection may send before the service reads it. HTTP/2 allows no smaller default."""

_NEXT = "%[89AB][0-9A-F]"
_DECODABLE_PATH = (
    "(?i)(?:[^%?]|%[0-7][0-9A-F]"
    f"|%(?:C[2-9A-F]|D[0-9A-F]){_NEXT}"
    f"|%E0%[AB][0-9A-F]{_NEXT}|%E[1-9A-CEF]{_NEXT}{_NEXT}|%ED%[89][0-9A-F]{_NEXT}"
    f"|%F0%[9AB][0-9A-F]{_NEXT}{_NEXT}|%F[1-3]{_NEXT}{_NEXT}{_NEXT}|%F4%8[0-9A-F]{_NEXT}{_NEXT}"
    r")*(?:\?.*)?"
)
"""A path whose percent-encoding is that of UTF-8 (RFC 3629, section 4). The query may be anything."""

_MAX_HEADERS_KIB = 8192
"""The highest limit that Envoy accepts."""

_RUNTIME = {
    # A path with a fragment is served without it, as without Envoy.
    "envoy.reloadable_features.http_reject_path_with_fragment": False,
    # The pattern of a decodable path is longer than Envoy allows by default.
    "re2.max_program_size.error_level": 1000,
}

_LOG_FORMAT = {
    "event": "envoy",
    "level": "%l",
    "timestamp": "%Y-%m-%dT%T.%fZ",
    "logger": "%n",
    "detail": "%j",
}
"""The service's own log has the same fields."""


def bootstrap(  # noqa: PLR0913 - each is a separate part
    settings: Settings,
    folder: Path,
    applications: Mapping[str, str],
    addresses: Mapping[str, Sequence[tuple[str, int]]],
    pyvoy: Path,
    *,
    worker: int | None = None,
) -> dict[str, Any]:
    """Return the bootstrap configuration.

    ``folder`` is private to this Envoy, and has its administration socket and the descriptions of the TLS files.
    ``applications`` has the ASGI application of each listener, as ``module:attribute``, which ``pyvoy``, a module of
    Envoy, runs. ``addresses`` has the IP addresses of each, with their ports. ``worker`` is the number of the worker
    that this Envoy is, if several share the ports.
    """
    grpc = _grpc_connections(settings, folder, _python(applications[GRPC_LISTENER], pyvoy, is_service=True))
    rest = _rest_connections(settings, folder, _python(applications[REST_LISTENER], pyvoy, is_service=False))
    of_worker = {} if worker is None else {"stats_config": {"stats_tags": [_fixed_tag("worker", str(worker))]}}
    return {
        "node": {"id": "payments", "cluster": "payments"},
        **of_worker,
        "admin": {"address": {"pipe": {"path": str(admin_socket(folder)), "mode": 0o600}}},
        "application_log_config": {"log_format": {"json_format": _log_format(worker)}},
        "overload_manager": _overload_manager(settings),
        "layered_runtime": {"layers": [{"name": "service", "static_layer": _RUNTIME}]},
        "static_resources": {
            # The service starts when Envoy loads the first one.
            "listeners": [
                _listener(GRPC_LISTENER, addresses[GRPC_LISTENER], grpc, shares_port=worker is not None),
                _listener(REST_LISTENER, addresses[REST_LISTENER], rest, shares_port=worker is not None),
            ]
        },
    }


def _fixed_tag(name: str, value: str) -> dict[str, str]:
    """Return a label that all metrics have."""
    return {"tag_name": name, "fixed_value": value}


def _log_format(worker: int | None) -> dict[str, Any]:
    return _LOG_FORMAT if worker is None else {**_LOG_FORMAT, "worker": worker}


def _overload_manager(settings: Settings) -> dict[str, Any]:
    limit = settings.grpc_max_connections + settings.rest_max_connections
    return {
        "resource_monitors": [
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": f"{_MONITORS}.downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": limit,
                },
            }
        ]
    }


def _grpc_connections(settings: Settings, folder: Path, python: dict[str, Any]) -> dict[str, Any]:
    """Return what happens to the connections of the gRPC listener (Envoy's filter chain)."""
    keepalive = {
        "interval": _duration(settings.grpc_keepalive_seconds),
        "timeout": _duration(settings.grpc_keepalive_timeout_seconds),
    }
    connection = {
        "idle_timeout": _duration(settings.grpc_max_connection_idle_seconds),
        "max_headers_count": 1000,
    }
    if settings.grpc_max_connection_age_seconds is not None:
        connection["max_connection_duration"] = _duration(settings.grpc_max_connection_age_seconds)
    host = virtual_host(settings.cors_allowed_origins)
    host["routes"] = [health_watch_route(settings.grpc_max_health_watches), *host.get("routes", ())]
    manager = {
        # gRPC itself needs HTTP/2. Browsers send gRPC-Web over HTTP/1.1 unless there is TLS.
        "codec_type": "AUTO",
        "stat_prefix": GRPC_LISTENER,
        "common_http_protocol_options": connection,
        "http2_protocol_options": {
            **_WINDOWS,
            "max_concurrent_streams": settings.grpc_max_concurrent_streams,
            "connection_keepalive": keepalive,
        },
        # Envoy resets a stream above this. Up to it, the service responds with a status.
        "max_request_headers_kb": min(4 * math.ceil(settings.grpc_max_metadata_bytes / 1024), _MAX_HEADERS_KIB),
        "request_headers_timeout": _duration(settings.grpc_handshake_timeout_seconds),
        # Watches may be silent for as long as they like; the service limits the time of everything else.
        "stream_idle_timeout": "0s",
        "drain_timeout": _duration(settings.drain_timeout_seconds),
        "http_filters": [
            _decodable_path(),
            _request_headers(),
            *browser_filters(settings.cors_allowed_origins),
            rate_limit_filter(),
            python,
        ],
        "route_config": {"virtual_hosts": [host]},
    }
    return _filter_chain(
        settings,
        folder,
        manager,
        max_connections=settings.grpc_max_connections,
        handshake_timeout_seconds=settings.grpc_handshake_timeout_seconds,
        requires_certificate=True,
    )


def _rest_connections(settings: Settings, folder: Path, python: dict[str, Any]) -> dict[str, Any]:
    """Return what happens to the connections of the REST listener."""
    manager = {
        "codec_type": "AUTO",
        "stat_prefix": REST_LISTENER,
        "common_http_protocol_options": {
            "idle_timeout": _duration(settings.rest_keepalive_seconds),
            "max_headers_count": settings.rest_max_headers,
        },
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "localhost"},
        "http2_protocol_options": {**_WINDOWS, "max_concurrent_streams": 100},
        "max_request_headers_kb": math.ceil(settings.rest_max_header_bytes / 1024),
        "request_headers_timeout": _duration(settings.rest_header_timeout_seconds),
        # Ends the connection of a client that does not read its response. A stream is silent until the next heartbeat,
        # and any other response for as long as its call takes.
        "stream_idle_timeout": _duration(
            max(settings.call_timeout_seconds, settings.event_heartbeat_interval_seconds)
            + settings.rest_body_timeout_seconds
        ),
        "stream_flush_timeout": _duration(settings.rest_body_timeout_seconds),
        "early_header_mutation_extensions": [_kept_scheme()],
        "http_filters": [_decodable_path(), python],
        # The application has its own CORS.
        "route_config": {"virtual_hosts": [virtual_host(())]},
    }
    return _filter_chain(
        settings,
        folder,
        manager,
        max_connections=settings.rest_max_connections,
        handshake_timeout_seconds=settings.rest_header_timeout_seconds,
        # Health needs no certificate; ``auth.Authorizer`` requires it for calls.
        requires_certificate=False,
    )


def _filter_chain(  # noqa: PLR0913 - what differs between the two listeners
    settings: Settings,
    folder: Path,
    manager: Mapping[str, Any],
    *,
    max_connections: int,
    handshake_timeout_seconds: float,
    requires_certificate: bool,
) -> dict[str, Any]:
    """Return a filter chain: TLS, the limit of connections, and the HTTP connection manager ``manager``.

    ``requires_certificate`` says whether clients need a certificate if the service verifies certificates.
    """
    verifies_clients = settings.tls_client_ca_file is not None
    max_head_bytes = 1024 * manager["max_request_headers_kb"]
    replies = local_replies(max_head_bytes, manager["common_http_protocol_options"]["max_headers_count"])
    proxy = {**_plain_proxy(verifies_clients=verifies_clients), "local_reply_config": replies}
    filters = _filters(max_connections, {**manager, **proxy})
    chain = {"filters": filters, "transport_socket_connect_timeout": _duration(handshake_timeout_seconds)}
    if settings.tls_cert_file is None:
        return chain
    tls = transport_socket(
        folder, verifies_clients=verifies_clients, requires_certificate=verifies_clients and requires_certificate
    )
    return {**chain, "transport_socket": tls}


def _kept_scheme() -> dict[str, Any]:
    """Return the rule that keeps X-Forwarded-Proto under another name, because Envoy replaces it."""
    name = FORWARDED_SCHEME.decode()
    mutations = [
        {"remove": name},
        {"append": {"header": {"key": name, "value": "%REQ(X-FORWARDED-PROTO)%"}, "keep_empty_value": False}},
    ]
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": f"{_TYPES}.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": mutations,
        },
    }


def _filters(max_connections: int, manager: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the filters of a listener's connections: the limit of their number, and the HTTP connection manager."""
    return [
        {
            "name": "envoy.filters.network.connection_limit",
            "typed_config": {
                "@type": f"{_TYPES}.extensions.filters.network.connection_limit.v3.ConnectionLimit",
                "stat_prefix": manager["stat_prefix"],
                "max_connections": max_connections,
            },
        },
        {
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": f"{_TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                **manager,
            },
        },
    ]


def _listener(
    name: str, addresses: Sequence[tuple[str, int]], filter_chain: dict[str, Any], *, shares_port: bool
) -> dict[str, Any]:
    first, *others = (_address(host, port) for host, port in addresses)
    return {
        "name": name,
        "stat_prefix": name,
        "address": first,
        "additional_addresses": [{"address": other} for other in others],
        # Make a second service on the same port fail to start. Otherwise, each would get some of the calls. Workers are
        # to share them.
        "enable_reuse_port": shares_port,
        "per_connection_buffer_limit_bytes": _STREAM_WINDOW_BYTES,
        "filter_chains": [filter_chain],
    }


def _address(host: str, port: int) -> dict[str, Any]:
    # `::` means every address, IPv4 included, as it does in gRPC.
    return {"socket_address": {"address": host, "port_value": port, "ipv4_compat": host == "::"}}


def _plain_proxy(*, verifies_clients: bool) -> dict[str, Any]:
    """Return the options that make Envoy pass on requests and responses as they are, with the client's certificate."""
    certificate: dict[str, Any] = {"forward_client_cert_details": "SANITIZE"}
    if verifies_clients:
        certificate = {
            "forward_client_cert_details": "SANITIZE_SET",
            "set_current_client_cert_details": {"cert": True},
        }
    return {
        **certificate,
        "generate_request_id": False,
        "preserve_external_request_id": True,
        # The client is who is connected, whatever X-Forwarded-For says.
        "use_remote_address": True,
        "skip_xff_append": True,
        "server_header_transformation": "PASS_THROUGH",
    }


def _decodable_path() -> dict[str, Any]:
    """Return the filter that rejects a path that is not UTF-8. pyvoy cannot decode it, and would never respond."""
    is_decodable = {"header": {"name": ":path", "string_match": {"safe_regex": {"regex": _DECODABLE_PATH}}}}
    policy = {"permissions": [{"not_rule": is_decodable}], "principals": [{"any": True}]}
    return {
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": f"{_TYPES}.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "DENY", "policies": {"undecodable path": policy}},
        },
    }


def _request_headers() -> dict[str, Any]:
    """Return the filter that changes two headers of each request.

    pyvoy drops the trailers of a response unless the request has ``te``. ``grpc-accept-encoding`` is removed because
    Envoy's filter adds it to a request that was gRPC-Web, and the application knows such a request by it. Nothing else
    reads it: responses are compressed like requests.
    """
    te = {"header": {"key": "te", "value": "trailers"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {
        "name": "envoy.filters.http.header_mutation",
        "typed_config": {
            "@type": f"{_TYPES}.extensions.filters.http.header_mutation.v3.HeaderMutation",
            "mutations": {"request_mutations": [{"append": te}, {"remove": "grpc-accept-encoding"}]},
        },
    }


def _python(application: str, pyvoy: Path, *, is_service: bool) -> dict[str, Any]:
    """Return the filter that passes requests to an ASGI application, whose lifespan may be the service."""
    return {
        "name": "pyvoy",
        "typed_config": {
            "@type": f"{_TYPES}.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
            "dynamic_module_config": {"module": {"local": {"filename": str(pyvoy)}}},
            "filter_name": "pyvoy",
            "terminal_filter": True,
            "filter_config": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": json.dumps({"app": application, "interface": "asgi", "lifespan": is_service}),
            },
        },
    }


def _duration(seconds: float) -> str:
    return f"{seconds:f}s"
