"""Background work: it is repeated until cancelled, despite any error."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.app.background import every, run_forever
from server.domain.errors import StoreUnavailable

MORE, DONE = True, False


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with capture_logs() as events:
        yield events


class Work:
    """Work whose rounds return or raise the results of a script; after that it waits forever."""

    def __init__(self, *script: bool | Exception | None) -> None:
        """Use this script."""
        self.script = list(script)
        self.pauses = 0
        self.is_done = asyncio.Event()

    async def __call__(self) -> bool | None:
        """Return or raise the next result."""
        if not self.script:
            self.is_done.set()
            await asyncio.Event().wait()
        match self.script.pop(0):
            case Exception() as error:
                raise error
            case has_more:
                return has_more

    async def pause(self) -> None:
        """Count a pause."""
        self.pauses += 1


def run(work: Work) -> None:
    """Repeat work until its script ends, then cancel it."""

    async def main() -> None:
        running = asyncio.create_task(run_forever(work, pause=work.pause, failure_event="work_failed"))
        await asyncio.wait_for(work.is_done.wait(), 60)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())


def test_it_pauses_unless_there_is_more_to_do() -> None:
    work = Work(MORE, DONE, MORE, None)

    run(work)

    assert work.pauses == 2


def test_an_outage_is_retried_and_not_logged(log: list[Any]) -> None:
    work = Work(StoreUnavailable("down"), None)

    run(work)

    assert (work.pauses, log) == (1, [])


def test_a_bug_is_logged_with_its_stack_and_retried(log: list[Any]) -> None:
    work = Work(ZeroDivisionError("bug"), None)

    run(work)

    assert [(event["event"], event["log_level"], event["exc_info"]) for event in log] == [
        ("work_failed", "error", True)
    ]


def test_every_pauses_for_the_given_time() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await every(0.05)()
        return loop.time() - started

    assert asyncio.run(main()) >= 0.05
