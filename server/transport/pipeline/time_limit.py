"""One time for many tasks: each is cancelled that takes longer.

All have the same time, so the one that began first runs out first: one timer, for that one, serves them all. A timer
for each, as ``asyncio.timeout`` makes it, costs as much as a sixth of a charge.
"""

import asyncio
from typing import Any


class TimeLimit:
    """Cancels tasks that are longer at it than ``seconds``."""

    def __init__(self, seconds: float) -> None:
        """Watch no task yet."""
        self.seconds = seconds
        self._running: dict[asyncio.Task[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> "asyncio.Task[Any]":
        """Start the time of the current task, and return the task."""
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        self._running[task] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._cancel_late)
        return task

    def stop(self, task: "asyncio.Task[Any]") -> None:
        """Stop the time of a task."""
        self._running.pop(task, None)

    def end(self) -> None:
        """End the time of every task now."""
        for task in tuple(self._running):
            self._cancel(task)

    def has_run_out(self, task: "asyncio.Task[Any]") -> bool:
        """Tell, of a task that was cancelled, whether it was for its time, which is thereby dealt with."""
        # Still among those that run: somebody else cancelled it.
        return task not in self._running and not task.uncancel()

    def _cancel_late(self) -> None:
        """Cancel the tasks whose time has run out, and come again when the next one's does."""
        loop = asyncio.get_running_loop()
        self._timer = None
        for task, deadline in tuple(self._running.items()):
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._cancel_late)
                return
            self._cancel(task)

    def _cancel(self, task: "asyncio.Task[Any]") -> None:
        del self._running[task]
        task.cancel()
