"""All workers charge the same bucket of a caller, in bounded memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from server.app.workers.shared_memory import CALLS, FAILED_AUTHENTICATIONS, SharedMemory
from server.app.workers.shared_rates import SharedBuckets
from server.domain.errors import RateLimited
from server.transport.pipeline.rate_limit import RateLimiter
from tests.support.programs import ROOT

WORKERS = 3
_BURST = 2000

_CHARGES = """
import sys, time
from pathlib import Path
from server.app.workers.shared_memory import CALLS, SharedMemory
from server.app.workers.shared_rates import SharedBuckets
from server.domain.errors import RateLimited
from server.transport.pipeline.rate_limit import RateLimiter

path, worker, burst = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
limiter = RateLimiter(0.001, burst, buckets=SharedBuckets(SharedMemory(path, 3), CALLS, worker))
admitted = 0
try:
    while True:
        limiter.take("caller")
        admitted += 1
        time.sleep(0.0005)
except RateLimited:
    print(admitted)
"""
"""A worker that makes calls at the pace of real ones, until the caller's bucket is empty."""


class Clock:
    """A clock that a test moves forward."""

    def __init__(self) -> None:
        """Start at any time."""
        self.now_seconds = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "shared"
    SharedMemory.create(path, WORKERS)
    return path


def limiter(path: Path, worker: int, clock: Clock, *, part: str = CALLS) -> RateLimiter:
    """Return the rate limiter of a worker: one call a second, and bursts of ten."""
    return RateLimiter(1, 10, buckets=SharedBuckets(SharedMemory(path, WORKERS), part, worker), clock=clock)


def admitted(limiter: RateLimiter, calls: int, caller: str = "shop") -> int:
    """Make calls, and return how many are admitted."""
    count = 0
    for _ in range(calls):
        try:
            limiter.take(caller)
        except RateLimited:
            continue
        count += 1
    return count


def test_one_worker_grants_a_caller_the_whole_burst(path: Path, clock: Clock) -> None:
    assert admitted(limiter(path, 2, clock), 20) == 10


def test_all_workers_together_grant_a_caller_one_burst_and_one_rate(path: Path, clock: Clock) -> None:
    limiters = [limiter(path, worker, clock) for worker in (1, 2, 3)]
    assert [admitted(each, 4) for each in limiters] == [4, 4, 2]
    clock.now_seconds += 3
    assert [admitted(each, 2) for each in limiters] == [2, 1, 0]
    clock.now_seconds += 1000
    assert sum(admitted(each, 20) for each in limiters) == 10


def test_callers_and_limits_do_not_affect_each_other(path: Path, clock: Clock) -> None:
    assert admitted(limiter(path, 1, clock), 20, "shop") == 10
    assert admitted(limiter(path, 2, clock), 20, "other") == 10
    assert admitted(limiter(path, 2, clock, part=FAILED_AUTHENTICATIONS), 20, "shop") == 10


def test_a_worker_that_replaces_another_knows_its_buckets(path: Path, clock: Clock) -> None:
    assert admitted(limiter(path, 1, clock), 20) == 10
    assert admitted(limiter(path, 1, clock), 20) == 0


def test_any_number_of_callers_uses_the_same_memory_and_a_busy_one_is_not_forgotten(path: Path, clock: Clock) -> None:
    size = path.stat().st_size
    flooded = limiter(path, 1, clock)
    assert admitted(flooded, 20, "busy") == 10
    for number in range(60_000):
        flooded.take(f"caller {number}")
    assert admitted(limiter(path, 2, clock), 20, "busy") == 0
    assert path.stat().st_size == size


def test_a_suspended_or_killed_worker_holds_up_nobody(path: Path, clock: Clock) -> None:
    memory = SharedMemory(path, WORKERS)
    (area, *_) = memory.areas(CALLS)
    area[:] = bytes(len(area))  # as if the worker had stopped in the middle of its first bucket
    assert admitted(limiter(path, 2, clock), 20) == 10


def test_processes_that_call_at_the_same_time_share_the_burst(path: Path) -> None:
    commands = [[sys.executable, "-c", _CHARGES, str(path), str(worker), str(_BURST)] for worker in (1, 2, 3)]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for command in commands]
    total = sum(int(process.communicate()[0]) for process in processes)
    # Calls in the same microsecond may be counted once.
    assert _BURST <= total <= _BURST * 1.05
