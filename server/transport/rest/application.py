"""The HTTP application: all endpoints, and the checks that come before them."""

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
from server.observability.metrics import count_call_error
from server.transport.headers import InvalidHeader, check_unique_headers, header
from server.transport.pipeline.calls import CALL_ID_KEY, REPLAYED_KEY, Calls, call_id_for
from server.transport.pipeline.cross_site import CrossSiteRule, requested_method
from server.transport.pipeline.errors import BodyTooLarge, OriginNotAllowed, failure_of
from server.transport.pipeline.worker_thread import WorkerThread
from server.transport.rest.body import BodyLimits
from server.transport.rest.callers import peer_of
from server.transport.rest.docs.pages import COMPRESSED_TYPES, docs_endpoints
from server.transport.rest.gateway.endpoints import HttpGateway
from server.transport.rest.monitoring import health_endpoints
from server.transport.rest.router import Endpoint, HttpRouter
from server.transport.rest.streams import LINES
from server.transport.rest.v1.endpoints import LegacyRest

_CORS_OR_GZIP_HEADERS = frozenset({b"origin", b"accept-encoding"})
"""The headers of requests that need CORS or accept compression."""

_CALL_ID_HEADER = CALL_ID_KEY.encode()

_GZIP_MIN_BYTES = 1024
_GZIP_LEVEL = 4
"""At this level, lists shrink to an eighth. Higher levels take longer and gain little."""

_log = structlog.get_logger(__name__)


def untraced_endpoint(endpoint: Endpoint) -> Endpoint:
    """Return ``endpoint`` unchanged."""
    return endpoint


def http_app(  # noqa: PLR0913, PLR0917 - each is a separate part
    settings: RestSettings,
    services: Sequence[tuple[ServiceDescriptor, object]],
    payments: Payments,
    currencies: Currencies,
    calls: Calls,
    monitor: HealthMonitor,
    worker_thread: WorkerThread,
    *,
    trace: Callable[[Endpoint], Endpoint] = untraced_endpoint,
    webhooks: Sequence[Endpoint] = (),
    metrics: Sequence[Endpoint] = (),
) -> ASGIApp:
    """Return the application: the RPCs of ``services``, ``/v1``, health, documents, ``webhooks`` and ``metrics``.

    Raises:
        InvalidHttpRule: an RPC's ``google.api.http`` option is invalid.
    """
    limits = BodyLimits(settings.rest_max_body_bytes, settings.rest_body_timeout_seconds)
    legacy = LegacyRest(payments, currencies, calls, limits, worker_thread)
    gateway = HttpGateway(calls, limits, worker_thread)
    endpoints = [trace(endpoint) for endpoint in (*legacy.endpoints(), *gateway.endpoints(services))]
    endpoints += webhooks
    endpoints += health_endpoints(monitor)
    if settings.rest_docs:
        endpoints += docs_endpoints()
    endpoints += metrics
    return HttpApp(HttpRouter(endpoints), limits, sorted(settings.cors_allowed_origins))


class HttpApp:
    """Gives every request a call ID, and rejects some requests before their body is read.

    It rejects requests that a web page from a foreign origin must not send, that repeat a unique header, or whose
    Content-Length is too large. It also compresses responses, and applies CORS for the pages of ``origins``.
    """

    def __init__(self, router: HttpRouter, limits: BodyLimits, origins: list[str]) -> None:
        """Pass accepted requests to ``router``."""
        self.router = router
        self._limits = limits
        self._cross_site = CrossSiteRule(origins)
        self._with_cors_and_gzip: ASGIApp = GZipMiddleware(
            self._answer_if_valid,
            minimum_size=_GZIP_MIN_BYTES,
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
        call_id = scope["call_id"] = call_id_for(header(scope, _CALL_ID_HEADER))

        async def send_with_call_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (_CALL_ID_HEADER, call_id.encode())]
            await send(message)

        try:
            self._cross_site.check(scope)
        except OriginNotAllowed as error:
            await self._reject_page(error, scope)(scope, receive, send_with_call_id)
            return
        # Most callers need neither, and these layers would cost as much as all the others.
        needs_cors_or_gzip = any(key in _CORS_OR_GZIP_HEADERS for key, _ in scope["headers"])
        await (self._with_cors_and_gzip if needs_cors_or_gzip else self._answer_if_valid)(
            scope, receive, send_with_call_id
        )

    async def _answer_if_valid(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with an error if its headers are invalid. CORS lets allowed pages read that error too."""
        answer: ASGIApp = self.router
        try:
            check_unique_headers(scope)
            self._limits.check_content_length(scope)
        except (InvalidHeader, BodyTooLarge) as error:
            answer = self.router.error_response(failure_of(error, scope["call_id"]), scope)
        await answer(scope, receive, send)

    def _reject_page(self, error: OriginNotAllowed, scope: Scope) -> Response:
        """Log and count the request of a page from a foreign origin, and return the error response."""
        failure = failure_of(error, scope["call_id"])
        found = self.router.find(requested_method(scope), scope)
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
            count_call_error(rpc, failure.reason)
        return self.router.error_response(failure, scope)
