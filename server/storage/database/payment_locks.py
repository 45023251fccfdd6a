"""In-process locks on payments, so that only one of the calls that lock the same row occupies a connection.

An import or an operator's open transaction may lock a row for seconds. Without these locks, every refund of that
payment would wait for the row on a connection of its own, until no connection is left for charges and reads.
"""

import asyncio
import weakref
from collections.abc import Callable

from server.domain.deadline import Deadline, deadline_passed
from server.domain.errors import StoreUnavailable


class PaymentLocks:
    """One lock for each payment. At most ``max_holders`` calls hold a lock at the same time."""

    def __init__(self, max_holders: int, timeout_seconds: float) -> None:
        """Set the limits.

        A call waits at most ``timeout_seconds`` for the lock of its payment, and then at most as long again while
        ``max_holders`` other calls hold locks.
        """
        self._holders = asyncio.Semaphore(max_holders)
        self._timeout_seconds = timeout_seconds
        self._locks: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()

    async def acquire(self, payment_id: int, deadline: Deadline) -> Callable[[], None]:
        """Acquire the lock of a payment, and return the function that releases it.

        Raises:
            DeadlinePassed: the deadline passed first.
            StoreUnavailable: other calls held this lock, or ``max_holders`` other locks, for too long.
        """
        lock = self._locks.get(payment_id)
        if lock is None:
            self._locks[payment_id] = lock = asyncio.Lock()
        try:
            await acquire(lock, deadline, self._timeout_seconds)
            try:
                await acquire(self._holders, deadline, self._timeout_seconds)
            except BaseException:
                lock.release()
                raise
        except TimeoutError:
            raise StoreUnavailable(f"payment {payment_id} is locked in the payment store; try again soon") from None

        def release() -> None:
            self._holders.release()
            lock.release()

        return release


async def acquire(lock: asyncio.Lock | asyncio.Semaphore, deadline: Deadline, at_most_seconds: float) -> None:
    """Acquire a lock or a semaphore.

    Raises:
        DeadlinePassed: the deadline passed first.
        TimeoutError: it took longer than ``at_most_seconds``.
    """
    if not lock.locked():
        deadline.check()
        await lock.acquire()  # does not wait, so it needs no timer
        return
    wait_seconds = deadline.seconds_left_or_raise(at_most_seconds)
    try:
        async with asyncio.timeout(wait_seconds):
            await lock.acquire()
    except TimeoutError:
        if wait_seconds < at_most_seconds:
            # The clock is not checked again, because the timer may fire slightly before the deadline.
            raise deadline_passed() from None
        raise
