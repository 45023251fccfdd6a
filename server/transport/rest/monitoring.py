"""Health and metrics over HTTP, for probes and Prometheus, on the REST port and on a separate monitoring port.

The monitoring port (``MONITORING_PORT``) needs neither TLS nor credentials, because it serves nothing else: callers
cannot reach an RPC or see a payment through it.
"""

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from server.application.health import HealthMonitor
from server.observability.metrics import REGISTRY
from server.transport.rest.responses import json_response
from server.transport.rest.router import Endpoint, HttpRouter

METRICS_PATH = "/metrics"


def health_endpoints(monitor: HealthMonitor) -> list[Endpoint]:
    """Return ``/healthz``, which reports only on the process, and ``/readyz``, which reports on ``monitor``."""

    async def healthz(_request: Request) -> Response:
        return json_response({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        if monitor.is_serving:
            return json_response({"status": "ok"})
        return json_response({"status": "unavailable"}, 503, {"Retry-After": "1"})

    return [Endpoint("GET", "/healthz", healthz), Endpoint("GET", "/readyz", readyz)]


def metrics_endpoint() -> Endpoint:
    """Return ``/metrics``, in the OpenMetrics format if the client accepts it, otherwise in Prometheus' text format."""

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(REGISTRY), headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    return Endpoint("GET", METRICS_PATH, metrics)


def monitoring_app(monitor: HealthMonitor) -> ASGIApp:
    """Return the application of the monitoring port, which serves only ``/healthz``, ``/readyz`` and ``/metrics``."""
    return HttpRouter([*health_endpoints(monitor), metrics_endpoint()], redirects_slashes=False)
