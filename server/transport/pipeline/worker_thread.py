"""The worker thread: large requests are decoded and encoded in it, so that the event loop serves other calls meanwhile.

There is one. Python runs one thread at a time, so a second would only take more turns from the event loop.
"""

import asyncio
import contextvars
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")

MANY_ITEMS = 50
"""More charges, payments or refunds than this go to the thread: each takes some 10 to 50 microseconds."""

MANY_BYTES = 8192
"""More JSON than this, or a larger message, goes to the thread."""

_TURN_SECONDS = 0.001
"""How long the thread runs while the event loop waits for its turn. Python's own 5 ms would delay each wake-up."""


class WorkerThread:
    """The thread, and its queue."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="worker")
        sys.setswitchinterval(_TURN_SECONDS)

    async def run(self, is_long: bool, work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:  # noqa: FBT001 - reads as a sentence: run if it is long
        """Run ``work`` in the thread if it ``is_long``, otherwise right here, and return its result.

        ``work`` must not use anything that another task may change meanwhile.

        Raises:
            Exception: whatever ``work`` raises.
        """
        if not is_long:
            return work(*args, **kwargs)
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()  # for the log of the call
        return await loop.run_in_executor(self._executor, lambda: context.run(work, *args, **kwargs))

    def close(self) -> None:
        """End the thread when its current work is done, and drop its queue."""
        self._executor.shutdown(wait=False, cancel_futures=True)
