"""The requests that this replica has with a remote processor, each in a task of its own that outlives its call."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

import structlog

from server.domain.deadline import Deadline
from server.domain.errors import OutcomeUnknown, PaymentsError

Settled = TypeVar("Settled")

_log = structlog.get_logger(__name__)


class RequestsInProgress(Generic[Settled]):
    """Requests by the id of their payment or refund."""

    def __init__(self, name: str) -> None:
        """Begin with none. ``name`` is the key of the ids in the log."""
        self._name = name
        self._tasks: dict[int, asyncio.Task[Settled | None]] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._tasks)

    def __contains__(self, number: int) -> bool:
        """Whether there is one of this payment or refund."""
        return number in self._tasks

    def begin(self, number: int, work: Coroutine[Any, Any, Settled]) -> None:
        """Begin a request that goes on when its caller is cancelled."""
        task = asyncio.create_task(self._watched(number, work))
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number))

    async def result(self, number: int, timeout_seconds: float) -> Settled | None:
        """Wait for the result of a request; return None when there is no such one, it failed, or it takes longer."""
        task = self._tasks.get(number)
        if task is None:
            return None
        await asyncio.wait((task,), timeout=timeout_seconds)
        return task.result() if task.done() and not task.cancelled() else None

    async def close(self, deadline: Deadline) -> None:
        """Wait for all requests until ``deadline``, then cancel the rest."""
        tasks = tuple(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=max(0.0, deadline.seconds_left()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watched(self, number: int, work: Coroutine[Any, Any, Settled]) -> Settled | None:
        try:
            return await work
        except (OutcomeUnknown, PaymentsError) as error:
            # The reconciler will find it.
            _log.warning("left_pending", reason=str(error), **{self._name: number})
        except Exception:  # noqa: BLE001 - the reconciler will find it too, but people must learn of it
            _log.exception("settling_failed", **{self._name: number})
        return None
