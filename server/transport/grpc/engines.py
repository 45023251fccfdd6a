"""The engines that can serve gRPC, behind one setting: the only place that knows pygrpc-native."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pygrpc_native.aio
from pygrpc_native._native import EVENT_CANCEL, STREAM_CLOSED, STREAM_FULL

from server.config.grpc import Engine, GrpcSettings

_FIRST_FULL_SECONDS = 0.0005
_MOST_FULL_SECONDS = 0.05
"""How soon, and then how seldom, it is looked whether a client that is behind has room again.

The package takes few messages ahead: who reads has room again within a moment, and who does not costs next to nothing.
"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a call is told that is refused unseen."""

    code: grpc.StatusCode
    message: str
    trailers: tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class EngineServer:
    """A gRPC server that serves nothing and listens nowhere yet, and what it can do of what not every engine can.

    ``has_pushback`` tells whether it lets the trailer ``grpc-retry-pushback-ms`` (gRFC A6) out.
    """

    server: grpc.aio.Server
    has_pushback: bool

    def refuse_early(self, service: str, refusal: Callable[[], Refusal | None]) -> None:
        """Ask ``refusal`` of each call of ``service`` before it is taken on, where the engine allows that.

        The handlers must ask as well, for the engine that does not.
        """
        if isinstance(self.server, _NativeServer):
            self.server.refuse_early(f"/{service}/", refusal)


class _NativeServer(pygrpc_native.aio.Server):
    """The native server, which can refuse a call before there is a task for it: a tenth of what it costs a handler.

    What it overrides is private to the package, which is pinned exactly.
    """

    _prefix = ""

    def refuse_early(self, prefix: str, refusal: Callable[[], Refusal | None]) -> None:
        """Ask ``refusal`` of each call whose path begins with ``prefix``."""
        self._prefix = prefix
        self._refusal = refusal

    async def _send(self, call: Any, context: Any, response: Any) -> bool:  # noqa: ANN401 - as the package has it
        """Send a response of a stream, once its client has room for it, and tell whether it is still there.

        The package would wait in a thread of the loop's default executor, of which a few clients that read nothing
        would take all.
        """
        assert self._front is not None, "there are calls"
        data = self._encode(call, context, response)
        if data is None:
            return False
        context._initial_sent = True  # noqa: SLF001
        wait_seconds = _FIRST_FULL_SECONDS
        while (sent := self._front.stream_try_send(call.call_id, data)) == STREAM_FULL:
            await asyncio.sleep(wait_seconds)  # the package tells nobody when there is room
            wait_seconds = min(2 * wait_seconds, _MOST_FULL_SECONDS)
        return bool(sent != STREAM_CLOSED)

    def _on_events(self, events: list[tuple[Any, ...]]) -> None:
        if self._prefix and not self._stopping:
            events = [event for event in events if not self._is_refused(event)]
        super()._on_events(events)

    def _is_refused(self, event: tuple[Any, ...]) -> bool:
        kind, call_id, method_id, *_ = event
        if kind == EVENT_CANCEL or not self._table[method_id][0].startswith(self._prefix):
            return False
        refusal = self._refusal()
        if refusal is None:
            return False
        assert self._front is not None, "there are calls"
        self._front.fail(call_id, refusal.code.value[0], refusal.message, trailing_metadata=list(refusal.trailers))
        return True


def new_server(settings: GrpcSettings, drain_timeout_seconds: float) -> EngineServer:
    """Return a server of the engine that the settings name; calls may take ``drain_timeout_seconds`` to end.

    All engines have the same interface and serve the same handlers. ``NATIVE`` does the work of HTTP/2 and gRPC in
    Rust, outside the GIL, except for reflection, which it leaves to a server of grpcio behind it.
    """
    if settings.grpc_engine is Engine.NATIVE:
        return EngineServer(_NativeServer(options=_options(settings)), has_pushback=False)
    options = (*_options(settings), *_connection_limits(settings), *_connection_age(settings, drain_timeout_seconds))
    return EngineServer(grpc.aio.server(options=options), has_pushback=True)


def _options(settings: GrpcSettings) -> tuple[tuple[str, int], ...]:
    """Return the options that all engines have."""
    return (
        ("grpc.max_receive_message_length", settings.grpc_max_message_bytes),
        # grpcio refuses at random between the two; the same twice is one clear limit.
        ("grpc.max_metadata_size", settings.grpc_max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", settings.grpc_max_metadata_bytes),
        ("grpc.max_concurrent_streams", settings.grpc_max_concurrent_streams),
        # Two servers on one port would each get some of the calls: the second should fail to start.
        ("grpc.so_reuseport", 0),
        # Peers that are gone without a word are found out, also those without calls; and clients may ask likewise.
        ("grpc.keepalive_time_ms", _milliseconds(settings.grpc_keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", _milliseconds(settings.grpc_keepalive_timeout_seconds)),
        # Where grpcio looks for the same.
        ("grpc.http2.ping_timeout_ms", _milliseconds(settings.grpc_keepalive_timeout_seconds)),
        ("grpc.keepalive_permit_without_calls", 1),
    )


def _connection_limits(settings: GrpcSettings) -> tuple[tuple[str, int], ...]:
    """Return the options by which grpcio gets rid of connections that cost without use."""
    return (
        ("grpc.max_allowed_incoming_connections", settings.grpc_max_connections),
        ("grpc.max_connection_idle_ms", _milliseconds(settings.grpc_max_connection_idle_seconds)),
        ("grpc.server_handshake_timeout_ms", _milliseconds(settings.grpc_handshake_timeout_seconds)),
        # Clients may keep idle connections alive with a ping every 10 s, and are not taken for attackers.
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(settings.grpc_min_ping_interval_seconds)),
        ("grpc.http2.max_ping_strikes", settings.grpc_max_ping_strikes),
    )


def _connection_age(settings: GrpcSettings, drain_timeout_seconds: float) -> tuple[tuple[str, int], ...]:
    """Return the options that end connections of age: their clients look up the addresses of the replicas anew then.

    Without that, clients that balance over replicas never learn of one that came later. gRPC spreads the ends by a
    tenth of the age. No call is lost by it: those in progress may take as long as at shutdown.
    """
    if settings.grpc_max_connection_age_seconds is None:
        return ()
    return (
        ("grpc.max_connection_age_ms", _milliseconds(settings.grpc_max_connection_age_seconds)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(drain_timeout_seconds)),
    )


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
