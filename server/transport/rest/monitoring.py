"""Health and metrics over HTTP, for probes and Prometheus, on the REST port and on a separate monitoring port.

The monitoring port (``MONITORING_PORT``) needs neither TLS nor credentials, because it serves nothing else: callers
cannot reach an RPC or see a payment through it.
"""

from collections.abc import Awaitable, Callable

from prometheus_client.exposition import CONTENT_TYPE_LATEST, choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from server.application.health import HealthMonitor
from server.observability.metrics import REGISTRY
from server.transport.rest.responses import json_response
from server.transport.rest.router import Endpoint, HttpRouter

METRICS_PATH = "/metrics"

ReadMetrics = Callable[[], Awaitable[str]]
"""Returns metrics in Prometheus' text format."""


def health_endpoints(monitor: HealthMonitor) -> list[Endpoint]:
    """Return ``/healthz``, which reports only on the process, and ``/readyz``, which reports on ``monitor``."""

    async def healthz(_request: Request) -> Response:
        return json_response({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        if monitor.is_serving:
            return json_response({"status": "ok"})
        return json_response({"status": "unavailable"}, 503, {"Retry-After": "1"})

    return [Endpoint("GET", "/healthz", healthz), Endpoint("GET", "/readyz", readyz)]


def metrics_endpoints(read_envoy_metrics: ReadMetrics | None = None) -> list[Endpoint]:
    """Return ``/metrics``, in the OpenMetrics format if the client accepts it, otherwise in Prometheus' text format.

    ``read_envoy_metrics`` returns Envoy's own metrics in the text format, for ``/metrics/envoy``.
    """

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(REGISTRY), headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    endpoints = [Endpoint("GET", METRICS_PATH, metrics)]
    if read_envoy_metrics is not None:
        endpoints.append(_envoy_endpoint(read_envoy_metrics))
    return endpoints


def _envoy_endpoint(read_metrics: ReadMetrics) -> Endpoint:
    async def metrics(_request: Request) -> Response:
        return Response(
            await read_metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
        )

    return Endpoint("GET", f"{METRICS_PATH}/envoy", metrics)


def monitoring_app(monitor: HealthMonitor, read_envoy_metrics: ReadMetrics | None = None) -> ASGIApp:
    """Return the application of the monitoring port, which serves only ``/healthz``, ``/readyz`` and the metrics."""
    return HttpRouter([*health_endpoints(monitor), *metrics_endpoints(read_envoy_metrics)], redirects_slashes=False)
