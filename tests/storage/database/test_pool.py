"""The pool: whatever becomes of a task, the next one to have its connection gets answers of its own."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from server.domain.deadline import Deadline
from server.domain.errors import DeadlinePassed
from server.storage.database.pool import Database
from server.storage.database.session import Session
from tests.support.databases import settings_of

ROWS = 500
"""A reply that takes more than one packet, and is read in more than one turn."""

NUMBERS = f"WITH RECURSIVE n AS (SELECT 1 AS number UNION ALL SELECT number + 1 FROM n WHERE number < {ROWS})"


@asynccontextmanager
async def on(environment: dict[str, str], connections: int) -> AsyncIterator[Database]:
    pool = {"MYSQL_POOL_MIN": "1", "MYSQL_POOL_MAX": str(connections)}
    database = Database(settings_of({**environment, **pool}))
    try:
        yield database
    finally:
        await database.close(Deadline.after(10))


async def ask(database: Database, task_number: int) -> None:
    """Ask for what only this task asks for, in each of the ways that there are, and see that it comes."""

    async def work(session: Session) -> None:
        rows = await session.rows(f"{NUMBERS} SELECT %s, number FROM n", (task_number,))
        assert list(rows) == [(task_number, 1 + place) for place in range(ROWS)]
        values = await session.values(f"{NUMBERS} SELECT CONCAT(%s, ' ', number) FROM n", (task_number,))
        assert values == [f"{task_number} {1 + place}".encode() for place in range(ROWS)]
        both = await session.script("SELECT %s; SELECT %s + 1", (task_number, task_number))
        assert [list(executed.rows) for executed in both] == [[(task_number,)], [(task_number + 1,)]]

    await database.run(work, Deadline())


@pytest.mark.asyncio
async def test_a_task_that_is_cancelled_at_any_moment_leaves_no_rest_of_a_reply(empty_database: dict[str, str]) -> None:
    chance = random.Random(1)
    async with on(empty_database, connections=4) as database:
        for number in range(200):
            tasks = [asyncio.create_task(ask(database, 10 * number + place)) for place in range(4)]
            await asyncio.sleep(10 ** chance.uniform(-5, -2))
            for task in tasks[1:]:
                task.cancel()
            await tasks[0]
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                assert outcome is None or isinstance(outcome, asyncio.CancelledError)
            await ask(database, number)


@pytest.mark.asyncio
async def test_work_that_gives_up_in_the_middle_of_a_reply_leaves_no_rest_of_it(empty_database: dict[str, str]) -> None:
    async def give_up(session: Session) -> None:
        read = chance.choice((session.rows, session.values))
        reading = asyncio.ensure_future(read(f"{NUMBERS} SELECT CONCAT('left behind ', number) FROM n", ()))
        await asyncio.sleep(chance.uniform(0, 0.003))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        raise KeyError("given up")

    chance = random.Random(2)
    async with on(empty_database, connections=1) as database:
        for number in range(100):
            with pytest.raises(KeyError, match="given up"):
                await database.run(give_up, Deadline())
            await ask(database, number)


class _LateClock(Deadline):
    """A deadline that a timer reaches before the clock does."""

    def seconds_left(self) -> float:
        return 0.05


@pytest.mark.asyncio
async def test_a_wait_that_ends_with_its_calls_deadline_is_told_as_that(empty_database: dict[str, str]) -> None:
    async with on(empty_database, connections=1) as database:
        released = asyncio.Event()
        holding = asyncio.create_task(database.run(lambda _: released.wait(), Deadline()))
        await asyncio.sleep(0)
        try:
            with pytest.raises(DeadlinePassed):
                await database.run(lambda _: released.wait(), _LateClock())
        finally:
            released.set()
            await holding


@pytest.mark.asyncio
async def test_work_in_the_task_of_its_caller_gives_its_connection_back_whatever_becomes_of_it(
    empty_database: dict[str, str],
) -> None:
    async def fail(_session: Session) -> None:
        raise KeyError("given up")

    async def read(session: Session) -> list[object]:
        return list(await session.rows("SELECT 1", ()))

    async with on(empty_database, connections=1) as database:
        for _ in range(3):
            with pytest.raises(KeyError):
                await database.run_in_this_task(fail)
            assert await database.run_in_this_task(read) == [(1,)]


@pytest.mark.asyncio
@pytest.mark.parametrize("is_in_time", [True, False])
async def test_at_the_end_work_in_the_task_of_its_caller_is_waited_for_until_the_deadline(
    empty_database: dict[str, str],
    is_in_time: bool,  # noqa: FBT001
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def work(session: Session) -> int:
        begun.set()
        await may_end.wait()
        ((number,),) = await session.rows("SELECT 7", ())
        return int(number)

    async with on(empty_database, connections=2) as database:
        working = asyncio.create_task(database.run_in_this_task(work))
        await begun.wait()
        closing = asyncio.create_task(database.close(Deadline.after(60 if is_in_time else 0)))
        if is_in_time:
            await asyncio.sleep(0)
            assert not closing.done()
            may_end.set()
        await closing
        assert working.done()
        assert working.cancelled() is not is_in_time
        assert not is_in_time or working.result() == 7
