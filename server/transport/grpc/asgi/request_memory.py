"""A limit on the memory that all requests take together, while they arrive and while they are served."""

import asyncio
import time
from collections.abc import Callable

from server.transport.grpc.asgi.status import CallEnded
from server.transport.grpc.overload import MEMORY_FULL

SMALL_BYTES = 1 << 14
"""The size up to which a request counts only until it has arrived. Nearly all requests are far smaller."""

_STALLED_SECONDS = 1.0
"""How long a request may pause before another may take its place."""


class RequestMemory:
    """Counts the memory of requests.

    When it is full, the request that has paused for the longest is rejected, so that clients who send half a request
    cannot keep others from sending whole ones. If none has paused for long, the newest is rejected.
    """

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow ``max_bytes`` in total, of which large requests leave a quarter to small ones."""
        self.free_bytes = max_bytes
        self._reserved_bytes = max_bytes // 4
        self.clock = clock
        self.inflating = asyncio.Lock()
        """Held while a part is inflated that grows a lot, so that one such message at a time takes memory."""
        self.arriving: dict[HeldMemory, None] = {}
        """The requests that may be rejected, the one that has paused for the longest first."""

    def take(self, size_bytes: int, holder: "HeldMemory") -> None:
        """Take memory for ``holder``.

        Raises:
            CallEnded: there is not enough, and no request has paused.
        """
        reserved_bytes = 0 if holder.is_small else self._reserved_bytes
        while self.free_bytes - reserved_bytes < size_bytes:
            paused = next(iter(self.arriving), holder)
            if paused is holder or self.clock() - paused.progress_seconds < _STALLED_SECONDS:
                raise _overloaded()
            paused.reject()
        self.free_bytes -= size_bytes


class HeldMemory:
    """The memory that one request holds."""

    __slots__ = ("_held_bytes", "_memory", "_reject", "progress_seconds")

    def __init__(self, memory: RequestMemory, reject: Callable[[CallEnded], None]) -> None:
        """Hold nothing yet. ``reject`` ends the call while its request arrives."""
        self._memory = memory
        self._reject = reject
        self._held_bytes = 0
        self.progress_seconds = 0.0

    @property
    def inflating(self) -> asyncio.Lock:
        """The lock to hold while a part of the request is inflated that grows a lot."""
        return self._memory.inflating

    @property
    def is_small(self) -> bool:
        """Whether the request is not known to be large."""
        return self._held_bytes == 0

    def grow_to(self, size_bytes: int) -> None:
        """Hold ``size_bytes``, but at least ``SMALL_BYTES``, for a request that has just made progress.

        Raises:
            CallEnded: there is no memory for it.
        """
        memory = self._memory
        held_bytes = max(size_bytes, SMALL_BYTES)
        memory.take(held_bytes - self._held_bytes, self)
        self._held_bytes = held_bytes
        self.progress_seconds = memory.clock()
        memory.arriving.pop(self, None)
        memory.arriving[self] = None

    def keep(self) -> None:
        """Hold the memory of a large request until ``release``, because it has arrived and is being served."""
        if self._held_bytes <= SMALL_BYTES:
            self.release()
        else:
            self._memory.arriving.pop(self, None)

    def release(self) -> None:
        """Give the memory back."""
        self._memory.arriving.pop(self, None)
        self._memory.free_bytes += self._held_bytes
        self._held_bytes = 0

    def reject(self) -> None:
        """End the call, and give its memory back."""
        self.release()
        self._reject(_overloaded())


def _overloaded() -> CallEnded:
    return CallEnded(MEMORY_FULL.code, MEMORY_FULL.message, MEMORY_FULL.trailers)
