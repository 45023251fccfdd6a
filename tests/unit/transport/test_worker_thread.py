"""Long work is done in its thread, and the event loop is free meanwhile."""

import asyncio
import contextvars
import threading
from collections.abc import Iterator

import pytest

from server.transport.pipeline.worker_thread import WorkerThread

MARK = contextvars.ContextVar("MARK", default="")


@pytest.fixture
def worker_thread() -> Iterator[WorkerThread]:
    made = WorkerThread()
    yield made
    made.close()


def test_only_what_is_long_is_done_in_the_thread(worker_thread: WorkerThread) -> None:
    async def names() -> list[str]:
        return [await worker_thread.run(is_long, lambda: threading.current_thread().name) for is_long in (False, True)]

    here, there = asyncio.run(names())
    assert here == threading.current_thread().name
    assert there.startswith("worker")


def test_the_event_loop_goes_on_meanwhile(worker_thread: WorkerThread) -> None:
    async def both() -> bool:
        may_end = threading.Event()
        waiting = asyncio.create_task(worker_thread.run(is_long=True, work=may_end.wait))
        assert await worker_thread.run(is_long=False, work=lambda: 7) == 7
        may_end.set()  # it would never come to this if the loop waited
        return await waiting

    assert asyncio.run(both())


@pytest.mark.parametrize("is_long", [False, True])
def test_errors_and_the_context_of_the_call_pass(worker_thread: WorkerThread, is_long: bool) -> None:  # noqa: FBT001
    def fail(word: str, *, other: str) -> None:
        raise ValueError(MARK.get() + word + other)

    async def run() -> None:
        MARK.set("a")
        await worker_thread.run(is_long, fail, "b", other="c")

    with pytest.raises(ValueError, match=r"^abc$"):
        asyncio.run(run())


def test_what_a_caller_no_longer_waits_for_is_not_begun(worker_thread: WorkerThread) -> None:
    async def run() -> list[str]:
        may_end, done = threading.Event(), list[str]()
        first = asyncio.create_task(worker_thread.run(is_long=True, work=may_end.wait))
        second = asyncio.create_task(worker_thread.run(is_long=True, work=lambda: done.append("second")))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        may_end.set()
        await first
        await worker_thread.run(is_long=True, work=lambda: done.append("third"))
        return done

    assert asyncio.run(run()) == ["third"]
