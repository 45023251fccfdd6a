"""Admission control and rate limits."""

import itertools

import pytest

from server.domain.errors import RateLimited
from server.transport.pipeline.admission import Admission
from server.transport.pipeline.rate_limit import LocalBuckets, RateLimiter, address_of

MAX_CALLS = 1000
TARGET_SECONDS = 0.1


class Clock:
    """A clock that tests set."""

    now_seconds = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now_seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def serve(admission: Admission, clock: Clock, *, seconds: float, count: int = 50, rejected: int = 50) -> None:
    """Admit calls that all take ``seconds``, and reject others meanwhile."""
    admission.in_flight = admission.limit
    for _ in range(rejected):
        assert admission.reject_if_full()
    admission.in_flight = 0
    for _ in range(count):
        admission.begin_call()
    started = clock.now_seconds
    clock.now_seconds += max(seconds, 0.11)
    for _ in range(count):
        admission.end_call(
            "Charge", started, started + seconds if seconds > 0.11 else clock.now_seconds, succeeded=True
        )


def test_a_call_beyond_the_limit_is_rejected(clock: Clock) -> None:
    admission = Admission(2, TARGET_SECONDS, clock)
    for _ in range(2):
        assert not admission.reject_if_full()
        admission.begin_call()
    assert admission.reject_if_full()
    admission.end_call("Charge", 0, 1, succeeded=False)
    assert not admission.reject_if_full()


def test_the_limit_shrinks_to_a_minimum_while_all_calls_are_slow(clock: Clock) -> None:
    admission = Admission(MAX_CALLS, TARGET_SECONDS, clock)
    limits = []
    for _ in range(10):
        serve(admission, clock, seconds=0.4)
        limits.append(admission.limit)
    assert limits[0] == MAX_CALLS // 2
    assert limits[-1] == 64


def test_slow_calls_without_rejections_do_not_shrink_the_limit(clock: Clock) -> None:
    admission = Admission(MAX_CALLS, TARGET_SECONDS, clock)
    for _ in range(10):
        serve(admission, clock, seconds=0.4, rejected=0)
    assert admission.limit == MAX_CALLS


def test_the_limit_grows_back_to_the_maximum_when_calls_are_fast_again(clock: Clock) -> None:
    admission = Admission(MAX_CALLS, 1, clock)
    for _ in range(10):
        serve(admission, clock, seconds=4)
    assert admission.limit == 64
    for _ in range(200):
        serve(admission, clock, seconds=0.2)
    assert admission.limit == MAX_CALLS


def test_fast_failures_do_not_hide_slow_calls(clock: Clock) -> None:
    admission = Admission(MAX_CALLS, TARGET_SECONDS, clock)
    for _ in range(10):
        for _ in range(50):
            admission.begin_call()
            admission.end_call("Charge", clock.now_seconds, clock.now_seconds, succeeded=False)
        serve(admission, clock, seconds=0.4)
    assert admission.limit == 64


def test_many_rejections_raise_the_retry_delay_up_to_a_second(clock: Clock) -> None:
    admission = Admission(MAX_CALLS, TARGET_SECONDS, clock)
    first = admission.retry_after_seconds
    for _ in range(20):
        serve(admission, clock, seconds=0.4)
    assert admission.retry_after_seconds == 1.0
    for _ in range(40):
        serve(admission, clock, seconds=0.4, rejected=0)
    assert admission.retry_after_seconds == first


def retry_delay(rate_limiter: RateLimiter, caller: str) -> float | None:
    """Make a call, and return the delay before a retry if it is rejected, or None if it is admitted."""
    try:
        rate_limiter.take(caller)
    except RateLimited as error:
        return error.retry_after_seconds
    return None


def test_a_caller_has_a_burst_then_a_rate_and_learns_when_to_retry(clock: Clock) -> None:
    rate_limiter = RateLimiter(10, 5, clock=clock)
    assert [retry_delay(rate_limiter, "a") for _ in range(6)] == [None] * 5 + [pytest.approx(0.1)]
    clock.now_seconds += 0.1
    assert [retry_delay(rate_limiter, "a") for _ in range(2)] == [None, pytest.approx(0.1)]
    clock.now_seconds += 1000
    assert [retry_delay(rate_limiter, "a") for _ in range(6)] == [None] * 5 + [pytest.approx(0.1)]


def test_each_caller_has_its_own_bucket(clock: Clock) -> None:
    rate_limiter = RateLimiter(1, 1, clock=clock)
    assert [retry_delay(rate_limiter, caller) is None for caller in ("a", "a", "b", "b")] == [True, False, True, False]


def test_a_batch_larger_than_the_bucket_makes_its_caller_wait_longer(clock: Clock) -> None:
    rate_limiter = RateLimiter(10, 5, clock=clock)
    assert retry_delay(rate_limiter, "a") is None
    rate_limiter.deduct("a", 99)
    assert retry_delay(rate_limiter, "a") == pytest.approx(9.6)
    clock.now_seconds += 9.6
    assert retry_delay(rate_limiter, "a") is None


def test_any_number_of_callers_uses_bounded_memory(clock: Clock) -> None:
    buckets = LocalBuckets(max_callers=100)
    rate_limiter = RateLimiter(1, 5, buckets=buckets, clock=clock)
    for number in range(10_000):
        clock.now_seconds += 0.0001
        assert retry_delay(rate_limiter, f"caller {number}") is None
        assert len(buckets) <= 100


def test_a_flood_of_new_callers_does_not_refill_the_bucket_of_a_busy_one(clock: Clock) -> None:
    rate_limiter = RateLimiter(1, 3, max_callers=100, clock=clock)
    outcomes = []
    for number in itertools.count():
        clock.now_seconds += 0.0001
        retry_delay(rate_limiter, f"caller {number}")
        outcomes.append(retry_delay(rate_limiter, "busy"))
        if number == 40:
            break
    assert outcomes.count(None) == 3


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.7:5000", "10.0.0.7"),
        ("10.0.0.7:5000", "10.0.0.7"),
        ("ipv6:%5B2001:db8:1:2:3::4%5D:5000", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2:9::9]:5000", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:9::9:5000", "2001:db8:1:2::/64"),
        ("ipv6:[::ffff:10.0.0.7]:5000", "10.0.0.7"),
        ("::ffff:10.0.0.7:5000", "10.0.0.7"),
        ("unix:", "unix:"),
        ("", ""),
    ],
)
def test_the_address_of_a_peer_is_parsed_from_the_form_of_each_transport(peer: str, address: str) -> None:
    assert address_of(peer) == address
