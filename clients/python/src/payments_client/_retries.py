"""Decides when both clients retry a failed call or resume a stream, in addition to gRPC's own retries.

The service config makes gRPC retry a call at most four times, which takes a second or two. A restart of the service may
take longer, so this module retries until the call's deadline.
"""

import math
import random
import time
from collections.abc import Callable

import grpc

from payments_client.errors import Overloaded, PaymentsError, Unavailable

_RETRYABLE_CODES = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})
"""A server that is shutting down may return CANCELLED. A call that the client itself canceled is not retried."""

_RESUMABLE_CODES = _RETRYABLE_CODES | {
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}
"""The status codes after which a stream resumes. A stream only reads, so resuming it is always safe.

gRPC reports a connection that breaks in the middle of a message as INTERNAL or UNKNOWN, and a proxy may report it as
DEADLINE_EXCEEDED. If the service itself returned the error, it has a call_id, and resuming would only repeat it.
"""

_FIRST_BACKOFF_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 1.0


def is_retryable(error: PaymentsError) -> bool:
    """Return whether a call that failed with ``error`` may succeed when retried."""
    return isinstance(error, Overloaded) or error.code in _RETRYABLE_CODES


def is_resumable(error: PaymentsError) -> bool:
    """Return whether a stream that ended with ``error`` can be resumed."""
    return is_retryable(error) or (error.code in _RESUMABLE_CODES and error.call_id is None)


class Attempts:
    """The attempts of one call, which together may take at most ``timeout_seconds``."""

    def __init__(
        self,
        timeout_seconds: float,
        *,
        is_retryable: Callable[[PaymentsError], bool] = is_retryable,
        clock: Callable[[], float] = time.monotonic,
        # It only spreads out the retries of many clients, so it need not be cryptographically secure.
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Start the time limit.

        Args:
            timeout_seconds: The time limit of all attempts together.
            is_retryable: Returns whether a retry may succeed after an error.
            clock: Returns the time in seconds.
            jitter: Returns a random number from 0 to 1.
        """
        self._is_retryable = is_retryable
        self._clock = clock
        self._jitter = jitter
        self._deadline_seconds = clock() + timeout_seconds
        self._backoff_seconds = _FIRST_BACKOFF_SECONDS
        self._last_failure: PaymentsError | None = None

    def remaining_seconds(self) -> float:
        """Return how long the next attempt may take: zero or less after the deadline."""
        return self._deadline_seconds - self._clock()

    def delay_seconds(self, error: PaymentsError) -> float:
        """Return how long to wait between an attempt that failed with ``error`` and the next one.

        This is the delay that the service asked for (``google.rpc.RetryInfo``), if any, plus a random fraction of a
        backoff that doubles from 0.1 to 1 second ("full jitter"), so that clients that failed together do not retry
        together.

        Raises:
            PaymentsError: there is no next attempt, because the error is not retryable or the deadline would pass
                first. This is ``error``, unless the deadline passed during a retry: then it is the previous error,
                which is more informative.
        """
        if not self._is_retryable(error):
            if error.code is grpc.StatusCode.DEADLINE_EXCEEDED and self._last_failure is not None:
                self._last_failure.add_note("The deadline passed during the next attempt.")
                raise self._last_failure
            raise error
        delay_seconds = (error.retry_after_seconds or 0) + self._jitter() * self._backoff_seconds
        if delay_seconds >= self.remaining_seconds():
            raise error
        self._last_failure = error
        self._backoff_seconds = min(2 * self._backoff_seconds, _MAX_BACKOFF_SECONDS)
        return delay_seconds


class Resumptions:
    """Decides when to open the next stream of one watch. Each stream resumes where the previous one ended."""

    def __init__(
        self,
        timeout_seconds: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Give up once the service has been continuously unreachable for ``timeout_seconds``. None means never."""
        self._timeout_seconds = math.inf if timeout_seconds is None else timeout_seconds
        self._clock = clock
        self._jitter = jitter
        self._attempts: Attempts | None = None

    def record_response(self) -> None:
        """Reset the timeout and the backoff, because the service has responded."""
        self._attempts = None

    def delay_seconds(self, error: PaymentsError | None) -> float:
        """Return how long to wait before the next stream, after one that ended with ``error`` or without an error.

        The delays are those of ``Attempts``.

        Raises:
            PaymentsError: ``error`` is not resumable, or the service has been unreachable for too long.
        """
        if self._attempts is None:
            self._attempts = Attempts(
                self._timeout_seconds, is_retryable=is_resumable, clock=self._clock, jitter=self._jitter
            )
        return self._attempts.delay_seconds(error or Unavailable("the stream ended", code=grpc.StatusCode.UNAVAILABLE))
