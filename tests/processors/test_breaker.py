"""The circuit breaker: when it opens, which requests it allows, and when it closes."""

import pytest

from server.domain.errors import ProcessorUnavailable
from server.processors.circuit_breaker import Breaker


class Clock:
    """A clock that the test sets."""

    seconds = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(3, 10, clock)


def open_breaker(breaker: Breaker) -> None:
    for _ in range(3):
        breaker.record_failure()


def test_it_opens_after_three_consecutive_failures(breaker: Breaker) -> None:
    breaker.record_failure()
    breaker.record_failure()
    breaker.record_answer()
    breaker.record_failure()
    breaker.record_failure()
    breaker.check()
    breaker.record_failure()
    with pytest.raises(ProcessorUnavailable) as raised:
        breaker.check()
    assert raised.value.retry_after_seconds == 10


def test_it_allows_one_trial_a_second_once_its_open_time_is_over(breaker: Breaker, clock: Clock) -> None:
    open_breaker(breaker)
    clock.seconds += 9.9
    with pytest.raises(ProcessorUnavailable):
        breaker.check()
    before = breaker.allows_requests
    clock.seconds += 0.1
    assert (before, breaker.allows_requests) == (False, True)
    breaker.check()
    with pytest.raises(ProcessorUnavailable):
        breaker.check()
    clock.seconds += 1
    breaker.check()


def test_it_closes_when_a_trial_is_answered_and_stays_open_otherwise(breaker: Breaker, clock: Clock) -> None:
    open_breaker(breaker)
    clock.seconds += 10
    breaker.check()
    breaker.record_failure()
    clock.seconds += 9
    with pytest.raises(ProcessorUnavailable):
        breaker.check()
    clock.seconds += 1
    breaker.check()
    breaker.record_answer()
    assert not breaker.is_open
    for _ in range(100):
        breaker.check()


def test_it_opens_at_once_when_the_api_key_is_rejected(breaker: Breaker) -> None:
    breaker.record_rejected_key()
    with pytest.raises(ProcessorUnavailable):
        breaker.check()
