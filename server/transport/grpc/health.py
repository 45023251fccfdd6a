"""grpc.health.v1: SERVING while the database answers, NOT_SERVING while it does not and while the service drains.

The service name ``liveness`` is the exception: its status is that of the process alone.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer

from server.transport.grpc.call_context import CallContext
from server.transport.grpc.service_streams import ServiceStreams

OVERALL = ""
"""The service name that means the server as a whole."""

LIVENESS = "liveness"
"""The service name that means the process: SERVING until it drains, for orchestrators that restart dead processes.

They must not use the other names: a restart does not bring back the database, and every replica would be restarted.
"""

_MAX_NAME_LENGTH = 1000


class HealthService(HealthServicer):
    """The health service.

    The service in grpcio-health-checking has two tasks and a lock for each watch. It cannot end watches, so each watch
    that is open when gRPC stops would be logged as an error.
    """

    def __init__(self, streams: ServiceStreams, services: Sequence[str]) -> None:
        """Report the status of ``services``, unknown at first, and serve watches over ``streams``."""
        self._streams = streams
        self._services = services
        self._statuses: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._is_draining = False
        self._watches_have_ended = False

    async def Check(self, request: HealthCheckRequest, context: CallContext) -> HealthCheckResponse:
        """Return the status of a service."""
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no service has this name")
        return HealthCheckResponse(status=status)

    async def Watch(self, request: HealthCheckRequest, context: CallContext) -> None:
        """Send the status of a service, and send it again whenever it changes, until ``end_watches`` is called."""
        if len(request.service) > _MAX_NAME_LENGTH:
            # Clients may watch unknown names too, and each watch holds its name in memory.
            message = f"service: must be at most {_MAX_NAME_LENGTH} characters"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
        await self._streams.serve(context, self._changes(request.service))

    async def _changes(self, name: str) -> AsyncGenerator[HealthCheckResponse, None]:
        sent = None
        while not self._watches_have_ended:
            changed = self._changed  # read this first, so that no later change is missed
            status = self._statuses.get(name, HealthCheckResponse.SERVICE_UNKNOWN)
            if status != sent:
                yield HealthCheckResponse(status=status)
                sent = status
            await changed.wait()

    def set(self, name: str, status: int) -> None:
        """Set the status of a name. While the service drains, this has no effect."""
        if not self._is_draining and self._statuses.get(name) != status:
            self._statuses[name] = status
            self._wake_watches()

    def set_serving(self, *, serving: bool) -> None:
        """Set the status of the server as a whole and of each service to SERVING or NOT_SERVING."""
        for name in (OVERALL, *self._services):
            self.set(name, HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING)

    def report_alive(self) -> None:
        """Set the status of ``LIVENESS`` to SERVING."""
        self.set(LIVENESS, HealthCheckResponse.SERVING)

    def drain(self) -> None:
        """Set the status of every name to NOT_SERVING, for good."""
        self._is_draining = True
        self._statuses = dict.fromkeys(self._statuses, HealthCheckResponse.NOT_SERVING)
        self._wake_watches()

    def end_watches(self) -> None:
        """End every watch."""
        self._watches_have_ended = True
        self._wake_watches()

    def _wake_watches(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
