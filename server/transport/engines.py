"""The engines that can serve gRPC, behind one setting: the only place that knows pygrpc-native."""

from dataclasses import dataclass

import grpc
import pygrpc_native.aio

from server.config import Engine, Settings


@dataclass(frozen=True, slots=True)
class EngineServer:
    """A gRPC server that serves nothing and listens nowhere yet, and what it can do of what not every engine can.

    ``has_pushback`` tells whether it lets the trailer ``grpc-retry-pushback-ms`` (gRFC A6) out.
    """

    server: grpc.aio.Server
    has_pushback: bool


def new_server(settings: Settings) -> EngineServer:
    """Return a server of the engine that the settings name.

    All engines have the same interface and serve the same handlers. ``NATIVE`` does the work of HTTP/2 and gRPC in
    Rust, outside the GIL, except for reflection, which it leaves to a server of grpcio behind it.
    """
    options = (
        *_connection_age(settings),
        ("grpc.max_receive_message_length", settings.grpc_max_message_bytes),
        # Two servers on one port would each get some of the calls: the second should fail to start.
        ("grpc.so_reuseport", 0),
        # Clients may keep idle connections alive with a ping every 10 s, and are not taken for attackers.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    )
    if settings.grpc_engine is Engine.NATIVE:
        return EngineServer(pygrpc_native.aio.server(options=options), has_pushback=False)
    return EngineServer(grpc.aio.server(options=options), has_pushback=True)


def _connection_age(settings: Settings) -> tuple[tuple[str, int], ...]:
    """Return the options that end connections of age: their clients look up the addresses of the replicas anew then.

    Without that, clients that balance over replicas never learn of one that came later. gRPC spreads the ends by a
    tenth of the age. No call is lost by it: those in progress may take as long as at shutdown.
    """
    if settings.grpc_max_connection_age_seconds is None:
        return ()
    return (
        ("grpc.max_connection_age_ms", round(settings.grpc_max_connection_age_seconds * 1000)),
        ("grpc.max_connection_age_grace_ms", round(settings.drain_timeout_seconds * 1000)),
    )
