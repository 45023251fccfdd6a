"""The circuit breaker in front of a remote processor: stops requests for a while when the processor does not answer."""

import contextlib
import time
from collections.abc import Callable

import pybreaker
import structlog

from server.domain.errors import ProcessorUnavailable
from server.observability import metrics

_TRIAL_INTERVAL_SECONDS = 1.0
"""The interval between trial requests once the open time is over, until the processor answers one."""

_log = structlog.get_logger(__name__)


class _NotAnswered(Exception):
    pass


class Breaker:
    """Opens after a number of consecutive requests without an answer, and closes when one is answered."""

    def __init__(self, failures: int, open_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Open after ``failures`` consecutive failures, and allow no request for ``open_seconds``."""
        self._open_seconds = open_seconds
        self._clock = clock
        self._next_trial_seconds = 0.0
        self._state = pybreaker.CircuitBreaker(fail_max=failures, throw_new_error_on_trip=False)
        metrics.track_breaker(lambda: self.is_open)

    @property
    def is_open(self) -> bool:
        """Whether the processor is considered unavailable."""
        return bool(self._state.current_state != pybreaker.STATE_CLOSED)

    @property
    def allows_requests(self) -> bool:
        """Whether a request is allowed now, that is, whether ``check`` would pass."""
        return not self.is_open or self._clock() >= self._next_trial_seconds

    def check(self) -> None:
        """Check that a request may be sent now: any request while closed, only a trial request while open.

        Raises:
            ProcessorUnavailable: no request is allowed now.
        """
        if not self.is_open:
            return
        now_seconds = self._clock()
        if now_seconds < self._next_trial_seconds:
            wait_seconds = self._next_trial_seconds - now_seconds
            raise ProcessorUnavailable("the payment processor is not answering; try again later", wait_seconds)
        self._next_trial_seconds = now_seconds + _TRIAL_INTERVAL_SECONDS

    def record_answer(self) -> None:
        """Record that the processor answered."""
        if self.is_open:
            self._state.close()
            _log.info("processor_breaker_closed")
        else:
            self._state.call(bool)  # a call that succeeds, which resets the library's count of failures

    def record_failure(self) -> None:
        """Record that the processor did not answer."""
        was_open = self.is_open
        if not was_open:
            with contextlib.suppress(_NotAnswered):
                self._state.call(_fail)
        if self.is_open:
            self._start_open_time(was_open=was_open)

    def record_rejected_key(self) -> None:
        """Open at once, because the processor rejects the API key, and so every request."""
        was_open = self.is_open
        if not was_open:
            self._state.open()
        self._start_open_time(was_open=was_open)

    def _start_open_time(self, *, was_open: bool) -> None:
        # Timed here, because the library uses the wall clock, which may jump.
        self._next_trial_seconds = self._clock() + self._open_seconds
        if not was_open:
            _log.warning("processor_breaker_open", seconds=self._open_seconds)


def _fail() -> None:
    raise _NotAnswered
