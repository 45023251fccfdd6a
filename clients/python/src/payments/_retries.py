"""When a failed call is tried again, and a stream gone on with: the one rule of both clients, above gRPC's own retries.

gRPC repeats a call by the service config, at most four times and for a second or two, which may be less than a restart
of the service takes. This goes on until the call's deadline.
"""

import math
import random
import time
from collections.abc import Callable

import grpc

from payments.errors import Overloaded, PaymentsError, Unavailable

_RETRYABLE_CODES = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})
"""CANCELLED is what a server that stops answers for a moment; the client's own cancelling is not tried again."""

_RESUMABLE_CODES = _RETRYABLE_CODES | {
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}
"""How a stream may end that is gone on with: it only reads, so that whatever cut it leaves nothing in doubt.

INTERNAL and UNKNOWN are what gRPC makes of a connection that breaks in the middle of a message, and DEADLINE_EXCEEDED
what a proxy may. Those that the service itself made have a call_id: they would come again.
"""

_FIRST_BACKOFF_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 1.0


def passes(error: PaymentsError) -> bool:
    """Tell whether a call that ended so may well succeed when it is made again."""
    return isinstance(error, Overloaded) or error.code in _RETRYABLE_CODES


def may_resume(error: PaymentsError) -> bool:
    """Tell whether a stream that ended so may well go on when it is asked for again."""
    return passes(error) or (error.code in _RESUMABLE_CODES and error.call_id is None)


class Attempts:
    """The attempts of one call, which all together may take ``timeout_seconds``."""

    def __init__(
        self,
        timeout_seconds: float,
        *,
        passes: Callable[[PaymentsError], bool] = passes,
        clock: Callable[[], float] = time.monotonic,
        # Spreads callers out; nobody needs it to be unpredictable.
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Start the clock, which counts seconds; ``jitter`` returns numbers from 0 to 1.

        ``passes`` tells which errors are followed by another attempt.
        """
        self._passes = passes
        self._clock = clock
        self._jitter = jitter
        self._deadline_seconds = clock() + timeout_seconds
        self._backoff_seconds = _FIRST_BACKOFF_SECONDS
        self._last_failure: PaymentsError | None = None

    def remaining_seconds(self) -> float:
        """Return how long the next attempt may take; zero or less when the deadline has passed."""
        return self._deadline_seconds - self._clock()

    def delay_seconds(self, error: PaymentsError) -> float:
        """Return how long to wait after an attempt that failed with ``error``, before the next.

        It is what the service asked for (``google.rpc.RetryInfo``), if it did, and on top a random part of a backoff
        that doubles from 0.1 to 1 second ("full jitter"), so that callers that failed together do not return together.

        Raises:
            PaymentsError: there is no next attempt, because the error is not one that passes, or the deadline would
                pass first. It is ``error``, unless that only says that the deadline cut an attempt that followed a
                failure: then it is that failure, which says why.
        """
        if not self._passes(error):
            if error.code is grpc.StatusCode.DEADLINE_EXCEEDED and self._last_failure is not None:
                self._last_failure.add_note("The deadline passed during another attempt after this.")
                raise self._last_failure
            raise error
        delay_seconds = (error.retry_after_seconds or 0) + self._jitter() * self._backoff_seconds
        if delay_seconds >= self.remaining_seconds():
            raise error
        self._last_failure = error
        self._backoff_seconds = min(2 * self._backoff_seconds, _MAX_BACKOFF_SECONDS)
        return delay_seconds


class Resumptions:
    """The connections of one watch, of which each goes on where the one before ended."""

    def __init__(
        self,
        timeout_seconds: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Let the service be out of reach for ``timeout_seconds`` at a stretch; None is for ever."""
        self._timeout_seconds = math.inf if timeout_seconds is None else timeout_seconds
        self._clock = clock
        self._jitter = jitter
        self._attempts: Attempts | None = None

    def received(self) -> None:
        """Note that the service has answered: what fails after this begins another stretch."""
        self._attempts = None

    def delay_seconds(self, error: PaymentsError | None) -> float:
        """Return how long to wait after a stream that ended with ``error``, or with none, before the next.

        The waits are those of ``Attempts``.

        Raises:
            PaymentsError: ``error`` is not one that passes, or the service has been out of reach for too long.
        """
        if self._attempts is None:
            self._attempts = Attempts(self._timeout_seconds, passes=may_resume, clock=self._clock, jitter=self._jitter)
        return self._attempts.delay_seconds(error or Unavailable("the stream ended", code=grpc.StatusCode.UNAVAILABLE))
