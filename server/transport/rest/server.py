"""HTTP: the application that REST callers reach, and the server that listens, in the event loop of the service."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence

import structlog
import uvicorn
from google.protobuf.descriptor import ServiceDescriptor
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.application.health import HealthMonitor
from server.application.payments import Payments
from server.config.rest import RestSettings
from server.domain.money import Currencies
from server.observability import metrics
from server.transport.headers import InvalidHeader, check_repeated, header
from server.transport.listening import bind
from server.transport.pipeline.calls import CALL_ID_KEY, REPLAYED_KEY, Calls, call_id
from server.transport.pipeline.cross_site import CrossSiteRule, asked_method
from server.transport.pipeline.errors import BodyTooLarge, Failure, OriginNotAllowed, failure_of
from server.transport.pipeline.worker_thread import LongWork
from server.transport.rest.body import BodyLimits
from server.transport.rest.connection import BoundedProtocol, ConnectionLimits, Connections
from server.transport.rest.docs.openapi import openapi_document
from server.transport.rest.docs.pages import docs_endpoints
from server.transport.rest.gateway.endpoints import HttpGateway
from server.transport.rest.metrics_endpoint import metrics_endpoint
from server.transport.rest.monitoring import health_endpoints
from server.transport.rest.replies import error_response, json_response, peer_of
from server.transport.rest.router import HttpRouter
from server.transport.rest.streams import LINES
from server.transport.rest.v1.endpoints import LegacyRest

_ASKING = frozenset({b"origin", b"accept-encoding"})
_CALL_ID_HEADER = CALL_ID_KEY.encode()

_TICKS_BETWEEN_SWEEPS = 5
_GZIP_FROM_BYTES = 1024
_GZIP_LEVEL = 4
"""Lists shrink to an eighth at it; higher levels take more time for little."""

_log = structlog.get_logger(__name__)


def http_app(  # noqa: PLR0913, PLR0917 - each is a part of its own
    settings: RestSettings,
    services: Sequence[tuple[ServiceDescriptor, object]],
    payments: Payments,
    currencies: Currencies,
    calls: Calls,
    monitor: HealthMonitor,
    long_work: LongWork,
) -> ASGIApp:
    """Return the application: ``/v1`` as the replaced service had it, the RPCs of ``services``, health.

    Raises:
        InvalidHttpRule: an RPC's ``google.api.http`` option is wrong.
    """
    limits = BodyLimits(settings.rest_max_body_bytes, settings.rest_body_timeout_seconds)
    gateway = HttpGateway(services, calls, limits, long_work)
    endpoints = [
        *LegacyRest(payments, currencies, calls, limits, long_work).endpoints(),
        *health_endpoints(monitor),
    ]
    if settings.rest_docs:
        endpoints += docs_endpoints(openapi_document(gateway.rules, currencies=currencies.allowed))
    if settings.serves_rest_metrics:
        endpoints.append(metrics_endpoint())
    return _Front(HttpRouter(endpoints, gateway), gateway, limits, sorted(settings.cors_allowed_origins))


class _Front:
    """Around every HTTP request: names it, and refuses what needs no look at its body.

    That is what a web page of another origin must not send, repeated headers, and a body that announces itself as too
    large. It also does what some requests ask for: compression, and leave for the pages of allowed origins.
    """

    def __init__(self, router: HttpRouter, gateway: HttpGateway, limits: BodyLimits, origins: list[str]) -> None:
        self._router = router
        self._gateway = gateway
        self._limits = limits
        self._cross_site = CrossSiteRule(origins)
        self._asked_more: ASGIApp = GZipMiddleware(
            self._checked,
            minimum_size=_GZIP_FROM_BYTES,
            compresslevel=_GZIP_LEVEL,
            exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, LINES),
        )
        if origins:
            self._asked_more = CORSMiddleware(
                self._asked_more,
                allow_origins=origins,
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=[CALL_ID_KEY, REPLAYED_KEY, "retry-after", "www-authenticate"],
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        name = call_id(header(scope, _CALL_ID_HEADER))
        scope["call_id"] = name

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (_CALL_ID_HEADER, name.encode())]
            await send(message)

        try:
            self._cross_site.check(scope)
        except OriginNotAllowed as error:
            await self._refuse_page(error, scope)(scope, receive, send_named)
            return
        # Most callers ask for neither, and those layers cost as much as the rest of the way.
        asks_more = any(key in _ASKING for key, _ in scope["headers"])
        await (self._asked_more if asks_more else self._checked)(scope, receive, send_named)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request unless its headers are wrong; inside CORS, so that allowed pages see what is wrong."""
        try:
            check_repeated(scope)
            self._limits.check_announced(scope)
        except (InvalidHeader, BodyTooLarge) as error:
            await self._error(failure_of(error, scope["call_id"]), scope)(scope, receive, send)
            return
        await self._router(scope, receive, send)

    def _refuse_page(self, error: OriginNotAllowed, scope: Scope) -> Response:
        """Log and count a request that a page of another origin sent, and return its answer."""
        failure = failure_of(error, scope["call_id"])
        rpc = self._router.rpc_of(asked_method(scope), scope)
        peer = peer_of(Request(scope))
        _log.warning(
            "cross_site_refused",
            request_id=scope["call_id"],
            rpc=rpc,
            peer=peer,
            origin=error.origin,
            sec_fetch_site=error.site,
        )
        if rpc:
            metrics.call_failed(rpc, failure.reason)()
        return self._error(failure, scope)

    def _error(self, failure: Failure, scope: Scope) -> Response:
        if self._gateway.serves(scope["path"]):
            return error_response(failure)
        return json_response({"detail": failure.message}, failure.http_status)


def _as_connected(networks: Iterable[str]) -> list[str]:
    """Return networks with the form besides that IPv4 addresses have on a socket that takes IPv6 too."""
    found = [ipaddress.ip_network(network) for network in networks]
    mapped = [
        f"::ffff:{network.network_address}/{96 + network.prefixlen}"
        for network in found
        if network.version == 4  # noqa: PLR2004 - IPv4
    ]
    return [*map(str, found), *mapped]


class HttpServer:
    """Uvicorn in this process and its event loop; whoever runs the loop starts and stops it."""

    def __init__(
        self, app: ASGIApp, settings: RestSettings, tls: ssl.SSLContext | None = None, *, transport: str = "rest"
    ) -> None:
        """Serve ``app``, encrypted when there is a context for it; the log calls it ``transport``.

        Nothing listens yet.
        """
        connections = Connections(
            ConnectionLimits(
                connections=settings.rest_max_connections,
                head_bytes=settings.rest_max_header_bytes,
                headers=settings.rest_max_headers,
                head_seconds=settings.rest_header_timeout_seconds,
                body_seconds=settings.rest_body_timeout_seconds,
            ),
            transport,
        )
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                http=connections.protocol,  # type: ignore[arg-type]
                timeout_keep_alive=settings.rest_keepalive_seconds,  # type: ignore[arg-type]
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=_as_connected(settings.trusted_proxies),
                ssl_context_factory=None if tls is None else lambda _config, _default: tls,
            )
        )
        self._sockets: list[socket.socket] = []
        self._serving: asyncio.Task[None] | None = None

    def listen(self, host: str, port: int) -> int:
        """Listen on a port, 0 for any free one, of every address of ``host``, and return it.

        Raises:
            OSError: it cannot.
        """
        self._sockets = bind(host, port)
        listening: int = self._sockets[0].getsockname()[1]
        return listening

    async def start(self) -> None:
        """Accept connections from now on."""
        assert self._sockets, "listen() comes first"
        self._serving = asyncio.create_task(self._server.serve(sockets=self._sockets))
        await self._server.accepting.wait()

    async def stop(self, timeout_seconds: float) -> None:
        """Close the connections, those with a request in progress after ``timeout_seconds`` at most."""
        if self._serving is None:
            return
        self._server.config.timeout_graceful_shutdown = timeout_seconds  # type: ignore[assignment]
        self._server.should_exit = True
        await self._serving


class _Uvicorn(uvicorn.Server):
    """Uvicorn that leaves signals to its host, and tells when it accepts connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    async def on_tick(self, counter: int) -> bool:
        """End the connections whose clients take too long; uvicorn comes here ten times a second."""
        if counter % _TICKS_BETWEEN_SWEEPS == 0:
            now_seconds = time.monotonic()
            for connection in tuple(self.server_state.connections):
                assert isinstance(connection, BoundedProtocol)
                connection.end_if_late(now_seconds)
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
