"""A time limit that many tasks share: a task that takes longer is cancelled.

Because the limit is the same for all, the task that began first also times out first, so one timer serves them all. A
timer for each task, as with ``asyncio.timeout``, would cost as much as a sixth of a charge.
"""

import asyncio
from typing import Any


class TimeLimit:
    """Cancels tasks that take longer than ``seconds``."""

    def __init__(self, seconds: float) -> None:
        """Create a limit that applies to no task yet."""
        self.seconds = seconds
        self._deadlines: dict[asyncio.Task[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> "asyncio.Task[Any]":
        """Start the clock for the current task, and return the task."""
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        self._deadlines[task] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._cancel_late)
        return task

    def stop(self, task: "asyncio.Task[Any]") -> None:
        """Stop the clock for a task."""
        self._deadlines.pop(task, None)

    def expire_all(self) -> None:
        """Time out every task now."""
        for task in tuple(self._deadlines):
            self._cancel(task)

    def timed_out(self, task: "asyncio.Task[Any]") -> bool:
        """Return whether this limit alone cancelled ``task``. If the limit cancelled it, undo that cancellation."""
        # A task that still has a deadline here was not cancelled by this limit.
        return task not in self._deadlines and not task.uncancel()

    def _cancel_late(self) -> None:
        """Cancel the tasks that have timed out, and set the timer for the next one."""
        loop = asyncio.get_running_loop()
        self._timer = None
        for task, deadline in tuple(self._deadlines.items()):
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._cancel_late)
                return
            self._cancel(task)

    def _cancel(self, task: "asyncio.Task[Any]") -> None:
        del self._deadlines[task]
        task.cancel()
