"""The buckets of the rate limits (``rate_limit.Buckets``), shared by all workers.

A caller's bucket is the latest of the times that the workers have stored for it: each worker reads all, and stores its
own. Two workers that charge the same caller in the same microsecond may count one call instead of two, which no caller
can use: a call takes hundreds of microseconds.
"""

from functools import lru_cache

from server.app.workers.shared_memory import RATE_GROUPS, RATE_SLOTS, SharedMemory

_CACHED_HASHES = 1024
_TIMES = RATE_GROUPS * RATE_SLOTS
"""An area has all keys first, and then the times in the same order."""


class SharedBuckets:
    """The buckets of one rate limit, as one worker uses them.

    A caller's hash is its key, and selects the group of slots that may have it. If a worker finds no free slot in the
    group of its area, it drops the bucket that will be full first, whose caller loses least of its history.
    """

    def __init__(self, memory: SharedMemory, part: str, worker: int) -> None:
        """Store buckets in the area of ``worker``, counted from 1."""
        self._areas = [(area.cast("Q"), area.cast("d")) for area in memory.areas(part)]
        self._own_keys, self._own_times = self._areas[worker - 1]
        self._hash = lru_cache(_CACHED_HASHES)(memory.hash)

    def get(self, caller: str, default: float, /) -> float:
        """Return the time at which the bucket of ``caller`` will be full again, or the default if that is later."""
        key = self._hash(caller)
        start = key % RATE_GROUPS * RATE_SLOTS
        full_at_seconds = default
        for keys, times in self._areas:
            group = keys[start : start + RATE_SLOTS].tolist()
            if key in group:
                full_at_seconds = max(full_at_seconds, times[_TIMES + start + group.index(key)])
        return full_at_seconds

    def put(self, caller: str, full_at_seconds: float, now_seconds: float) -> None:  # noqa: ARG002 - as declared by the port
        """Store the time at which the bucket of ``caller`` will be full again."""
        key = self._hash(caller)
        start = key % RATE_GROUPS * RATE_SLOTS
        group = self._own_keys[start : start + RATE_SLOTS].tolist()
        if key in group:
            self._own_times[_TIMES + start + group.index(key)] = full_at_seconds
            return
        times = self._own_times[_TIMES + start : _TIMES + start + RATE_SLOTS].tolist()
        slot = start + times.index(min(times))
        # Other workers read meanwhile, and must not find this time under the previous key.
        self._own_keys[slot] = 0
        self._own_times[_TIMES + slot] = full_at_seconds
        self._own_keys[slot] = key
