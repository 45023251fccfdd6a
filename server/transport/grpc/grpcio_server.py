"""The gRPC server of ``GRPC_ENGINE=grpcio``."""

from collections.abc import Callable

import grpc

from server.config.grpc import GrpcSettings
from server.config.network_addresses import host_and_port
from server.transport.grpc.arriving_requests import ArrivingRequests
from server.transport.grpc.server import Rejection
from server.transport.listening import bindable_addresses
from server.transport.tls import Tls


class GrpcioServer:
    """A ``grpc.aio.Server`` with the limits of the settings."""

    def __init__(
        self, settings: GrpcSettings, tls: Tls | None, drain_timeout_seconds: float, *, shares_port: bool = False
    ) -> None:
        """Serve over TLS if there is a configuration for it.

        When grpcio closes an old connection, its calls have ``drain_timeout_seconds`` to finish. If it ``shares_port``,
        the other workers listen on it too.
        """
        options = (
            *_options(settings, shares_port=shares_port),
            *_connection_limits(settings),
            *_connection_age(settings, drain_timeout_seconds),
        )
        self._server = grpc.aio.server(options=options)
        self._tls = tls
        self._shares_port = shares_port
        self.handlers = ArrivingRequests(self._server)
        self.port = 0

    def reject_early(self, service: str, rejection: Callable[[], Rejection | None]) -> None:
        """Do nothing: grpcio starts a task for each call before Python can reject it."""

    def listen(self, host: str, port: int) -> None:
        """Bind one port of every address of ``host``; port 0 means any free port.

        Raises:
            OSError: an address cannot be bound.
        """
        for bindable, _ in bindable_addresses(host, port, shares_port=self._shares_port):
            address = host_and_port(bindable, port)
            # For port 0, grpcio chooses a port, which the other addresses then use too.
            try:
                if self._tls is not None:
                    port = self._server.add_secure_port(address, self._tls.grpc_credentials())
                else:
                    port = self._server.add_insecure_port(address)
            except RuntimeError as error:
                raise OSError(str(error)) from error
        self.port = port

    async def start(self) -> None:
        """Serve calls from now on."""
        await self._server.start()

    async def stop(self, timeout_seconds: float) -> None:
        """Stop serving. Calls in flight have ``timeout_seconds`` to finish."""
        await self._server.stop(timeout_seconds)


def _options(settings: GrpcSettings, *, shares_port: bool) -> tuple[tuple[str, int], ...]:
    """Return the options that limit messages and calls, and that detect clients that have disappeared."""
    return (
        ("grpc.max_receive_message_length", settings.grpc_max_message_bytes),
        # grpcio rejects metadata between these two limits at random, so make them equal.
        ("grpc.max_metadata_size", settings.grpc_max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", settings.grpc_max_metadata_bytes),
        ("grpc.max_concurrent_streams", settings.grpc_max_concurrent_streams),
        # Make a second server on the same port fail to start. Otherwise, each would get some of the calls. Workers are
        # to share them.
        ("grpc.so_reuseport", int(shares_port)),
        # Ping clients to detect those that disappeared, even without calls, and let clients ping too.
        ("grpc.keepalive_time_ms", _milliseconds(settings.grpc_keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", _milliseconds(settings.grpc_keepalive_timeout_seconds)),
        # grpcio also reads the timeout under this name.
        ("grpc.http2.ping_timeout_ms", _milliseconds(settings.grpc_keepalive_timeout_seconds)),
        ("grpc.keepalive_permit_without_calls", 1),
    )


def _connection_limits(settings: GrpcSettings) -> tuple[tuple[str, int], ...]:
    """Return grpcio's options that limit connections, and close those that are idle or ping too often."""
    return (
        ("grpc.max_allowed_incoming_connections", settings.grpc_max_connections),
        ("grpc.max_connection_idle_ms", _milliseconds(settings.grpc_max_connection_idle_seconds)),
        ("grpc.server_handshake_timeout_ms", _milliseconds(settings.grpc_handshake_timeout_seconds)),
        # Let clients ping idle connections this often to keep them alive. Each faster ping is a strike.
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(settings.grpc_min_ping_interval_seconds)),
        ("grpc.http2.max_ping_strikes", settings.grpc_max_ping_strikes),
    )


def _connection_age(settings: GrpcSettings, drain_timeout_seconds: float) -> tuple[tuple[str, int], ...]:
    """Return the options that close old connections, so that clients resolve the addresses of the replicas again.

    Otherwise, clients that balance calls across replicas would never find replicas that are added later. gRPC varies
    the age by 10% at random. No call is lost: calls in flight have as long to finish as at shutdown.
    """
    if settings.grpc_max_connection_age_seconds is None:
        return ()
    return (
        ("grpc.max_connection_age_ms", _milliseconds(settings.grpc_max_connection_age_seconds)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(drain_timeout_seconds)),
    )


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
