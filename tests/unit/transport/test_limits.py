"""How many calls are let in, and how often one caller may call."""

import itertools

import pytest

from server.domain.errors import RateLimited
from server.transport.pipeline.admission import Admission
from server.transport.pipeline.rate_limit import CallerRates, address_of

AT_MOST = 1000
TARGET_SECONDS = 0.1


class Clock:
    """A clock that stands still until it is moved."""

    now_seconds = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now_seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def serve(admission: Admission, clock: Clock, *, seconds: float, count: int = 50, refused: int = 50) -> None:
    """Let calls in that all take some time, and refuse others meanwhile."""
    admission.in_progress = admission.limit
    for _ in range(refused):
        assert admission.refuses()
    admission.in_progress = 0
    for _ in range(count):
        admission.enter()
    started = clock.now_seconds
    clock.now_seconds += max(seconds, 0.11)
    for _ in range(count):
        admission.leave("Charge", started, started + seconds if seconds > 0.11 else clock.now_seconds, succeeded=True)


def test_a_call_is_refused_when_as_many_are_in_progress_as_may_be(clock: Clock) -> None:
    admission = Admission(2, TARGET_SECONDS, clock)
    for _ in range(2):
        assert not admission.refuses()
        admission.enter()
    assert admission.refuses()
    admission.leave("Charge", 0, 1, succeeded=False)
    assert not admission.refuses()


def test_while_all_calls_take_long_fewer_are_let_in_but_not_too_few(clock: Clock) -> None:
    admission = Admission(AT_MOST, TARGET_SECONDS, clock)
    limits = []
    for _ in range(10):
        serve(admission, clock, seconds=0.4)
        limits.append(admission.limit)
    assert limits[0] == AT_MOST // 2
    assert limits[-1] == 64


def test_slow_calls_alone_let_in_no_fewer(clock: Clock) -> None:
    admission = Admission(AT_MOST, TARGET_SECONDS, clock)
    for _ in range(10):
        serve(admission, clock, seconds=0.4, refused=0)
    assert admission.limit == AT_MOST


def test_when_calls_are_quick_again_more_are_let_in_up_to_the_most(clock: Clock) -> None:
    admission = Admission(AT_MOST, 1, clock)
    for _ in range(10):
        serve(admission, clock, seconds=4)
    assert admission.limit == 64
    for _ in range(200):
        serve(admission, clock, seconds=0.2)
    assert admission.limit == AT_MOST


def test_calls_that_fail_at_once_do_not_hide_that_others_wait(clock: Clock) -> None:
    admission = Admission(AT_MOST, TARGET_SECONDS, clock)
    for _ in range(10):
        for _ in range(50):
            admission.enter()
            admission.leave("Charge", clock.now_seconds, clock.now_seconds, succeeded=False)
        serve(admission, clock, seconds=0.4)
    assert admission.limit == 64


def test_many_refusals_tell_callers_to_stay_away_for_longer_within_a_second(clock: Clock) -> None:
    admission = Admission(AT_MOST, TARGET_SECONDS, clock)
    first = admission.retry_after_seconds
    for _ in range(20):
        serve(admission, clock, seconds=0.4)
    assert admission.retry_after_seconds == 1.0
    for _ in range(40):
        serve(admission, clock, seconds=0.4, refused=0)
    assert admission.retry_after_seconds == first


def refused(rates: CallerRates, caller: str) -> float | None:
    """Make a call, and return how long it is told to wait, or None when it is let in."""
    try:
        rates.take(caller)
    except RateLimited as error:
        return error.retry_after_seconds
    return None


def test_a_caller_has_its_burst_and_then_its_rate_and_is_told_when(clock: Clock) -> None:
    rates = CallerRates(10, 5, clock=clock)
    assert [refused(rates, "a") for _ in range(6)] == [None] * 5 + [pytest.approx(0.1)]
    clock.now_seconds += 0.1
    assert [refused(rates, "a") for _ in range(2)] == [None, pytest.approx(0.1)]
    clock.now_seconds += 1000
    assert [refused(rates, "a") for _ in range(6)] == [None] * 5 + [pytest.approx(0.1)]


def test_callers_have_buckets_of_their_own(clock: Clock) -> None:
    rates = CallerRates(1, 1, clock=clock)
    assert [refused(rates, caller) is None for caller in ("a", "a", "b", "b")] == [True, False, True, False]


def test_a_batch_is_paid_for_by_its_caller_afterwards_even_when_larger_than_a_bucket(clock: Clock) -> None:
    rates = CallerRates(10, 5, clock=clock)
    assert refused(rates, "a") is None
    rates.owe("a", 99)
    assert refused(rates, "a") == pytest.approx(9.6)
    clock.now_seconds += 9.6
    assert refused(rates, "a") is None


def test_callers_without_number_take_a_bounded_memory(clock: Clock) -> None:
    rates = CallerRates(1, 5, max_callers=100, clock=clock)
    for number in range(10_000):
        clock.now_seconds += 0.0001
        assert refused(rates, f"caller {number}") is None
        assert len(rates._full_at_seconds) <= 100


def test_whoever_makes_up_callers_does_not_lend_a_full_bucket_to_one_that_calls_on(clock: Clock) -> None:
    rates = CallerRates(1, 3, max_callers=100, clock=clock)
    outcomes = []
    for number in itertools.count():
        clock.now_seconds += 0.0001
        refused(rates, f"caller {number}")
        outcomes.append(refused(rates, "busy"))
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
def test_the_address_of_a_peer_is_found_as_each_transport_writes_it(peer: str, address: str) -> None:
    assert address_of(peer) == address
