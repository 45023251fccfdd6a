"""The worker thread, which decodes and encodes large messages, so that the event loop can serve other calls meanwhile.

There is only one, because Python runs one thread at a time: a second would only take more turns from the event loop.
"""

import asyncio
import contextvars
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")

MAX_INLINE_ITEMS = 50
"""The most charges, payments or refunds that the event loop handles itself: each takes some 10 to 50 microseconds."""

MAX_INLINE_BYTES = 8192
"""The size of the largest JSON or serialized message that the event loop handles itself."""

_GIL_SWITCH_SECONDS = 0.001
"""How long the thread runs while the event loop waits for the GIL. The default of 5 ms would delay each wake-up."""


class WorkerThread:
    """The thread, and its queue."""

    def __init__(self) -> None:
        """Create the queue. The thread starts with the first work."""
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="worker")
        sys.setswitchinterval(_GIL_SWITCH_SECONDS)

    async def run(self, is_long: bool, work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:  # noqa: FBT001 - reads as a sentence: run if it is long
        """Run ``work`` in the thread if it ``is_long``, otherwise in the caller's own, and return its result.

        ``work`` must not use any state that another task may change meanwhile.

        Raises:
            Exception: whatever ``work`` raises.
        """
        if not is_long:
            return work(*args, **kwargs)
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()  # so that log lines belong to the call
        return await loop.run_in_executor(self._executor, lambda: context.run(work, *args, **kwargs))

    def close(self) -> None:
        """End the thread when its current work is done, and drop its queue."""
        self._executor.shutdown(wait=False, cancel_futures=True)
