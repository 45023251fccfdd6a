"""The memory of all requests together: what is rejected when it is full."""

import grpc
import pytest

from server.transport.grpc.asgi.request_memory import SMALL_BYTES, HeldMemory, RequestMemory
from server.transport.grpc.asgi.status import CallEnded

_MAX_BYTES = 64 * SMALL_BYTES
_FOR_LARGE_BYTES = _MAX_BYTES * 3 // 4


class Clock:
    """A clock that a test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


class Requests:
    """Requests that share memory, and those that were rejected while they arrived."""

    def __init__(self) -> None:
        """Start with no requests."""
        self.clock = Clock()
        self.memory = RequestMemory(_MAX_BYTES, self.clock)
        self.rejected: list[str] = []

    def new(self, name: str) -> HeldMemory:
        """Return the memory of a request that has just begun to arrive."""

        def reject(ended: CallEnded) -> None:
            assert ended.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "grpc-retry-pushback-ms" in dict(ended.trailers)
            self.rejected.append(name)

        held = HeldMemory(self.memory, reject)
        held.grow_to(0)
        return held


def test_the_newest_request_is_rejected_while_the_others_make_progress() -> None:
    requests = Requests()
    requests.new("first").grow_to(_FOR_LARGE_BYTES - SMALL_BYTES)
    second = requests.new("second")
    with pytest.raises(CallEnded, match="too many large or slow requests"):
        second.grow_to(2 * SMALL_BYTES)
    assert requests.rejected == []


def test_the_request_that_has_paused_for_the_longest_is_rejected_for_another() -> None:
    requests = Requests()
    half = _FOR_LARGE_BYTES // 2
    first, second = requests.new("first"), requests.new("second")
    second.grow_to(half)
    first.grow_to(half)
    requests.clock.seconds = 1.0
    requests.new("third").grow_to(half)
    assert requests.rejected == ["second"]


def test_a_small_request_is_accepted_when_large_ones_take_all_that_they_may() -> None:
    requests = Requests()
    requests.new("large").grow_to(_FOR_LARGE_BYTES)
    small = [requests.new("small") for _ in range((_MAX_BYTES - _FOR_LARGE_BYTES) // SMALL_BYTES)]
    with pytest.raises(CallEnded):
        requests.new("one too many")
    small[0].keep()
    requests.new("small")


def test_a_request_that_is_being_served_is_not_rejected_and_keeps_its_memory() -> None:
    requests = Requests()
    served = requests.new("served")
    served.grow_to(_FOR_LARGE_BYTES)
    served.keep()
    requests.clock.seconds = 60.0
    other = requests.new("other")
    with pytest.raises(CallEnded):
        other.grow_to(2 * SMALL_BYTES)
    served.release()
    other.grow_to(_FOR_LARGE_BYTES)
    assert requests.rejected == []


def test_all_memory_is_free_again_at_the_end() -> None:
    requests = Requests()
    held = [requests.new("one") for _ in range(10)]
    for number, one in enumerate(held):
        one.grow_to(number * SMALL_BYTES // 2)
        one.keep()
    for one in held:
        one.release()
        one.release()
    assert requests.memory.free_bytes == _MAX_BYTES
    assert not requests.memory.arriving
