"""The log of a database that is unavailable: every kind of error at once, and then now and then."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from server.storage.database import driver_errors

_INTERVAL_SECONDS = 10.0
"""Every call, the relay and the health check fail again and again until the database is back."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Told:
    """When an error was logged last, and how often it came since."""

    at_seconds: float
    repeated: int = 0


class OutageLog:
    """Logs ``database_unavailable``: an error when it first comes, and then every 10 s at most."""

    def __init__(self, now_seconds: Callable[[], float] = time.monotonic) -> None:
        """Log nothing before ``open``."""
        self._now_seconds = now_seconds
        self._is_open = False
        self._told: dict[tuple[str, int], _Told] = {}

    def open(self) -> None:
        """Log from now on."""
        self._is_open = True

    def add(self, error: Exception) -> None:
        """Log an error, or count it; ``repeated`` in the next event is how many were only counted."""
        if not self._is_open:
            return
        name, code = type(error).__name__, driver_errors.code(error)
        told = self._told.get((name, code))
        now_seconds = self._now_seconds()
        if told is not None and now_seconds - told.at_seconds < _INTERVAL_SECONDS:
            told.repeated += 1
            return
        repeated = 0 if told is None else told.repeated
        self._told[name, code] = _Told(now_seconds)
        _log.warning("database_unavailable", error=name, code=code, detail=str(error), repeated=repeated)
