"""How both clients set up their channel."""

from collections.abc import Sequence
from importlib import metadata, resources

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


def channel_options(options: Sequence[tuple[str, object]], user_agent: str) -> list[tuple[str, object]]:
    """Return the channel's options: the client's own, each replaced by one of the same name in ``options``.

    ``user_agent`` comes first in the user agent that the service sees, before the client's and gRPC's.
    """
    agent = f"{user_agent} {_USER_AGENT}".lstrip()
    return list({**_DEFAULT_OPTIONS, "grpc.primary_user_agent": agent, **dict(options)}.items())
