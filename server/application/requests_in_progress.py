"""The requests that this replica has sent to a remote processor, each in its own task, which outlives its call."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

import structlog

from server.domain.deadline import Deadline
from server.domain.errors import OutcomeUnknown, PaymentsError

Result = TypeVar("Result")

_log = structlog.get_logger(__name__)


class RequestsInProgress(Generic[Result]):
    """The requests, by the id of their payment or refund."""

    def __init__(self, id_name: str) -> None:
        """Start with no requests. ``id_name`` is the key of the ids in the log."""
        self._id_name = id_name
        self._tasks: dict[int, asyncio.Task[Result | None]] = {}

    def __len__(self) -> int:
        """Return the number of requests in progress."""
        return len(self._tasks)

    def __contains__(self, subject_id: int) -> bool:
        """Return whether a request for this payment or refund is in progress."""
        return subject_id in self._tasks

    def start(self, subject_id: int, work: Coroutine[Any, Any, Result]) -> None:
        """Start a request that continues even if its caller is cancelled."""
        task = asyncio.create_task(self._result_or_none(subject_id, work))
        self._tasks[subject_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(subject_id))

    async def result(self, subject_id: int, timeout_seconds: float) -> Result | None:
        """Wait for the result of a request; return None if there is no such request, or if it fails or times out."""
        task = self._tasks.get(subject_id)
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

    async def _result_or_none(self, subject_id: int, work: Coroutine[Any, Any, Result]) -> Result | None:
        """Return the result of ``work``; log an error and return None, because the reconciler will ask again."""
        try:
            return await work
        except (OutcomeUnknown, PaymentsError) as error:
            _log.warning("left_pending", reason=str(error), **{self._id_name: subject_id})
        except Exception:  # noqa: BLE001 - whatever the error is, the reconciler will ask again
            _log.exception("settling_failed", **{self._id_name: subject_id})
        return None
