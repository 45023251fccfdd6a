"""All workers count the streams of a caller together."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from server.app.workers.shared_memory import HEALTH, WATCHES, SharedMemory
from server.app.workers.shared_streams import SharedStreamCounts
from server.application.stream_limit import StreamLimit
from server.domain.errors import TooManyWatches

WORKERS = 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "shared"
    SharedMemory.create(path, WORKERS)
    return path


def limit(path: Path, worker: int, *, part: str = WATCHES, max_streams: int = 8) -> StreamLimit:
    """Return the limit of a worker: of all streams, and three for each caller."""
    counts = SharedStreamCounts(SharedMemory(path, WORKERS), part, worker)
    return StreamLimit(max_streams, 3, counts=counts)


def opened(limit: StreamLimit, streams: ExitStack, count: int, caller: str) -> int:
    """Open streams until the end of ``streams``, and return how many were not rejected."""
    opened = 0
    for _ in range(count):
        try:
            streams.enter_context(limit.hold(caller))
        except TooManyWatches:
            continue
        opened += 1
    return opened


def test_a_caller_may_have_all_its_streams_at_one_worker(path: Path) -> None:
    with ExitStack() as streams:
        assert opened(limit(path, 1), streams, 5, "shop") == 3
        assert opened(limit(path, 2), streams, 5, "shop") == 0
        assert opened(limit(path, 2), streams, 2, "other") == 2
    with ExitStack() as streams:
        assert opened(limit(path, 2), streams, 5, "shop") == 3


def test_the_total_holds_for_all_workers(path: Path) -> None:
    first, second = limit(path, 1), limit(path, 2)
    with ExitStack() as streams:
        for number in range(20):
            opened(first if number % 2 else second, streams, 1, f"caller {number}")
        assert first.open_streams + second.open_streams == 8
        assert opened(limit(path, 1, part=HEALTH), streams, 1, "shop") == 1
    assert first.open_streams == second.open_streams == 0


def test_the_streams_of_a_worker_that_ended_no_longer_count(path: Path) -> None:
    memory = SharedMemory(path, WORKERS)
    of_killed = SharedStreamCounts(memory, WATCHES, 1)
    with ExitStack() as streams:
        assert [of_killed.add("shop", 1) for _ in range(3)] == [(1, 1), (2, 2), (3, 3)]
        assert opened(limit(path, 2), streams, 5, "shop") == 0
        assert opened(limit(path, 2), streams, 1, "other") == 1
        memory.forget_streams(1)
        assert opened(limit(path, 2), streams, 5, "shop") == 3
        assert opened(limit(path, 2), streams, 5, "other") == 2


def test_a_thousand_callers_do_not_use_up_the_limit_of_another(path: Path) -> None:
    with ExitStack() as streams:
        for number in range(1000):
            opened(limit(path, 1, max_streams=10_000), streams, 1, f"caller {number}")
        assert opened(limit(path, 2, max_streams=10_000), streams, 5, "shop") == 3
