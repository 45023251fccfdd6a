"""Work that is long because a request is large: done in a thread, so that the event loop serves others meanwhile.

There is one thread. Python runs one thread at a time, so a second would only take further turns from the event loop.
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
"""More charges, payments or refunds than this are long work: each takes some 10 to 50 microseconds."""

MANY_BYTES = 8192
"""More JSON than this, or a larger message, is long work."""

_TURN_SECONDS = 0.001
"""How long the thread goes on while the event loop waits for its turn. Python's own 5 ms would delay each wake-up."""


class LongWork:
    """The thread, and what waits for it."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="long-work")
        sys.setswitchinterval(_TURN_SECONDS)

    async def run(self, is_long: bool, work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:  # noqa: FBT001 - reads as a sentence: run if it is long
        """Return what ``work`` returns, from the thread if ``is_long``, else at once.

        ``work`` must use nothing that others change meanwhile.

        Raises:
            Exception: whatever ``work`` raises.
        """
        if not is_long:
            return work(*args, **kwargs)
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()  # what the log says of a call
        return await loop.run_in_executor(self._thread, lambda: context.run(work, *args, **kwargs))

    def close(self) -> None:
        """End the thread once it is done with what it does; what waits is not begun."""
        self._thread.shutdown(wait=False, cancel_futures=True)
