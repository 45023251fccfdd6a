"""Health and metrics of all workers together, under the paths that one process has."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Protocol, TypeVar

import httpx
import structlog
from prometheus_client.exposition import CONTENT_TYPE_LATEST, choose_encoder
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from server.app.workers.exposition import MergedMetrics, merged_text
from server.observability.metrics import SUPERVISOR_REGISTRY
from server.transport.rest.monitoring import ENVOY_METRICS_PATH, METRICS_PATH, Answer, health_response, metrics_response
from server.transport.rest.responses import JSON
from server.transport.rest.router import Endpoint, HttpRouter

_HEALTH_TIMEOUT_SECONDS = 2.0
_METRICS_TIMEOUT_SECONDS = 5.0
"""How long a worker may take to answer. Prometheus waits ten seconds for all of them."""

_PAUSE_SECONDS = 0.1
"""How long it may take to notice that a worker has ended, once it has closed its connections."""

_NO_ANSWER = b'{"detail":"the supervisor does not answer"}'

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used. httpx would load the certificates of the system for each client."""

Result = TypeVar("Result")

_log = structlog.get_logger(__name__)


class MonitoringClient:
    """Reads the health and metrics that a process serves at a Unix socket."""

    def __init__(self, socket: Path) -> None:
        """Read from ``socket``, over a new connection each time, because the process may have been replaced."""
        limits = httpx.Limits(max_keepalive_connections=0)
        transport = httpx.AsyncHTTPTransport(verify=_NO_TLS, uds=str(socket), limits=limits)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://worker")

    async def get(self, path: str, accept: str, timeout_seconds: float) -> httpx.Response:
        """Return the response to a GET.

        Raises:
            httpx.HTTPError: there is none in time.
        """
        return await self._client.get(path, headers={"accept": accept}, timeout=timeout_seconds)

    async def answer(self, path: str, accept: str) -> Answer:
        """Return the response to a GET, in the form in which it can be passed on; 503 if there is none."""
        try:
            response = await self.get(path, accept, 2 * _METRICS_TIMEOUT_SECONDS)
        except httpx.HTTPError:
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, JSON, _NO_ANSWER)
        return Answer(response.status_code, response.headers["content-type"], response.content)

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()


class Workers(Protocol):
    """The workers that serve."""

    def listening(self) -> Mapping[int, MonitoringClient]:
        """Return a client of each worker that listens, by its number."""

    def may_serve(self) -> bool:
        """Return whether the service is not being drained."""


def monitoring_app_of_whole(workers: Workers, *, has_envoy: bool) -> ASGIApp:
    """Return the application of the monitoring port for all workers."""
    whole = _Whole(workers)
    endpoints = [
        Endpoint("GET", "/healthz", whole.healthz),
        Endpoint("GET", "/readyz", whole.readyz),
        Endpoint("GET", METRICS_PATH, whole.metrics),
    ]
    if has_envoy:
        endpoints.append(Endpoint("GET", ENVOY_METRICS_PATH, whole.envoy_metrics))
    return HttpRouter(endpoints, redirects_slashes=False)


class _Whole:
    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def healthz(self, _request: Request) -> Response:
        """Report whether every worker that listens answers. There is none while the only one is being replaced."""
        return health_response(is_ok=all(await self._are_ok("/healthz")))

    async def readyz(self, _request: Request) -> Response:
        """Report whether every worker that listens is ready, and there is one. Others get no calls."""
        answers = await self._are_ok("/readyz") if self._workers.may_serve() else []
        return health_response(is_ok=bool(answers) and all(answers))

    async def metrics(self, request: Request) -> Response:
        """Return the metrics of the supervisor and of every worker that listens."""
        texts = await self._texts(METRICS_PATH, OPENMETRICS)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        body = encode(MergedMetrics(SUPERVISOR_REGISTRY, texts))
        return metrics_response(body, content_type)

    async def envoy_metrics(self, _request: Request) -> Response:
        """Return the metrics of the Envoy of every worker that listens."""
        texts = await self._texts(ENVOY_METRICS_PATH, CONTENT_TYPE_LATEST)
        return metrics_response(merged_text(texts.values()).encode(), CONTENT_TYPE_LATEST)

    async def _are_ok(self, path: str) -> list[bool]:
        async def is_ok(client: MonitoringClient) -> bool:
            response = await client.get(path, "*/*", _HEALTH_TIMEOUT_SECONDS)
            return response.status_code == HTTPStatus.OK

        return [answer is True for answer in (await self._of_each(is_ok)).values()]

    async def _texts(self, path: str, accept: str) -> dict[int, str]:
        """Return the metrics of each worker that answers, by its number."""

        async def read(client: MonitoringClient) -> str:
            return (await client.get(path, accept, _METRICS_TIMEOUT_SECONDS)).raise_for_status().text

        answers = await self._of_each(read)
        for number, answer in answers.items():
            if answer is None:
                _log.warning("worker_metrics_missing", worker=number, path=path)
        return {number: answer for number, answer in answers.items() if answer is not None}

    async def _of_each(self, read: Callable[[MonitoringClient], Awaitable[Result]]) -> dict[int, Result | None]:
        """Return what ``read`` returns for each worker that listens, or None if the worker does not answer in time.

        A worker that ends meanwhile is left out.
        """

        async def read_one(client: MonitoringClient) -> Result | None:
            try:
                return await read(client)
            except httpx.HTTPError:
                await asyncio.sleep(_PAUSE_SECONDS)
                return None

        clients = dict(self._workers.listening())
        answers = await asyncio.gather(*map(read_one, clients.values()))
        still_listening = self._workers.listening()
        return {
            number: answer
            for (number, client), answer in zip(clients.items(), answers, strict=True)
            if answer is not None or still_listening.get(number) is client
        }
