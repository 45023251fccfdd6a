"""The circuit breaker before a remote processor: one that does not answer is left alone for a while."""

import contextlib
import time
from collections.abc import Callable

import pybreaker
import structlog

from server.domain.errors import ProcessorUnavailable
from server.observability import metrics

_TRIAL_INTERVAL_SECONDS = 1.0
"""How often one call is let through while it is open, once its time is over, until one is answered."""

_log = structlog.get_logger(__name__)


class _NotAnswered(Exception):
    pass


class Breaker:
    """Opens when so many calls in a row are not answered, and closes when one is."""

    def __init__(self, failures: int, open_seconds: float, seconds: Callable[[], float] = time.monotonic) -> None:
        """Open after ``failures``, and let nothing through for ``open_seconds`` then. ``seconds`` is a clock."""
        self._open_seconds = open_seconds
        self._seconds = seconds
        self._next_trial_seconds = 0.0
        self._state = pybreaker.CircuitBreaker(fail_max=failures, throw_new_error_on_trip=False)
        metrics.track_breaker(lambda: self.is_open)

    @property
    def is_open(self) -> bool:
        """Whether the processor is taken to be away."""
        return bool(self._state.current_state != pybreaker.STATE_CLOSED)

    @property
    def may_pass(self) -> bool:
        """Whether ``check`` would return."""
        return not self.is_open or self._seconds() >= self._next_trial_seconds

    def check(self) -> None:
        """Return when the processor may be asked now: always while it answers, else now and then, for a trial.

        Raises:
            ProcessorUnavailable: it may not be.
        """
        if not self.is_open:
            return
        now_seconds = self._seconds()
        if now_seconds < self._next_trial_seconds:
            wait_seconds = self._next_trial_seconds - now_seconds
            raise ProcessorUnavailable("the payment processor does not answer at the moment", wait_seconds)
        self._next_trial_seconds = now_seconds + _TRIAL_INTERVAL_SECONDS

    def answered(self) -> None:
        """Note that the processor answered."""
        if self.is_open:
            self._state.close()
            _log.info("processor_breaker_closed")
        else:
            self._state.call(bool)

    def not_answered(self) -> None:
        """Note that it did not."""
        was_open = self.is_open
        if not was_open:
            with contextlib.suppress(_NotAnswered):
                self._state.call(_fail)
        if self.is_open:
            self._open_anew(was_open=was_open)

    def key_refused(self) -> None:
        """Open at once, because the processor refuses the API key: every request would be refused."""
        was_open = self.is_open
        if not was_open:
            self._state.open()
        self._open_anew(was_open=was_open)

    def _open_anew(self, *, was_open: bool) -> None:
        # Timed here, and not by the library, whose clock is the wall's, which may be set.
        self._next_trial_seconds = self._seconds() + self._open_seconds
        if not was_open:
            _log.warning("processor_breaker_open", seconds=self._open_seconds)


def _fail() -> None:
    raise _NotAnswered
