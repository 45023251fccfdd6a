"""The channel options and call metadata that both clients use."""

import ipaddress
from collections.abc import Sequence
from importlib import resources

import grpc

from payments_client._version import __version__

DEFAULT_TARGET = "127.0.0.1:50051"
DEFAULT_TIMEOUT_SECONDS = 10.0

_SERVICE_CONFIG = resources.files("payments_client").joinpath("service_config.json").read_text("utf-8")
"""Sets gRPC's retry policy and spreads calls over all addresses of the target.

Retrying charges and refunds is safe because this client gives each of them a request_id.
"""

_USER_AGENT = f"payments-client-python/{__version__}"

_DEFAULT_OPTIONS: dict[str, object] = {
    "grpc.service_config": _SERVICE_CONFIG,
    "grpc.enable_retries": 1,
    # Reconnect to a restarted service within a second; gRPC's default maximum backoff is two minutes.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1_000,
    # Close a dead connection after 5 seconds without an acknowledgment, which leaves time for a retry within the
    # default deadline: gRPC also uses the keepalive timeout as TCP_USER_TIMEOUT (gRFC A18). Keepalive pings are sent at
    # most once a minute, and only during calls (gRFC A8).
    "grpc.keepalive_time_ms": 60_000,
    "grpc.keepalive_timeout_ms": 5_000,
}


def channel_options(target: str, options: Sequence[tuple[str, object]], user_agent: str) -> list[tuple[str, object]]:
    """Return the client's own channel options, overridden by ``options``.

    The service sees ``user_agent``, followed by the user agents of this client and gRPC.
    """
    agent = f"{user_agent} {_USER_AGENT}".lstrip()
    own_options = {**_DEFAULT_OPTIONS, **_authority(target), "grpc.primary_user_agent": agent}
    return list({**own_options, **dict(options)}.items())


def call_metadata(
    target: str, credentials: grpc.ChannelCredentials | None, api_key: str | None
) -> tuple[tuple[str, str], ...]:
    """Return the metadata to send with every call: the API key as a bearer token (RFC 6750), or nothing.

    Raises:
        ValueError: the key would be sent unencrypted to another machine, or is not printable ASCII without spaces.
            The message does not contain the key.
    """
    if api_key is None:
        return ()
    if not (api_key and all("!" <= character <= "~" for character in api_key)):
        raise ValueError("api_key must be 1 or more printable ASCII characters without spaces")
    if credentials is None and not _is_loopback(target):
        raise ValueError("api_key needs credentials (TLS), unless the target is a loopback address")
    return (("authorization", f"Bearer {api_key}"),)


def _authority(target: str) -> dict[str, object]:
    """Return the option that makes the first address of a list (``ipv4:...,...``) the authority, as gRPC for Go does.

    By default gRPC sends the whole list, which is not a valid authority (RFC 3986), so strict servers reject it.
    """
    scheme, _, addresses = target.partition(":")
    if scheme not in {"ipv4", "ipv6"} or "," not in addresses:
        return {}
    return {"grpc.default_authority": addresses.lstrip("/").partition(",")[0]}


def _is_loopback(target: str) -> bool:
    """Return whether all addresses of a target (``host:port``, ``dns:///host:port``, ``ipv4:...,...``) are loopback."""
    if target.startswith("unix:"):
        return True
    for prefix in ("dns:", "ipv4:", "ipv6:"):
        target = target.removeprefix(prefix)
    return all(_is_loopback_host(address) for address in target.rpartition("/")[2].split(","))


def _is_loopback_host(address: str) -> bool:
    host = address.rpartition("]")[0].removeprefix("[") if address.startswith("[") else address.partition(":")[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
