"""Turns: calls that lock one payment's row go to the database one after another, and never hold every connection.

A row may be locked by something else for seconds: an import, an operator's open transaction. Without turns, each
refund of that payment would wait for it on a connection of its own, until charges and reads had none left.
"""

import asyncio
import weakref
from collections.abc import Callable

from server.domain.deadline import Deadline, deadline_passed
from server.domain.errors import StoreUnavailable


class Turns:
    """Lets one call for each payment work at a time, and ``at_once`` calls in all."""

    def __init__(self, at_once: int, timeout_seconds: float) -> None:
        """Keep the limits. A call waits for its turn ``timeout_seconds`` at most."""
        self._places = asyncio.Semaphore(at_once)
        self._timeout_seconds = timeout_seconds
        self._locks: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()

    async def take(self, payment_id: int, deadline: Deadline) -> Callable[[], None]:
        """Wait for this payment's turn, and return the function that ends it.

        Raises:
            DeadlinePassed: the deadline passed first.
            StoreUnavailable: other calls for the payment, or for other locked payments, take too long.
        """
        lock = self._locks.get(payment_id)
        if lock is None:
            self._locks[payment_id] = lock = asyncio.Lock()
        try:
            await acquire(lock, deadline, self._timeout_seconds)
            try:
                await acquire(self._places, deadline, self._timeout_seconds)
            except BaseException:
                lock.release()
                raise
        except TimeoutError:
            raise StoreUnavailable(f"payment {payment_id} is locked in the payment store; try again soon") from None

        def end() -> None:
            self._places.release()
            lock.release()

        return end


async def acquire(waited_for: asyncio.Lock | asyncio.Semaphore, deadline: Deadline, at_most_seconds: float) -> None:
    """Acquire a lock or a semaphore.

    Raises:
        DeadlinePassed: the deadline passed first.
        TimeoutError: it took longer than ``at_most_seconds``.
    """
    if not waited_for.locked():
        deadline.check()
        await waited_for.acquire()  # at once, so that no timer is needed
        return
    wait_seconds = deadline.remaining_seconds(at_most_seconds)
    try:
        async with asyncio.timeout(wait_seconds):
            await waited_for.acquire()
    except TimeoutError:
        if wait_seconds < at_most_seconds:
            # The clock is not asked again, because the timer may be a little early by it.
            raise deadline_passed() from None
        raise
