"""The engines that can serve gRPC: grpcio, or pygrpc-native, which only this module knows. A setting selects one."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pygrpc_native.aio
from pygrpc_native._native import EVENT_CANCEL, STREAM_CLOSED, STREAM_FULL

from server.config.grpc import Engine, GrpcSettings

_MIN_BACKOFF_SECONDS = 0.0005
_MAX_BACKOFF_SECONDS = 0.05
"""The interval at which a full stream is polled, at first and at most.

The package buffers few messages, so a client that reads makes room within a moment, and the backoff keeps the cost of
one that does not read next to nothing.
"""


@dataclass(frozen=True, slots=True)
class Rejection:
    """The status of a call that is rejected before any work is done for it."""

    code: grpc.StatusCode
    message: str
    trailers: tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class EngineServer:
    """A gRPC server without services or addresses yet, and the features that only some engines have.

    ``has_pushback`` says whether the engine can send the trailer ``grpc-retry-pushback-ms`` (gRFC A6).
    """

    server: grpc.aio.Server
    has_pushback: bool

    def reject_early(self, service: str, rejection: Callable[[], Rejection | None]) -> None:
        """Reject each call of ``service`` for which ``rejection`` returns one, before the engine starts a task for it.

        Only one engine can do that, so the handlers must call ``rejection`` too.
        """
        if isinstance(self.server, _NativeServer):
            self.server.reject_early(f"/{service}/", rejection)


class _NativeServer(pygrpc_native.aio.Server):
    """The native server, extended to reject a call before it has a task, at a tenth of what that costs in a handler.

    It overrides private methods of the package, which is therefore pinned to an exact version.
    """

    _prefix = ""

    def reject_early(self, prefix: str, rejection: Callable[[], Rejection | None]) -> None:
        """Reject each call whose path begins with ``prefix`` and for which ``rejection`` returns one."""
        self._prefix = prefix
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
        if self._prefix and not self._stopping:
            events = [event for event in events if not self._reject(event)]
        super()._on_events(events)

    def _reject(self, event: tuple[Any, ...]) -> bool:
        """Reject the call of an event if there is a rejection for it, and return whether that was done."""
        kind, call_id, method_id, *_ = event
        if kind == EVENT_CANCEL or not self._table[method_id][0].startswith(self._prefix):
            return False
        rejection = self._rejection()
        if rejection is None:
            return False
        assert self._front is not None, "the server was started"
        code, message, trailers = rejection.code.value[0], rejection.message, list(rejection.trailers)
        self._front.fail(call_id, code, message, trailing_metadata=trailers)
        return True


def new_server(settings: GrpcSettings, drain_timeout_seconds: float) -> EngineServer:
    """Return a server of the engine that the settings select.

    All engines have the same interface and serve the same handlers. ``NATIVE`` implements HTTP/2 and gRPC in Rust,
    outside the GIL, except for reflection, which it forwards to a grpcio server. When grpcio closes an old connection,
    its calls have ``drain_timeout_seconds`` to finish.
    """
    if settings.grpc_engine is Engine.NATIVE:
        return EngineServer(_NativeServer(options=_options(settings)), has_pushback=False)
    options = (*_options(settings), *_connection_limits(settings), *_connection_age(settings, drain_timeout_seconds))
    return EngineServer(grpc.aio.server(options=options), has_pushback=True)


def _options(settings: GrpcSettings) -> tuple[tuple[str, int], ...]:
    """Return the options that all engines support."""
    return (
        ("grpc.max_receive_message_length", settings.grpc_max_message_bytes),
        # Between these two limits grpcio rejects at random, so set both to one value.
        ("grpc.max_metadata_size", settings.grpc_max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", settings.grpc_max_metadata_bytes),
        ("grpc.max_concurrent_streams", settings.grpc_max_concurrent_streams),
        # Two servers on one port would each get some of the calls, so the second must fail to start.
        ("grpc.so_reuseport", 0),
        # Detect peers that disappeared, even without calls, and let clients send such pings too.
        ("grpc.keepalive_time_ms", _milliseconds(settings.grpc_keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", _milliseconds(settings.grpc_keepalive_timeout_seconds)),
        # The name that grpcio also uses for the same timeout.
        ("grpc.http2.ping_timeout_ms", _milliseconds(settings.grpc_keepalive_timeout_seconds)),
        ("grpc.keepalive_permit_without_calls", 1),
    )


def _connection_limits(settings: GrpcSettings) -> tuple[tuple[str, int], ...]:
    """Return the options by which grpcio limits connections, and closes idle ones and those that misuse pings."""
    return (
        ("grpc.max_allowed_incoming_connections", settings.grpc_max_connections),
        ("grpc.max_connection_idle_ms", _milliseconds(settings.grpc_max_connection_idle_seconds)),
        ("grpc.server_handshake_timeout_ms", _milliseconds(settings.grpc_handshake_timeout_seconds)),
        # Let clients ping idle connections this often to keep them alive, without being taken for attackers.
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(settings.grpc_min_ping_interval_seconds)),
        ("grpc.http2.max_ping_strikes", settings.grpc_max_ping_strikes),
    )


def _connection_age(settings: GrpcSettings, drain_timeout_seconds: float) -> tuple[tuple[str, int], ...]:
    """Return the options that close old connections, so that clients resolve the addresses of the replicas again.

    Otherwise, clients that balance over replicas never find those that were added later. gRPC varies the age by a
    tenth. No call is lost: calls in progress may take as long as at shutdown.
    """
    if settings.grpc_max_connection_age_seconds is None:
        return ()
    return (
        ("grpc.max_connection_age_ms", _milliseconds(settings.grpc_max_connection_age_seconds)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(drain_timeout_seconds)),
    )


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
