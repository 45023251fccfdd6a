"""How both clients set up their channel, and what they send with each call."""

import ipaddress
from collections.abc import Sequence
from importlib import metadata, resources

import grpc

DEFAULT_TARGET = "127.0.0.1:50051"
DEFAULT_TIMEOUT_SECONDS = 10.0

_SERVICE_CONFIG = resources.files("payments").joinpath("service_config.json").read_text("utf-8")
"""Which calls gRPC repeats by itself, on what and when; and that it spreads calls over all addresses of the target.

Each call that changes something is in it because this client gives it a request_id, which makes it safe to repeat.
"""

_USER_AGENT = f"payments-client-python/{metadata.version('payments-client')}"

_DEFAULT_OPTIONS: dict[str, object] = {
    "grpc.service_config": _SERVICE_CONFIG,
    "grpc.enable_retries": 1,
    # A service that restarts is found again within a second; gRPC's own maximum is two minutes.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1_000,
    # A connection whose other end vanished is given up after 5 seconds without an acknowledgement, soon enough for
    # another attempt within the default deadline: gRPC makes the keepalive timeout TCP_USER_TIMEOUT too (gRFC A18).
    # The pings themselves are no more frequent than once a minute, and only during calls (gRFC A8).
    "grpc.keepalive_time_ms": 60_000,
    "grpc.keepalive_timeout_ms": 5_000,
}


def channel_options(target: str, options: Sequence[tuple[str, object]], user_agent: str) -> list[tuple[str, object]]:
    """Return the channel's options: the client's own, each replaced by one of the same name in ``options``.

    ``user_agent`` comes first in the user agent that the service sees, before the client's and gRPC's.
    """
    agent = f"{user_agent} {_USER_AGENT}".lstrip()
    own = {**_DEFAULT_OPTIONS, **_authority(target), "grpc.primary_user_agent": agent}
    return list({**own, **dict(options)}.items())


def call_metadata(
    target: str, credentials: grpc.ChannelCredentials | None, api_key: str | None
) -> tuple[tuple[str, str], ...]:
    """Return the metadata of every call: the API key, if there is one, as a bearer token (RFC 6750).

    Raises:
        ValueError: the key would be sent in the clear to another machine, or is no printable ASCII without spaces.
            The key is not in the message.
    """
    if api_key is None:
        return ()
    if not (api_key and all("!" <= character <= "~" for character in api_key)):
        raise ValueError("api_key must be printable ASCII characters without spaces, 1 at least")
    if credentials is None and not _is_loopback(target):
        raise ValueError("api_key needs credentials (TLS), unless the target is this machine's loopback address")
    return (("authorization", f"Bearer {api_key}"),)


def _authority(target: str) -> dict[str, object]:
    """Return the option that has calls to a list of addresses (``ipv4:...,...``) name the first of them, as in Go.

    By itself gRPC names the whole list, which is no authority (RFC 3986): strict servers refuse it.
    """
    scheme, _, addresses = target.partition(":")
    if scheme not in {"ipv4", "ipv6"} or "," not in addresses:
        return {}
    return {"grpc.default_authority": addresses.lstrip("/").partition(",")[0]}


def _is_loopback(target: str) -> bool:
    """Whether every address of a gRPC target (``host:port``, ``dns:///host:port``, ``ipv4:...,...``) is loopback."""
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
