"""Batching: requests that arrive while a statement is running share the next one.

So one statement, and its round trip and commit, serves many callers. Each still gets an outcome of its own.
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
"""What a batch does: returns for each item its outcome, or the error that its caller gets.

It must be safe to repeat, because the database retries it. An error that it raises is every caller's.
"""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How many items one batch takes, how many batches run at the same time, and how many items may wait."""

    max_items: int
    max_batches: int
    max_waiting: int


class Batches(Protocol[Item_contra, Outcome_co]):
    """Where the callers of a store add items."""

    async def add(self, item: Item_contra, deadline: Deadline) -> Outcome_co:
        """Add an item to the next batch, and return its outcome.

        A caller that is cancelled takes nothing from the others; a batch that has begun runs to its end.

        Raises:
            DeadlinePassed: the deadline passed before its batch began.
            Overloaded: too many items are waiting.
            Exception: the error of the item, or of its whole batch.
        """


class BatcherFactory(Protocol):
    """Makes the batches of a store, whatever their items are."""

    def __call__(
        self, database: Database, work: Work[Item, Outcome], limits: BatchLimits, name: str
    ) -> Batches[Item, Outcome]:
        """Return batches that do ``work``; metrics and traces have them by ``name``."""


@dataclass(slots=True, eq=False)
class _Request(Generic[Item, Outcome]):
    """An item that waits for its batch, and the future that its caller awaits."""

    item: Item
    deadline: Deadline
    outcome: "asyncio.Future[Outcome]"

    def is_wanted(self) -> bool:
        """Whether its caller still waits for it; one whose deadline has passed gets that as its outcome."""
        if not self.outcome.done() and self.deadline.seconds_left() <= 0:
            self.outcome.set_exception(deadline_passed())
        return not self.outcome.done()

    def resolve(self, outcome: Outcome | Exception) -> None:
        """Give its caller the outcome, unless it was cancelled."""
        if self.outcome.done():
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


class Batcher(Generic[Item, Outcome]):
    """Runs batches in tasks of its own, which no caller can cancel."""

    def __init__(self, database: Database, work: Work[Item, Outcome], limits: BatchLimits, name: str) -> None:
        """Keep what a batch does: see ``BatcherFactory``."""
        self._database = database
        self._work = work
        self._limits = limits
        self._queue: deque[_Request[Item, Outcome]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._name = name
        metrics.track_batch_queue(name, lambda: len(self._queue))

    async def add(self, item: Item, deadline: Deadline) -> Outcome:
        """Add an item to the next batch, and return its outcome: see ``Batches``."""
        if len(self._queue) >= self._limits.max_waiting:
            raise Overloaded(f"{self._limits.max_waiting} calls are waiting for the payment store; try again soon")
        request: _Request[Item, Outcome] = _Request(item, deadline, asyncio.get_running_loop().create_future())
        self._queue.append(request)
        if len(self._tasks) < self._limits.max_batches:
            self._tasks.add(asyncio.create_task(self._run_batches()))
        return await request.outcome

    async def _run_batches(self) -> None:
        """Run one batch after the other, until the queue is empty."""
        task = asyncio.current_task()
        assert task is not None, "coroutines run in tasks"
        try:
            while self._queue:
                await self._run_batch()
        finally:
            # Not in a callback of the task, because an item that is added before that runs would wait for no batch.
            self._tasks.discard(task)

    async def _run_batch(self) -> None:
        """Run a batch of the items that wait when there is a connection, and resolve each with its outcome."""
        batch: list[_Request[Item, Outcome]] = []
        try:
            outcomes = await self._database.run_in_this_task(lambda session: self._work_on(session, batch))
        except Exception as error:  # noqa: BLE001 - whatever it is, no caller may wait for ever
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
        """Do the work of ``batch``, which the first attempt fills."""
        if not batch:
            # Not before there is a connection, because more items arrive until then, and deadlines pass.
            batch += (request for request in self._take(self._limits.max_items) if request.is_wanted())
        if not batch:
            return ()
        metrics.observe_batch_size(self._name, len(batch))
        return await self._work(session, [request.item for request in batch])

    def _take(self, at_most: int) -> list[_Request[Item, Outcome]]:
        return [self._queue.popleft() for _ in range(min(len(self._queue), at_most))]
