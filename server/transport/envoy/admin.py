"""Envoy's administration interface, on a Unix socket."""

import asyncio
from pathlib import Path

import httpx

from server.transport.envoy.configuration import GRPC_LISTENER, REST_LISTENER

_POLL_SECONDS = 0.01

_METRICS = rf"^(connection_limit|http2|server)\.|^(http|listener)\.({GRPC_LISTENER}|{REST_LISTENER})\."
"""The metrics that concern clients and the process, by Envoy's own names."""

_TLS_TIMEOUT_SECONDS = 10


class Admin:
    """The administration interface of the Envoy that runs this process."""

    def __init__(self, socket: Path) -> None:
        """Connect to ``socket`` for each request."""
        self._socket = socket

    async def wait_until_live(self) -> None:
        """Wait until Envoy accepts connections."""
        async with self._client() as client:
            while True:
                try:
                    response = await client.get("/ready")
                except httpx.TransportError:
                    pass  # Envoy has not opened the socket yet
                else:
                    if response.is_success:
                        return
                await asyncio.sleep(_POLL_SECONDS)

    async def port(self, listener: str) -> int:
        """Return the port of a listener."""
        async with self._client() as client:
            response = await client.get("/listeners", params={"format": "json"})
        statuses = response.raise_for_status().json()["listener_statuses"]
        address = next(status["local_address"] for status in statuses if status["name"] == listener)
        port: int = address["socket_address"]["port_value"]
        return port

    async def metrics(self) -> str:
        """Return Envoy's metrics of what the service uses, in Prometheus' text format."""
        async with self._client() as client:
            response = await client.get("/stats/prometheus", params={"filter": _METRICS})
        return response.raise_for_status().text

    async def tls_updates(self) -> int:
        """Return how often listeners have received TLS files."""
        async with self._client() as client:
            response = await client.get("/stats", params={"filter": "ssl_context_update_by_sds", "format": "json"})
        return sum(stat["value"] for stat in response.raise_for_status().json()["stats"] if "value" in stat)

    async def wait_for_tls_updates(self, count: int) -> None:
        """Wait until listeners have received TLS files ``count`` times.

        Raises:
            TimeoutError: Envoy has not used them within some seconds, because it found them invalid.
        """
        async with asyncio.timeout(_TLS_TIMEOUT_SECONDS):
            while await self.tls_updates() < count:  # noqa: ASYNC110 - Envoy reports nothing by itself
                await asyncio.sleep(_POLL_SECONDS)

    async def begin_drain(self) -> None:
        """Ask each connected client to leave, with the next response to it."""
        await self._post("/drain_listeners?graceful&skip_exit")

    async def close_listeners(self) -> None:
        """Accept no more connections. Those that are open stay open."""
        await self._post("/drain_listeners")

    async def quit(self) -> None:
        """End Envoy, and with it this process."""
        await self._post("/quitquitquit")

    async def _post(self, path: str) -> None:
        async with self._client() as client:
            (await client.post(path)).raise_for_status()

    def _client(self) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(uds=str(self._socket))
        return httpx.AsyncClient(transport=transport, base_url="http://envoy", timeout=10)
