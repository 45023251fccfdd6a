"""Admission control: a limit on concurrent calls that adapts to how long calls take, up to a configured maximum.

Calls that exceed the service's capacity would only queue, and delay every other call. So the limit follows latency, as
TCP's congestion window and Netflix's and Envoy's adaptive limiters do. While calls are being rejected, the limit
shrinks if even the fastest calls of an RPC take longer than a target, which is the sign of a queue that never empties
(RFC 8289, section 4). Otherwise, the limit grows. Rejecting a call costs next to nothing, so load above the limit does
not slow down the admitted calls.
"""

import time
from collections.abc import Callable

_MIN_LIMIT = 64
"""A lower limit would leave batches half empty: see ``storage.batching``."""

_WINDOW_SECONDS = 0.1
_MIN_SAMPLES = 10
"""How many calls of an RPC must succeed in a window before its fastest one counts: a rare RPC may be slow by nature."""

_GROWTH_FACTOR = 1.05
_MIN_SHRINK_FACTOR = 0.5

_MIN_RETRY_SECONDS = 0.2
_MAX_RETRY_SECONDS = 1.0
_HIGH_REJECTION_RATIO = 0.25
"""Rejected calls per completed call. Above this ratio, rejected callers are asked to wait longer and longer. Below it,
rejections cost little, so the wait shrinks again.
"""


class Admission:
    """Counts the calls in flight, and decides whether to admit another one.

    ``limit`` is the current limit of calls in flight, and ``retry_after_seconds`` the time that rejected callers
    should wait. Both change at the end of each window, which lasts at least ``_WINDOW_SECONDS``, and longer while calls
    are being rejected and too few have succeeded to measure their latency.
    """

    def __init__(self, max_calls: int, target_seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        """Admit up to ``max_calls`` concurrent calls, and fewer while they take longer than ``target_seconds``."""
        self._max_calls = max_calls
        self._min_limit = min(_MIN_LIMIT, max_calls)
        self._target_seconds = target_seconds
        self.limit = max_calls
        self.in_flight = 0
        self.retry_after_seconds = _MIN_RETRY_SECONDS
        self._begin_window(clock())

    def reject_if_full(self) -> bool:
        """Return whether the limit is reached; if so, count the call that just arrived as rejected."""
        if self.in_flight < self.limit:
            return False
        self._rejected += 1
        return True

    def begin_call(self) -> None:
        """Count a call as in flight."""
        self.in_flight += 1

    def end_call(self, rpc: str, started_seconds: float, ended_seconds: float, *, succeeded: bool) -> None:
        """Record that a call of ``rpc`` ended. Both times come from ``time.perf_counter``.

        The duration of a failed call is ignored: rejecting an invalid request is fast under any load.
        """
        self.in_flight -= 1
        self._completed += 1
        if succeeded and started_seconds >= self._window_start_seconds:
            count, shortest = self._samples_by_rpc.get(rpc, (0, ended_seconds))
            self._samples_by_rpc[rpc] = count + 1, min(shortest, ended_seconds - started_seconds)
        if ended_seconds - self._window_start_seconds >= _WINDOW_SECONDS:
            self._end_window(ended_seconds)

    def _begin_window(self, now_seconds: float) -> None:
        self._window_start_seconds = now_seconds
        self._rejected = 0
        self._completed = 0
        self._samples_by_rpc: dict[str, tuple[int, float]] = {}

    def _end_window(self, now_seconds: float) -> None:
        latency_seconds = self._target_seconds
        if self._rejected:
            times = [shortest for count, shortest in self._samples_by_rpc.values() if count >= _MIN_SAMPLES]
            if not times:
                return  # extend the window until there are enough samples
            latency_seconds = max(times)
        if latency_seconds > self._target_seconds:
            factor = max(self._target_seconds / latency_seconds, _MIN_SHRINK_FACTOR)
            self.limit = max(int(self.limit * factor), self._min_limit)
        else:
            self.limit = min(int(self.limit * _GROWTH_FACTOR) + 1, self._max_calls)
        if self._rejected > self._completed * _HIGH_REJECTION_RATIO:
            self.retry_after_seconds = min(self.retry_after_seconds * 1.25, _MAX_RETRY_SECONDS)
        else:
            self.retry_after_seconds = max(self.retry_after_seconds * 0.9, _MIN_RETRY_SECONDS)
        self._begin_window(now_seconds)
