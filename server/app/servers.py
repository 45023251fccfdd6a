"""Choose the servers of gRPC, REST and monitoring, by what runs this process: Envoy, a supervisor, or neither."""

from collections.abc import Sequence

from starlette.types import ASGIApp

from server.app.workers.monitoring import MonitoringClient
from server.app.workers.worker import Worker
from server.config.settings import Settings
from server.transport.envoy.servers import Envoy
from server.transport.grpc.grpcio_server import GrpcioServer
from server.transport.grpc.server import GrpcServer
from server.transport.listening import Server
from server.transport.pipeline.cross_site import CrossSiteRule
from server.transport.rest.monitoring import ReadMetrics, metrics_endpoints, metrics_endpoints_of_whole
from server.transport.rest.router import Endpoint
from server.transport.rest.server import HttpServer, UnixHttpServer
from server.transport.tls import Tls

_MAX_SUPERVISOR_CONNECTIONS = 1000
"""Connections of the supervisor to a worker: one for each request to its monitoring port."""


def grpc_server(settings: Settings, tls: Tls | None, envoy: Envoy | None, worker: Worker | None) -> GrpcServer:
    """Return the gRPC server of the engine: Envoy, if it runs this process, and otherwise grpcio."""
    if envoy is None:
        return GrpcioServer(settings, tls, settings.drain_timeout_seconds, shares_port=worker is not None)
    if tls is not None:
        envoy.follow(tls)
    return envoy.grpc_server(settings, CrossSiteRule(settings.cors_allowed_origins))


def rest_server(
    settings: Settings, app: ASGIApp, tls: Tls | None, envoy: Envoy | None, worker: Worker | None
) -> Server:
    """Return the server of REST: Envoy, if it runs this process, and otherwise uvicorn."""
    if envoy is None:
        return HttpServer(app, settings, None if tls is None else tls.http_context(), shares_port=worker is not None)
    return envoy.rest_server(app, settings)


def rest_metrics(
    settings: Settings, read_envoy_metrics: ReadMetrics | None, worker: Worker | None
) -> Sequence[Endpoint]:
    """Return the endpoints for the metrics that REST serves: those of the whole, if this is one of several workers."""
    if not settings.serves_rest_metrics:
        return ()
    if worker is None:
        return metrics_endpoints(read_envoy_metrics)
    return metrics_endpoints_of_whole(
        MonitoringClient(worker.whole_monitoring_socket).answer, has_envoy=read_envoy_metrics is not None
    )


def monitoring_server(settings: Settings, app: ASGIApp, worker: Worker | None) -> Server | None:
    """Return the server of health and metrics, if there is one. That of a worker is for the supervisor only."""
    if worker is not None:
        enough = settings.model_copy(update={"rest_max_connections": _MAX_SUPERVISOR_CONNECTIONS})
        return UnixHttpServer(app, enough, worker.monitoring_socket, transport="monitoring")
    return None if settings.monitoring_port is None else HttpServer(app, settings, transport="monitoring")
