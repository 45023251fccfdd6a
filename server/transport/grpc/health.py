"""grpc.health.v1: SERVING while the database answers, NOT_SERVING without it and while draining.

The name ``liveness`` is the exception: it tells of the process alone.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import TypeAlias

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer

from server.transport.grpc.service_streams import ServiceStreams

_Context: TypeAlias = "grpc.aio.ServicerContext[HealthCheckRequest, HealthCheckResponse]"

OVERALL = ""
"""The name that stands for the server as a whole."""

LIVENESS = "liveness"
"""The name that stands for the process: SERVING until it drains, for those who restart one that does not answer.

No restart brings a database back; asked for the others, they would end every replica of the service along with it.
"""

_MAX_NAME_LENGTH = 1000


class HealthService(HealthServicer):
    """The health service.

    The package's own has two tasks and a lock for each watch, and no end of watches: those left open when gRPC stops
    would each be logged as an error.
    """

    def __init__(self, streams: ServiceStreams, services: Sequence[str]) -> None:
        """Tell of ``services``, of none of which anything is known yet; as many may watch as there are ``streams``."""
        self._streams = streams
        self._services = services
        self._statuses: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._is_draining = False
        self._is_over = False

    async def Check(self, request: HealthCheckRequest, context: _Context) -> HealthCheckResponse:
        """Return the status."""
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no service has this name")
        return HealthCheckResponse(status=status)

    async def Watch(self, request: HealthCheckRequest, context: _Context) -> None:
        """Tell the status, and tell it again whenever it changes, until watches end."""
        if len(request.service) > _MAX_NAME_LENGTH:
            # Unknown names are watched too, as the protocol has it, and stay in memory meanwhile.
            message = f"service: must be at most {_MAX_NAME_LENGTH} characters"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
        await self._streams.serve(context, self._changes(request.service))

    async def _changes(self, name: str) -> AsyncGenerator[HealthCheckResponse, None]:
        told = None
        while not self._is_over:
            changed = self._changed  # before the look, so that no change goes unnoticed in between
            status = self._statuses.get(name, HealthCheckResponse.SERVICE_UNKNOWN)
            if status != told:
                yield HealthCheckResponse(status=status)
                told = status
            await changed.wait()

    def set(self, name: str, status: int) -> None:
        """Serve a status from now on; while the service drains, nothing changes any more."""
        if not self._is_draining and self._statuses.get(name) != status:
            self._statuses[name] = status
            self._tell()

    def set_serving(self, *, serving: bool) -> None:
        """Serve SERVING, or NOT_SERVING, from now on, for the server as a whole and for each service."""
        for name in (OVERALL, *self._services):
            self.set(name, HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING)

    def tell_alive(self) -> None:
        """Serve ``LIVENESS`` from now on."""
        self.set(LIVENESS, HealthCheckResponse.SERVING)

    def drain(self) -> None:
        """Serve NOT_SERVING for every name, to the end."""
        self._is_draining = True
        self._statuses = dict.fromkeys(self._statuses, HealthCheckResponse.NOT_SERVING)
        self._tell()

    def end_watches(self) -> None:
        """End every watch."""
        self._is_over = True
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
