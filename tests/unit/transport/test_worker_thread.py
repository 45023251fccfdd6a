"""Long work runs in the worker thread, and leaves the event loop free meanwhile."""

import asyncio
import contextvars
import threading
from collections.abc import Iterator

import pytest

from server.transport.pipeline.worker_thread import WorkerThread

MARK = contextvars.ContextVar("MARK", default="")


@pytest.fixture
def worker_thread() -> Iterator[WorkerThread]:
    worker_thread = WorkerThread()
    yield worker_thread
    worker_thread.close()


def test_only_long_work_runs_in_the_thread(worker_thread: WorkerThread) -> None:
    async def names() -> list[str]:
        return [await worker_thread.run(is_long, lambda: threading.current_thread().name) for is_long in (False, True)]

    here, there = asyncio.run(names())
    assert here == threading.current_thread().name
    assert there.startswith("worker")


def test_the_event_loop_keeps_running_meanwhile(worker_thread: WorkerThread) -> None:
    async def run() -> bool:
        may_end = threading.Event()
        waiting = asyncio.create_task(worker_thread.run(is_long=True, work=may_end.wait))
        assert await worker_thread.run(is_long=False, work=lambda: 7) == 7
        may_end.set()  # unreachable if the event loop were blocked
        return await waiting

    assert asyncio.run(run())


@pytest.mark.parametrize("is_long", [False, True])
def test_errors_and_context_variables_are_passed_on(worker_thread: WorkerThread, is_long: bool) -> None:  # noqa: FBT001
    def fail(word: str, *, other: str) -> None:
        raise ValueError(MARK.get() + word + other)

    async def run() -> None:
        MARK.set("a")
        await worker_thread.run(is_long, fail, "b", other="c")

    with pytest.raises(ValueError, match=r"^abc$"):
        asyncio.run(run())


def test_queued_work_of_a_cancelled_caller_is_never_started(worker_thread: WorkerThread) -> None:
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
