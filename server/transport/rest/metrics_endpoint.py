"""``/metrics``: what is counted and timed, as Prometheus reads it."""

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from server.observability.metrics import REGISTRY
from server.transport.rest.router import Endpoint

METRICS_PATH = "/metrics"


def metrics_endpoint() -> Endpoint:
    """Return ``/metrics``, in OpenMetrics' form for those who accept it, else in Prometheus' text form."""

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(REGISTRY), headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    return Endpoint("GET", METRICS_PATH, metrics)
