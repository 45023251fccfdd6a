"""grpc.health.v1: SERVING while the database answers, NOT_SERVING without it and while draining.

The name ``liveness`` is the exception: it tells of the process alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import grpc
import structlog
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from server.domain.errors import StoreUnavailable

OVERALL = ""
"""The name that stands for the server as a whole."""

LIVENESS = "liveness"
"""The name that stands for the process: SERVING until it drains, for those who restart one that does not answer.

No restart brings a database back; asked for the others, they would end every replica of the service along with it.
"""

_log = structlog.get_logger(__name__)


class HealthService(health.aio.HealthServicer):
    """The health service, whose watches can be ended: left open, each would be logged as an error when gRPC stops."""

    def __init__(self) -> None:
        """Start with nobody watching."""
        super().__init__()
        self._ended = asyncio.Event()

    async def Watch(
        self,
        request: HealthCheckRequest,
        context: grpc.aio.ServicerContext[HealthCheckRequest, HealthCheckResponse],
    ) -> None:
        """Tell the status, and tell it again whenever it changes, until watches end."""
        watching = asyncio.create_task(super().Watch(request, context))
        ending = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait((watching, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            watching.cancel()
            ending.cancel()
            await asyncio.gather(watching, ending, return_exceptions=True)

    async def tell_alive(self) -> None:
        """Serve ``LIVENESS`` from now on."""
        await self.set(LIVENESS, HealthCheckResponse.SERVING)

    def end_watches(self) -> None:
        """End every watch."""
        self._ended.set()


class HealthMonitor:
    """Asks the database how it is, again and again, and tells the health service."""

    def __init__(
        self,
        servicer: health.aio.HealthServicer,
        services: Sequence[str],
        ping: Callable[[], Awaitable[None]],
        interval_seconds: float,
    ) -> None:
        """Watch with ``ping``, which raises ``StoreUnavailable``, every ``interval_seconds``."""
        self._servicer = servicer
        self._names = (OVERALL, *services)
        self._ping = ping
        self._interval_seconds = interval_seconds
        self._serving: bool | None = None

    @property
    def is_serving(self) -> bool:
        """Whether the database answered when it was asked last."""
        return bool(self._serving)

    def stop_serving(self) -> None:
        """Serve no more, whatever the database does."""
        self._serving = False

    async def check(self) -> None:
        """Ask once, and tell."""
        try:
            await self._ping()
            serving = True
        except StoreUnavailable:
            serving = False
        except Exception as error:  # noqa: BLE001 - a monitor that dies of an error would show its last word for ever
            _log.error("health_check_failed", exc_info=error)
            serving = False
        if serving == self._serving:
            return
        self._serving = serving
        _log.info("health", status="SERVING" if serving else "NOT_SERVING")
        for name in self._names:
            await self._servicer.set(name, HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING)

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            await self.check()
            await asyncio.sleep(self._interval_seconds)
