"""The HTTP server: uvicorn in the event loop of the service, with bounded connections."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from server.config.rest import RestSettings
from server.observability.logs import RepeatedWarning
from server.transport.listening import bind
from server.transport.rest.connection import BoundedConnection


class HttpServer:
    """Serves an application until it is stopped."""

    def __init__(
        self,
        app: ASGIApp,
        settings: RestSettings,
        tls: ssl.SSLContext | None = None,
        *,
        transport: str = "rest",
        shares_port: bool = False,
    ) -> None:
        """Serve ``app``, over TLS if there is a context. ``transport`` names the server in the log.

        The server does not listen yet. If it ``shares_port``, the other workers listen on it too.
        """
        self._transport = transport
        self._shares_port = shares_port
        self._max_connections = settings.rest_max_connections
        self._rejected = RepeatedWarning("connections_refused")
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                http=partial(BoundedConnection, settings, self._count_rejected),  # type: ignore[arg-type]
                timeout_keep_alive=settings.rest_keepalive_seconds,  # type: ignore[arg-type]
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=with_mapped_ipv4(settings.trusted_proxies),
                ssl_context_factory=None if tls is None else lambda _config, _default: tls,
                callback_notify=self._abort_late_connections,
                timeout_notify=0,  # as often as uvicorn can, once a second
            )
        )
        self._sockets: list[socket.socket] = []
        self.port = 0
        self._serving: asyncio.Task[None] | None = None

    def listen(self, host: str, port: int) -> None:
        """Listen on one port of every address of ``host``; port 0 means any free port.

        Raises:
            OSError: an address cannot be bound.
        """
        self._sockets = bind(host, port, shares_port=self._shares_port)
        self.port = self._sockets[0].getsockname()[1]

    async def start(self) -> None:
        """Accept connections from now on."""
        assert self._sockets, "listen() comes first"
        self._serving = asyncio.create_task(self._server.serve(sockets=self._sockets))
        await self._server.accepting.wait()

    async def stop(self, timeout_seconds: float) -> None:
        """Close all connections. Requests in flight have ``timeout_seconds`` to finish."""
        if self._serving is None:
            return
        self._server.config.timeout_graceful_shutdown = timeout_seconds  # type: ignore[assignment]
        self._server.should_exit = True
        await self._serving

    def _count_rejected(self) -> None:
        self._rejected.count(transport=self._transport, limit=self._max_connections)

    async def _abort_late_connections(self) -> None:
        now_seconds = time.monotonic()
        for connection in tuple(self._server.server_state.connections):
            assert isinstance(connection, BoundedConnection)
            connection.abort_if_late(now_seconds)


class UnixHttpServer(HttpServer):
    """An HTTP server on a Unix socket."""

    def __init__(self, app: ASGIApp, settings: RestSettings, path: Path, *, transport: str) -> None:
        """Serve ``app`` at ``path``."""
        super().__init__(app, settings, transport=transport)
        self._path = path

    def listen(self, host: str, port: int) -> None:  # noqa: ARG002 - as declared by the port
        """Listen on the socket. It has no host and no port.

        Raises:
            OSError: the socket cannot be created.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sockets = [listener]
        listener.bind(str(self._path))
        listener.listen()


class _Uvicorn(uvicorn.Server):
    """A uvicorn server that leaves signals to the service, and sets an event when it accepts connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signals."""
        yield


def with_mapped_ipv4(networks: Iterable[str]) -> list[str]:
    """Return the networks, and the IPv4 ones also as the IPv4-mapped IPv6 networks that a dual-stack socket reports."""
    parsed = [ipaddress.ip_network(network) for network in networks]
    mapped = [
        f"::ffff:{network.network_address}/{96 + network.prefixlen}"
        for network in parsed
        if network.version == 4  # noqa: PLR2004 - IPv4
    ]
    return [*map(str, parsed), *mapped]
