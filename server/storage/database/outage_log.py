"""Logging of database outages: each kind of error when it first occurs, and then at most every few seconds."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from server.storage.database import driver_errors

_INTERVAL_SECONDS = 10.0
"""The minimum time between log events, because calls, the relay and the health check all fail during an outage."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _LoggedError:
    """When an error was last logged, and how often it has occurred since."""

    at_seconds: float
    repeated: int = 0


class OutageLog:
    """Logs ``database_unavailable`` when a kind of error first occurs, and then at most every 10 s for each kind."""

    def __init__(self, now_seconds: Callable[[], float] = time.monotonic) -> None:
        """Create a log that is silent until ``open`` is called."""
        self._now_seconds = now_seconds
        self._is_open = False
        self._errors: dict[tuple[str, int], _LoggedError] = {}

    def open(self) -> None:
        """Start logging."""
        self._is_open = True

    def add(self, error: Exception) -> None:
        """Log an error, or only count it. The next log event has the count as ``repeated``."""
        if not self._is_open:
            return
        name, code = type(error).__name__, driver_errors.code(error)
        logged = self._errors.get((name, code))
        now_seconds = self._now_seconds()
        if logged is not None and now_seconds - logged.at_seconds < _INTERVAL_SECONDS:
            logged.repeated += 1
            return
        repeated = 0 if logged is None else logged.repeated
        self._errors[name, code] = _LoggedError(now_seconds)
        _log.warning("database_unavailable", error=name, code=code, detail=str(error), repeated=repeated)
