"""Health and metrics over HTTP, for probes and Prometheus, on the REST port and on a separate monitoring port.

The monitoring port (``MONITORING_PORT``) needs neither TLS nor credentials, because it serves nothing else: callers
cannot reach an RPC or see a payment through it.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from prometheus_client.exposition import CONTENT_TYPE_LATEST, choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from server.application.health import HealthMonitor
from server.observability.metrics import REGISTRY
from server.transport.rest.responses import json_response
from server.transport.rest.router import Endpoint, HttpRouter

METRICS_PATH = "/metrics"
ENVOY_METRICS_PATH = f"{METRICS_PATH}/envoy"

ReadMetrics = Callable[[], Awaitable[str]]
"""Returns metrics in Prometheus' text format."""


class Answer(NamedTuple):
    """A response of another process, to be passed on."""

    status: int
    content_type: str
    body: bytes


ReadAnswer = Callable[[str, str], Awaitable[Answer]]
"""Returns the response of another process to a GET of a path, with this header ``accept``."""


def health_response(*, is_ok: bool) -> Response:
    """Return the response of a health check."""
    if is_ok:
        return json_response({"status": "ok"})
    return json_response({"status": "unavailable"}, 503, {"Retry-After": "1"})


def health_endpoints(monitor: HealthMonitor) -> list[Endpoint]:
    """Return ``/healthz``, which reports only on the process, and ``/readyz``, which reports on ``monitor``."""

    async def healthz(_request: Request) -> Response:
        return health_response(is_ok=True)

    async def readyz(_request: Request) -> Response:
        return health_response(is_ok=monitor.is_serving)

    return [Endpoint("GET", "/healthz", healthz), Endpoint("GET", "/readyz", readyz)]


def metrics_endpoints(read_envoy_metrics: ReadMetrics | None = None) -> list[Endpoint]:
    """Return ``/metrics``, in the OpenMetrics format if the client accepts it, otherwise in Prometheus' text format.

    ``read_envoy_metrics`` returns Envoy's own metrics in the text format, for ``/metrics/envoy``.
    """

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return metrics_response(encode(REGISTRY), content_type)

    endpoints = [Endpoint("GET", METRICS_PATH, metrics)]
    if read_envoy_metrics is not None:
        endpoints.append(_envoy_endpoint(read_envoy_metrics))
    return endpoints


def _envoy_endpoint(read_metrics: ReadMetrics) -> Endpoint:
    async def metrics(_request: Request) -> Response:
        return metrics_response((await read_metrics()).encode(), CONTENT_TYPE_LATEST)

    return Endpoint("GET", ENVOY_METRICS_PATH, metrics)


def metrics_response(body: bytes, content_type: str, status: int = 200) -> Response:
    """Return a response with metrics."""
    return Response(body, status, headers={"Content-Type": content_type, "Cache-Control": "no-store"})


def metrics_endpoints_of_whole(read: ReadAnswer, *, has_envoy: bool) -> list[Endpoint]:
    """Return the endpoints of a worker's REST server: ``read`` returns the metrics of all workers."""

    async def metrics(request: Request) -> Response:
        answer = await read(request.url.path, request.headers.get("accept", ""))
        return metrics_response(answer.body, answer.content_type, answer.status)

    paths = (METRICS_PATH, ENVOY_METRICS_PATH) if has_envoy else (METRICS_PATH,)
    return [Endpoint("GET", path, metrics) for path in paths]


def monitoring_app(monitor: HealthMonitor, read_envoy_metrics: ReadMetrics | None = None) -> ASGIApp:
    """Return the application of the monitoring port, which serves only ``/healthz``, ``/readyz`` and the metrics."""
    return HttpRouter([*health_endpoints(monitor), *metrics_endpoints(read_envoy_metrics)], redirects_slashes=False)
