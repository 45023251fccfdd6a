"""Groups: what is asked of the database while the same is being done for others goes together into the next statement.

So one statement, and the waiting for it, serves many callers. Each still gets an outcome of its own.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from server.domain.deadline import Deadline
from server.domain.errors import DeadlinePassed, Overloaded, StoreUnavailable
from server.observability import metrics
from server.storage.database.pool import Database, Session

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much goes together, and how much waits.

    ``in_one`` is how many items one statement takes at most; ``at_once`` how many statements are in progress at most:
    while the database works on some, others are made ready. ``waiting`` is how many items wait at most.
    """

    in_one: int
    at_once: int
    waiting: int


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item, Outcome]):
    """An item that waits for its statement, and where its outcome is awaited."""

    item: Item
    deadline: Deadline
    outcome: "asyncio.Future[Outcome]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def is_wanted(self) -> bool:
        """Tell whether anything is to be done for it: its caller is there, and its deadline has not passed."""
        if self.outcome.done():
            return False
        try:
            self.deadline.check()
        except DeadlinePassed as error:
            self.settle(error)
            return False
        return True

    def settle(self, outcome: Outcome | Exception) -> None:
        """Tell its caller, if it is still there."""
        if self.outcome.done():
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


class Groups(Generic[Item, Outcome]):
    """Does a piece of work for many items at a time."""

    def __init__(
        self,
        database: Database,
        work: Callable[[Session, Sequence[Item]], Awaitable[Sequence[Outcome | Exception]]],
        limits: Limits,
        name: str,
    ) -> None:
        """Keep ``work``, which returns what becomes of each item: an outcome, or the error that its caller is told.

        It must be safe to repeat, as ``Database.run`` has it. An error that it raises is every caller's. Metrics have
        the groups by ``name``.
        """
        self._database = database
        self._work = work
        self._limits = limits
        self._waiting: deque[_Waiting[Item, Outcome]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._count = metrics.group_worked(name)
        metrics.watch_group(name, lambda: len(self._waiting))

    async def add(self, item: Item, deadline: Deadline) -> Outcome:
        """Do the work for an item with the next statement, and return its outcome.

        A caller that goes away takes nothing from the others; what was begun for it is finished.

        Raises:
            DeadlinePassed: the deadline passed before the work was begun.
            Overloaded: too many items are waiting.
            Exception: whatever became of the item, or of the whole statement.
        """
        deadline.check()
        if len(self._waiting) >= self._limits.waiting:
            raise Overloaded(f"{self._limits.waiting} calls are waiting for the payment store; try again soon")
        one: _Waiting[Item, Outcome] = _Waiting(item, deadline)
        self._waiting.append(one)
        if len(self._workers) < self._limits.at_once:
            self._workers.add(asyncio.create_task(self._work_off()))
        return await one.outcome

    async def _work_off(self) -> None:
        """Work for whatever waits, a group after the other, until nothing does."""
        try:
            while self._waiting:
                await self._work_for_group()
        finally:
            # Here, and not when the task is seen to be done: whoever comes in between would wait for nobody.
            self._workers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _work_for_group(self) -> None:
        """Work for what waits by the time that there is a connection, and tell each caller what became of it."""
        group: list[_Waiting[Item, Outcome]] = []
        try:
            outcomes = await self._database.run(lambda session: self._work_on(session, group), Deadline())
        except BaseException as error:
            # Whatever it is, nobody is left waiting for an outcome that never comes.
            failure = error if isinstance(error, Exception) else StoreUnavailable("the payment store has stopped")
            for one in group or self._take(len(self._waiting)):
                one.settle(failure)
            if not isinstance(error, Exception):
                raise
        else:
            for one, outcome in zip(group, outcomes, strict=True):
                one.settle(outcome)

    async def _work_on(self, session: Session, group: list[_Waiting[Item, Outcome]]) -> Sequence[Outcome | Exception]:
        """Work for ``group``, which is filled here unless this is another attempt at it."""
        if not group:
            # Not before there is a connection: until now more could come, and deadlines could pass.
            group += (one for one in self._take(self._limits.in_one) if one.is_wanted())
        if not group:
            return ()
        self._count(len(group))
        return await self._work(session, [one.item for one in group])

    def _take(self, at_most: int) -> list[_Waiting[Item, Outcome]]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), at_most))]
