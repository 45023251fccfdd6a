"""The HTTP application: every endpoint, and the checks before them."""

from collections.abc import Callable, Sequence

import structlog
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
from server.transport.pipeline.calls import CALL_ID_KEY, REPLAYED_KEY, Calls, call_id
from server.transport.pipeline.cross_site import CrossSiteRule, asked_method
from server.transport.pipeline.errors import BodyTooLarge, OriginNotAllowed, failure_of
from server.transport.pipeline.worker_thread import WorkerThread
from server.transport.rest.body import BodyLimits
from server.transport.rest.callers import peer_of
from server.transport.rest.docs.pages import COMPRESSED_TYPES, docs_endpoints
from server.transport.rest.gateway.endpoints import HttpGateway
from server.transport.rest.monitoring import health_endpoints, metrics_endpoint
from server.transport.rest.router import Endpoint, HttpRouter
from server.transport.rest.streams import LINES
from server.transport.rest.v1.endpoints import LegacyRest

_FOR_CORS_OR_GZIP = frozenset({b"origin", b"accept-encoding"})
"""The headers that ask for CORS or for compression."""

_CALL_ID_HEADER = CALL_ID_KEY.encode()

_GZIP_FROM_BYTES = 1024
_GZIP_LEVEL = 4
"""Lists shrink to an eighth at it; higher levels take more time for little."""

_log = structlog.get_logger(__name__)


def untraced_endpoint(endpoint: Endpoint) -> Endpoint:
    """Return ``endpoint`` as it is: where there is no tracing."""
    return endpoint


def http_app(  # noqa: PLR0913, PLR0917 - each is a part of its own
    settings: RestSettings,
    services: Sequence[tuple[ServiceDescriptor, object]],
    payments: Payments,
    currencies: Currencies,
    calls: Calls,
    monitor: HealthMonitor,
    worker_thread: WorkerThread,
    *,
    trace: Callable[[Endpoint], Endpoint] = untraced_endpoint,
) -> ASGIApp:
    """Return the application: the RPCs of ``services``, ``/v1``, health, metrics and documents.

    Raises:
        InvalidHttpRule: an RPC's ``google.api.http`` option is wrong.
    """
    limits = BodyLimits(settings.rest_max_body_bytes, settings.rest_body_timeout_seconds)
    legacy = LegacyRest(payments, currencies, calls, limits, worker_thread)
    gateway = HttpGateway(calls, limits, worker_thread)
    endpoints = [trace(endpoint) for endpoint in (*legacy.endpoints(), *gateway.endpoints(services))]
    endpoints += health_endpoints(monitor)
    if settings.rest_docs:
        endpoints += docs_endpoints()
    if settings.serves_rest_metrics:
        endpoints.append(metrics_endpoint())
    return HttpApp(HttpRouter(endpoints), limits, sorted(settings.cors_allowed_origins))


class HttpApp:
    """Names every request, and refuses some before their body is read.

    It refuses requests that a web page of another origin must not send, that repeat a header, or whose Content-Length
    is too large. It compresses responses, and lets the pages of ``origins`` call.
    """

    def __init__(self, router: HttpRouter, limits: BodyLimits, origins: list[str]) -> None:
        """Let ``router`` answer the requests that are let in."""
        self.router = router
        self._limits = limits
        self._cross_site = CrossSiteRule(origins)
        self._with_cors_and_gzip: ASGIApp = GZipMiddleware(
            self._checked,
            minimum_size=_GZIP_FROM_BYTES,
            compresslevel=_GZIP_LEVEL,
            exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, *COMPRESSED_TYPES, LINES),
        )
        if origins:
            self._with_cors_and_gzip = CORSMiddleware(
                self._with_cors_and_gzip,
                allow_origins=origins,
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=[CALL_ID_KEY, REPLAYED_KEY, "retry-after", "www-authenticate"],
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        assert scope["type"] == "http"
        name = scope["call_id"] = call_id(header(scope, _CALL_ID_HEADER))

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
        asks_for_more = any(key in _FOR_CORS_OR_GZIP for key, _ in scope["headers"])
        await (self._with_cors_and_gzip if asks_for_more else self._checked)(scope, receive, send_named)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request unless its headers are wrong; inside CORS, so that allowed pages see what is wrong."""
        answer: ASGIApp = self.router
        try:
            check_repeated(scope)
            self._limits.check_announced(scope)
        except (InvalidHeader, BodyTooLarge) as error:
            answer = self.router.error_response(failure_of(error, scope["call_id"]), scope)
        await answer(scope, receive, send)

    def _refuse_page(self, error: OriginNotAllowed, scope: Scope) -> Response:
        """Log and count a request that a page of another origin sent, and return the response."""
        failure = failure_of(error, scope["call_id"])
        found = self.router.find(asked_method(scope), scope)
        rpc = "" if found is None else found[0].rpc
        _log.warning(
            "cross_site_refused",
            request_id=scope["call_id"],
            rpc=rpc,
            peer=peer_of(Request(scope)),
            origin=error.origin,
            sec_fetch_site=error.site,
        )
        if rpc:
            metrics.count_call_error(rpc, failure.reason)
        return self.router.error_response(failure, scope)
