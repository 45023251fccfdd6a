"""Whether this replica can serve: asked of its database again and again."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from server.domain.errors import StoreUnavailable

_log = structlog.get_logger(__name__)


class HealthListener(Protocol):
    """Is told whenever the answer changes."""

    def set_serving(self, *, serving: bool) -> None:
        """Take note of it."""


class HealthMonitor:
    """Asks the database how it is."""

    def __init__(self, ping: Callable[[], Awaitable[None]], listener: HealthListener) -> None:
        """Ask with ``ping``, which raises ``StoreUnavailable``."""
        self._ping = ping
        self._listener = listener
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
        self._listener.set_serving(serving=serving)
