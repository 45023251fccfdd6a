"""The engines with the interface of ``grpc.aio``: grpcio and pygrpc-native.

No other module imports pygrpc-native.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pygrpc_native.aio
from pygrpc_native._native import EVENT_CANCEL, STREAM_CLOSED, STREAM_FULL

from server.config.grpc import Engine, GrpcSettings
from server.config.network_addresses import host_and_port
from server.transport.grpc.arriving_requests import ArrivingRequests
from server.transport.grpc.server import Handlers, Rejection
from server.transport.listening import bindable_addresses
from server.transport.tls import Tls

_MIN_BACKOFF_SECONDS = 0.0005
_MAX_BACKOFF_SECONDS = 0.05
"""The shortest and the longest interval between polls of a full stream.

The package buffers only a few messages, so a client that reads frees space almost immediately. For a client that does
not read, the backoff keeps the cost of polling next to nothing.
"""


class AioServer:
    """A server with the interface of ``grpc.aio``, which both engines have."""

    def __init__(self, server: grpc.aio.Server, tls: Tls | None, *, has_pushback: bool) -> None:
        """Serve over TLS if there is a configuration for it."""
        self._server = server
        handlers: Any = server if isinstance(server, _NativeServer) else ArrivingRequests(server)
        self.handlers: Handlers = handlers
        self.has_pushback = has_pushback
        self.port = 0
        self._tls = tls

    def reject_early(self, service: str, rejection: Callable[[], Rejection | None]) -> None:
        """Reject a call of ``service`` before the engine starts a task for it. Only the native engine can."""
        if isinstance(self._server, _NativeServer):
            self._server.reject_early(f"/{service}/", rejection)

    def listen(self, host: str, port: int) -> None:
        """Bind one port of every address of ``host``; port 0 means any free port.

        Raises:
            OSError: an address cannot be bound.
        """
        for bindable, _ in bindable_addresses(host, port):
            address = host_and_port(bindable, port)
            # For port 0, the engine chooses a port, which the other addresses then use too.
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


class _NativeServer(pygrpc_native.aio.Server):
    """The native server, extended to reject a call before it starts a task, at a tenth of the cost of a handler.

    It overrides private methods of the package, which is therefore pinned to an exact version.
    """

    _path_prefix = ""

    def reject_early(self, path_prefix: str, rejection: Callable[[], Rejection | None]) -> None:
        """Reject a call whose path begins with ``path_prefix``, if ``rejection`` returns a status."""
        self._path_prefix = path_prefix
        self._rejection = rejection

    async def _send(self, call: Any, context: Any, response: Any) -> bool:  # noqa: ANN401 - as in the base class
        """Send a response of a stream once there is room for it, and return whether the client is still connected.

        The package itself would wait in the event loop's default executor, where a few clients that read nothing would
        block all threads.
        """
        assert self._front is not None, "the server was started"
        data = self._encode(call, context, response)
        if data is None:
            return False
        context._initial_sent = True  # noqa: SLF001
        wait_seconds = _MIN_BACKOFF_SECONDS
        while (sent := self._front.stream_try_send(call.call_id, data)) == STREAM_FULL:
            await asyncio.sleep(wait_seconds)  # the package does not report when there is room
            wait_seconds = min(2 * wait_seconds, _MAX_BACKOFF_SECONDS)
        return bool(sent != STREAM_CLOSED)

    def _on_events(self, events: list[tuple[Any, ...]]) -> None:
        if self._path_prefix and not self._stopping:
            events = [event for event in events if not self._reject(event)]
        super()._on_events(events)

    def _reject(self, event: tuple[Any, ...]) -> bool:
        """Reject the call of an event if ``_rejection`` returns a status, and return whether it was rejected."""
        kind, call_id, method_id, *_ = event
        if kind == EVENT_CANCEL or not self._table[method_id][0].startswith(self._path_prefix):
            return False
        rejection = self._rejection()
        if rejection is None:
            return False
        assert self._front is not None, "the server was started"
        code, message, trailers = rejection.code.value[0], rejection.message, list(rejection.trailers)
        self._front.fail(call_id, code, message, trailing_metadata=trailers)
        return True


def new_server(settings: GrpcSettings, tls: Tls | None, drain_timeout_seconds: float) -> AioServer:
    """Return a server of the engine that the settings select.

    Both have the same interface and serve the same handlers. ``NATIVE`` implements HTTP/2 and gRPC in Rust,
    outside the GIL, except for reflection, which it forwards to a grpcio server. When grpcio closes an old connection,
    its calls have ``drain_timeout_seconds`` to finish.
    """
    if settings.grpc_engine is Engine.NATIVE:
        return AioServer(_NativeServer(options=_options(settings)), tls, has_pushback=False)
    options = (*_options(settings), *_connection_limits(settings), *_connection_age(settings, drain_timeout_seconds))
    return AioServer(grpc.aio.server(options=options), tls, has_pushback=True)


def _options(settings: GrpcSettings) -> tuple[tuple[str, int], ...]:
    """Return the options that all engines support."""
    return (
        ("grpc.max_receive_message_length", settings.grpc_max_message_bytes),
        # grpcio rejects metadata between these two limits at random, so make them equal.
        ("grpc.max_metadata_size", settings.grpc_max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", settings.grpc_max_metadata_bytes),
        ("grpc.max_concurrent_streams", settings.grpc_max_concurrent_streams),
        # Make a second server on the same port fail to start. Otherwise, each would get some of the calls.
        ("grpc.so_reuseport", 0),
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
