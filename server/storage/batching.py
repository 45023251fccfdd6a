"""Batching: calls that arrive while a statement is running share the next one.

One statement, one round trip and one commit then serve many callers, but each caller still gets its own outcome.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from server.domain.deadline import Deadline, deadline_passed
from server.domain.errors import Overloaded, StoreUnavailable
from server.observability import metrics
from server.storage.database.pool import Database
from server.storage.database.session import Session

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Item_contra = TypeVar("Item_contra", contravariant=True)
Outcome_co = TypeVar("Outcome_co", covariant=True)

Work = Callable[[Session, Sequence[Item]], Awaitable[Sequence[Outcome | Exception]]]
"""The work of a batch. It returns, for each item, the outcome or the error for its caller.

It must be safe to repeat, because ``Database`` retries it. If it raises an error, every caller of the batch gets it.
"""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The maximum number of items in a batch, of concurrent batches, and of queued items."""

    max_items: int
    max_batches: int
    max_queued: int


class Batches(Protocol[Item_contra, Outcome_co]):
    """The batches of a store, to which calls add items."""

    async def add(self, item: Item_contra, deadline: Deadline) -> Outcome_co:
        """Add an item to the next batch, and return its outcome.

        Cancelling one caller does not affect the others. A batch that has begun runs to its end.

        Raises:
            DeadlinePassed: the deadline passed before the batch began.
            Overloaded: the queue is full.
            Exception: the error of the item, or of the whole batch.
        """


class BatcherFactory(Protocol):
    """Creates the batches of a store."""

    def __call__(
        self, database: Database, work: Work[Item, Outcome], limits: BatchLimits, name: str
    ) -> Batches[Item, Outcome]:
        """Return batches that run ``work``. ``name`` identifies them in metrics and traces."""


@dataclass(slots=True, eq=False)
class _Request(Generic[Item, Outcome]):
    """A queued item, and the future that its caller awaits."""

    item: Item
    deadline: Deadline
    outcome: "asyncio.Future[Outcome]"

    def is_wanted(self) -> bool:
        """Return whether the caller is still waiting. Fail the request if the caller's deadline has passed."""
        if not self.outcome.done() and self.deadline.seconds_left() <= 0:
            self.outcome.set_exception(deadline_passed())
        return not self.outcome.done()

    def resolve(self, outcome: Outcome | Exception) -> None:
        """Give the caller the outcome or error, unless the caller was cancelled."""
        if self.outcome.done():
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


class Batcher(Generic[Item, Outcome]):
    """Runs batches in its own tasks, which no caller can cancel."""

    def __init__(self, database: Database, work: Work[Item, Outcome], limits: BatchLimits, name: str) -> None:
        """Create batches that run ``work``: see ``BatcherFactory``."""
        self._database = database
        self._work = work
        self._limits = limits
        self._queue: deque[_Request[Item, Outcome]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._name = name
        metrics.track_batch_queue(name, lambda: len(self._queue))

    async def add(self, item: Item, deadline: Deadline) -> Outcome:
        """Add an item to the next batch, and return its outcome: see ``Batches``."""
        if len(self._queue) >= self._limits.max_queued:
            raise Overloaded(f"{self._limits.max_queued} calls are waiting for the payment store; try again soon")
        request: _Request[Item, Outcome] = _Request(item, deadline, asyncio.get_running_loop().create_future())
        self._queue.append(request)
        if len(self._tasks) < self._limits.max_batches:
            self._tasks.add(asyncio.create_task(self._run_batches()))
        return await request.outcome

    async def _run_batches(self) -> None:
        """Run one batch after another until the queue is empty."""
        task = asyncio.current_task()
        assert task is not None, "coroutines run in tasks"
        try:
            while self._queue:
                await self._run_batch()
        finally:
            # Not in a done callback, because no task would run for an item that is added before the callback runs.
            self._tasks.discard(task)

    async def _run_batch(self) -> None:
        """Wait for a connection, run a batch of the items that are queued then, and resolve each with its outcome."""
        batch: list[_Request[Item, Outcome]] = []
        try:
            outcomes = await self._database.run_in_this_task(lambda session: self._work_on(session, batch))
        except Exception as error:  # noqa: BLE001 - otherwise the callers would wait forever
            for request in batch or self._take(len(self._queue)):
                request.resolve(error)
        except BaseException:
            for request in (*batch, *self._take(len(self._queue))):
                request.resolve(StoreUnavailable("the payment store has stopped"))
            raise
        else:
            for request, outcome in zip(batch, outcomes, strict=True):
                request.resolve(outcome)

    async def _work_on(self, session: Session, batch: list[_Request[Item, Outcome]]) -> Sequence[Outcome | Exception]:
        """Run the work of ``batch``, which the first attempt fills."""
        if not batch:
            # Take items only once there is a connection, because until then more items arrive and deadlines pass.
            batch += (request for request in self._take(self._limits.max_items) if request.is_wanted())
        if not batch:
            return ()
        metrics.observe_batch_size(self._name, len(batch))
        return await self._work(session, [request.item for request in batch])

    def _take(self, at_most: int) -> list[_Request[Item, Outcome]]:
        return [self._queue.popleft() for _ in range(min(len(self._queue), at_most))]
