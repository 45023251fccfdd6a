"""The batcher with a fake database: which items share a batch, in which task, and that every caller gets an outcome."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest

from server.domain.deadline import Deadline
from server.domain.errors import DeadlinePassed, Overloaded, StoreUnavailable
from server.storage.batching import Batcher, BatchLimits
from server.storage.database.pool import Database
from server.storage.database.session import Session
from tests.support.fakes import until

pytestmark = pytest.mark.asyncio

LIMITS = BatchLimits(max_items=3, max_batches=1, max_queued=10)


class FakeDatabase:
    """Runs work in the current task, once a connection is free."""

    def __init__(self) -> None:
        """Create an available database with a free connection."""
        self.connection_is_free = asyncio.Event()
        self.connection_is_free.set()
        self.tasks: list[asyncio.Task[Any]] = []
        self.attempts = 1
        self.is_available = True

    async def run_in_this_task(self, work: Callable[[Session], Awaitable[Any]]) -> Any:  # noqa: ANN401 - as the work
        """Run the work ``attempts`` times."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.append(task)
        await self.connection_is_free.wait()
        if not self.is_available:
            raise StoreUnavailable("not available")
        for _ in range(self.attempts):
            result = await work(cast("Session", None))
        return result


class Doubling:
    """Doubles numbers. An odd number fails alone, and 13 fails the whole batch."""

    def __init__(self) -> None:
        """Record the batches; each ends when ``may_end`` is set."""
        self.batches: list[list[int]] = []
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self, _session: Session, items: Sequence[int]) -> Sequence[int | Exception]:
        """Double the items of a batch."""
        self.batches.append(list(items))
        await self.may_end.wait()
        if 13 in items:
            raise ZeroDivisionError
        return [ValueError(item) if item % 2 else 2 * item for item in items]


def batcher(database: FakeDatabase, work: Doubling, limits: BatchLimits = LIMITS) -> Batcher[int, int]:
    return Batcher(cast("Database", database), work, limits, "test")


def add(doubles: Batcher[int, int], *items: int) -> "list[asyncio.Task[int]]":
    return [asyncio.create_task(doubles.add(item, Deadline())) for item in items]


async def outcomes(tasks: "list[asyncio.Task[int]]") -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_items_that_arrive_while_a_batch_runs_share_the_next_batch_in_the_same_task() -> None:
    database, work = FakeDatabase(), Doubling()
    work.may_end.clear()
    doubles = batcher(database, work)
    first = add(doubles, 2)
    await until(lambda: bool(work.batches))
    others = add(doubles, 4, 6, 8, 10)
    await asyncio.sleep(0)
    work.may_end.set()
    assert await outcomes([*first, *others]) == [4, 8, 12, 16, 20]
    assert work.batches == [[2], [4, 6, 8], [10]]
    assert len(set(database.tasks)) == 1


async def test_the_number_of_concurrent_batches_is_limited() -> None:
    database, work = FakeDatabase(), Doubling()
    work.may_end.clear()
    tasks = add(batcher(database, work, BatchLimits(max_items=1, max_batches=2, max_queued=10)), 2, 4, 6)
    await until(lambda: len(work.batches) == 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(work.batches) == 2
    work.may_end.set()
    assert await outcomes(tasks) == [4, 8, 12]
    assert len(set(database.tasks)) == 2


async def test_an_error_of_one_item_reaches_its_caller_and_an_error_of_the_batch_all_callers() -> None:
    database, work = FakeDatabase(), Doubling()
    doubles = batcher(database, work)
    two, three, four = await outcomes(add(doubles, 2, 3, 4))
    assert (two, type(three), four) == (4, ValueError, 8)
    failed = await outcomes(add(doubles, 2, 13, 4))
    assert {type(one) for one in failed} == {ZeroDivisionError}
    assert await outcomes(add(doubles, 6)) == [12]


async def test_an_item_is_dropped_if_its_caller_is_cancelled_or_its_deadline_passes_before_the_batch() -> None:
    database, work = FakeDatabase(), Doubling()
    database.connection_is_free.clear()
    doubles = batcher(database, work)
    (wanted,) = add(doubles, 2)
    late = asyncio.create_task(doubles.add(4, Deadline.after(-1)))
    (cancelled,) = add(doubles, 6)
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.sleep(0)
    database.connection_is_free.set()
    assert await wanted == 4
    with pytest.raises(DeadlinePassed):
        await late
    assert work.batches == [[2]]


async def test_a_batch_without_waiting_callers_does_no_work() -> None:
    database, work = FakeDatabase(), Doubling()
    with pytest.raises(DeadlinePassed):
        await batcher(database, work).add(2, Deadline.after(-1))
    assert not work.batches


async def test_cancelling_one_caller_does_not_affect_the_others() -> None:
    database, work = FakeDatabase(), Doubling()
    work.may_end.clear()
    first, second = add(batcher(database, work), 2, 4)
    await until(lambda: bool(work.batches))
    first.cancel()
    await asyncio.sleep(0)
    work.may_end.set()
    assert await second == 8
    assert work.batches == [[2, 4]]


async def test_a_batch_that_is_retried_has_the_same_items() -> None:
    database, work = FakeDatabase(), Doubling()
    database.attempts = 3
    assert await outcomes(add(batcher(database, work), 2, 4, 6, 8)) == [4, 8, 12, 16]
    assert work.batches == [[2, 4, 6]] * 3 + [[8]] * 3


async def test_an_item_is_rejected_immediately_if_the_queue_is_full() -> None:
    database, work = FakeDatabase(), Doubling()
    database.connection_is_free.clear()
    doubles = batcher(database, work, BatchLimits(max_items=3, max_batches=1, max_queued=2))
    tasks = add(doubles, 2, 4)
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match=r"^2 calls are waiting"):
        await doubles.add(6, Deadline())
    database.connection_is_free.set()
    assert await outcomes(tasks) == [4, 8]


async def test_all_waiting_callers_fail_if_the_database_is_unavailable_but_later_ones_do_not() -> None:
    database, work = FakeDatabase(), Doubling()
    database.is_available = False
    doubles = batcher(database, work)
    failed = await outcomes(add(doubles, 2, 4, 6, 8, 10))
    assert {type(one) for one in failed} == {StoreUnavailable}
    database.is_available = True
    assert await outcomes(add(doubles, 2)) == [4]


async def test_at_shutdown_the_callers_of_the_running_batch_and_of_the_queue_fail() -> None:
    database, work = FakeDatabase(), Doubling()
    work.may_end.clear()
    tasks = add(batcher(database, work), 2, 4, 6, 8, 10)
    await until(lambda: bool(work.batches))
    database.tasks[0].cancel()
    assert {type(one) for one in await outcomes(tasks)} == {StoreUnavailable}
    assert database.tasks[0].cancelled()
