"""How many calls are let in at the same time: as many as are served soon, never more than a setting says.

What is let in beyond what the service gets done only waits, and makes everyone wait. So the number follows the time
that calls take (as TCP's window does, and the limiters of Netflix and Envoy): while calls are refused, it shrinks when
even the quickest calls of an RPC take longer than a target, which is the mark of a queue that never empties (RFC 8289,
section 4), and grows when they do not. A refused call costs next to nothing, so that those let in are served as ever.
"""

import time
from collections.abc import Callable

_FLOOR = 64
"""Fewer would leave batches half empty: see ``storage.batching``."""

_WINDOW_SECONDS = 0.1
_ENOUGH_CALLS = 10
"""Of one RPC, from which its quickest tells of the queue; RPCs that come rarely may be slow by nature."""

_GROWTH = 1.05
_MOST_SHRINKING = 0.5

_MIN_RETRY_SECONDS = 0.2
_MAX_RETRY_SECONDS = 1.0
_FEW_REFUSALS = 0.25
"""Refusals to a call let in, which cost little; with more than that, those refused are told to stay away for longer."""


class Admission:
    """Counts the calls in progress, and tells whether another one is let in.

    ``limit`` is how many may be in progress now, and ``retry_after_seconds`` what those refused are told. They change
    when a window ends: a time in which enough calls began and ended to tell how long they take.
    """

    def __init__(self, at_most: int, target_seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        """Let in ``at_most`` calls at the same time, and fewer while they take longer than ``target_seconds``."""
        self._at_most = at_most
        self._floor = min(_FLOOR, at_most)
        self._target_seconds = target_seconds
        self.limit = at_most
        self.in_progress = 0
        self.retry_after_seconds = _MIN_RETRY_SECONDS
        self._begin_window(clock())

    def refuses(self) -> bool:
        """Tell whether there is no place for another call, which is then counted as refused."""
        if self.in_progress < self.limit:
            return False
        self._refused += 1
        return True

    def enter(self) -> None:
        """Count a call in."""
        self.in_progress += 1

    def leave(self, rpc: str, started_seconds: float, ended_seconds: float, *, succeeded: bool) -> None:
        """Count a call of ``rpc`` out that lasted from one time to another, of ``time.perf_counter``.

        One that failed is not asked how long calls take: what is refused for its contents is quick at any load.
        """
        self.in_progress -= 1
        self._ended += 1
        if succeeded and started_seconds >= self._since_seconds:
            count, shortest = self._shortest.get(rpc, (0, ended_seconds))
            self._shortest[rpc] = count + 1, min(shortest, ended_seconds - started_seconds)
        if ended_seconds - self._since_seconds >= _WINDOW_SECONDS:
            self._end_window(ended_seconds)

    def _begin_window(self, now_seconds: float) -> None:
        self._since_seconds = now_seconds
        self._refused = 0
        self._ended = 0
        self._shortest: dict[str, tuple[int, float]] = {}

    def _end_window(self, now_seconds: float) -> None:
        longest_seconds = self._target_seconds
        if self._refused:
            times = [shortest for count, shortest in self._shortest.values() if count >= _ENOUGH_CALLS]
            if not times:
                return  # it goes on until there is something to tell by
            longest_seconds = max(times)
        if longest_seconds > self._target_seconds:
            kept = max(self._target_seconds / longest_seconds, _MOST_SHRINKING)
            self.limit = max(int(self.limit * kept), self._floor)
        else:
            self.limit = min(int(self.limit * _GROWTH) + 1, self._at_most)
        if self._refused > self._ended * _FEW_REFUSALS:
            self.retry_after_seconds = min(self.retry_after_seconds * 1.25, _MAX_RETRY_SECONDS)
        else:
            self.retry_after_seconds = max(self.retry_after_seconds * 0.9, _MIN_RETRY_SECONDS)
        self._begin_window(now_seconds)
