"""Health: whether this replica can serve, which depends on its database."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from server.domain.errors import StoreUnavailable

_log = structlog.get_logger(__name__)


class HealthListener(Protocol):
    """A listener for changes of the serving status."""

    def set_serving(self, *, serving: bool) -> None:
        """Publish whether the replica is serving."""


class HealthMonitor:
    """Pings the database, and reports whether this replica can serve."""

    def __init__(self, ping: Callable[[], Awaitable[None]], listener: HealthListener) -> None:
        """Check health with ``ping``, which may raise ``StoreUnavailable``, and report changes to ``listener``."""
        self._ping = ping
        self._listener = listener
        self._serving: bool | None = None
        self._is_stopping = False

    @property
    def is_serving(self) -> bool:
        """Whether this replica can serve: the database answered the last ping, and ``stop_serving`` was not called."""
        return bool(self._serving) and not self._is_stopping

    def stop_serving(self) -> None:
        """Report from now on that this replica does not serve, even though the database answers."""
        self._is_stopping = True

    async def check(self) -> None:
        """Ping once, and report a change."""
        try:
            await self._ping()
            serving = True
        except StoreUnavailable:
            serving = False
        except Exception as error:  # noqa: BLE001 - otherwise health would report its last state forever
            _log.error("health_check_failed", exc_info=error)
            serving = False
        if serving == self._serving:
            return
        self._serving = serving
        _log.info("health", status="SERVING" if serving else "NOT_SERVING")
        self._listener.set_serving(serving=serving)
