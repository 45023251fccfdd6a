"""Turns: calls that lock the row of one payment reach the database one after the other, and never hold all connections.

An import or an operator's open transaction may lock a row for seconds. Without turns, each refund of that payment would
wait for the lock on a connection of its own, until charges and reads had none left.
"""

import asyncio
import weakref
from collections.abc import Callable

from server.domain.deadline import Deadline, deadline_passed
from server.domain.errors import StoreUnavailable


class Turns:
    """Lets one call of each payment work at a time, and ``at_once`` calls in all."""

    def __init__(self, at_once: int, timeout_seconds: float) -> None:
        """Keep the limits. A call waits at most ``timeout_seconds`` for its turn."""
        self._all = asyncio.Semaphore(at_once)
        self._timeout_seconds = timeout_seconds
        self._locks: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()

    async def take(self, payment_id: int, deadline: Deadline) -> Callable[[], None]:
        """Wait for the turn of this payment, and return the function that ends it.

        Raises:
            DeadlinePassed: the deadline passed first.
            StoreUnavailable: other calls of this payment, or of other locked payments, take too long.
        """
        lock = self._locks.get(payment_id)
        if lock is None:
            self._locks[payment_id] = lock = asyncio.Lock()
        try:
            await acquire(lock, deadline, self._timeout_seconds)
            try:
                await acquire(self._all, deadline, self._timeout_seconds)
            except BaseException:
                lock.release()
                raise
        except TimeoutError:
            raise StoreUnavailable(f"payment {payment_id} is locked in the payment store; try again soon") from None

        def end() -> None:
            self._all.release()
            lock.release()

        return end


async def acquire(lock: asyncio.Lock | asyncio.Semaphore, deadline: Deadline, at_most_seconds: float) -> None:
    """Acquire a lock or a semaphore.

    Raises:
        DeadlinePassed: the deadline passed first.
        TimeoutError: it took longer than ``at_most_seconds``.
    """
    if not lock.locked():
        deadline.check()
        await lock.acquire()  # without a wait, so no timer is needed
        return
    wait_seconds = deadline.remaining_seconds(at_most_seconds)
    try:
        async with asyncio.timeout(wait_seconds):
            await lock.acquire()
    except TimeoutError:
        if wait_seconds < at_most_seconds:
            # The clock is not read again, because the timer may fire a little early.
            raise deadline_passed() from None
        raise
