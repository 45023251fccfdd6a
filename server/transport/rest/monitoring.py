"""Health and metrics over HTTP, for probes and Prometheus: on REST's port, and on a listener of their own.

The listener of their own (``MONITORING_PORT``) needs neither TLS nor credentials, because nothing else is served there:
no call can be made over it, and no payment is shown.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from server.application.health import HealthMonitor
from server.transport.rest.metrics_endpoint import metrics_endpoint
from server.transport.rest.replies import json_response
from server.transport.rest.router import Endpoint, HttpRouter


def health_endpoints(monitor: HealthMonitor) -> list[Endpoint]:
    """Return ``/healthz``, which tells of the process alone, and ``/readyz``, which follows ``monitor``."""

    async def healthz(_request: Request) -> Response:
        return json_response({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        if monitor.is_serving:
            return json_response({"status": "ok"})
        return json_response({"status": "unavailable"}, 503, {"Retry-After": "1"})

    return [Endpoint("GET", "/healthz", healthz), Endpoint("GET", "/readyz", readyz)]


def monitoring_app(monitor: HealthMonitor) -> ASGIApp:
    """Return the application of the listener of their own: GET and HEAD of three paths, and nothing else."""
    endpoints = [*health_endpoints(monitor), metrics_endpoint()]
    heads = [Endpoint("HEAD", endpoint.path, endpoint.answer) for endpoint in endpoints]
    return HttpRouter([*endpoints, *heads], _NothingElse())


class _NothingElse:
    """Answers every other path with 404, and so redirects none to one that is served."""

    def serves(self, path: str) -> bool:  # noqa: ARG002 - as the router asks
        return True

    def rpc_of(self, method: str, scope: Scope) -> str:  # noqa: ARG002 - as the router asks
        return ""

    async def answer(self, request: Request) -> Response:  # noqa: ARG002 - as the router asks
        return json_response({"detail": "Not Found"}, 404)
