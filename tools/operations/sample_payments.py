"""Plausible payments, generated from a seed.

Amounts are skewed like real ones. Times cover the months up to now, with more payments on busy weekdays and hours.
About two in five payments failed, and the order of a failed payment is often paid by a later one. Some payments were
refunded, in full or in part. The same seed and the same ``now`` generate the same payments.
"""

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DEFAULT_MONTHS = 6
_DAYS_PER_MONTH = 30

_SUCCESS_PROBABILITY = 0.6
_RETRY_PROBABILITY = 0.4
"""The probability that the order of a failed payment is paid again."""

_REFUND_PROBABILITY = 0.08
_FULL_REFUND_PROBABILITY = 0.6
_MAX_PARTIAL_REFUNDS = 3
_MAX_REFUND_DELAY = timedelta(days=14)

_METHODS = ("UPI", "CARD", "COD")
_METHOD_CUMULATIVE_PERCENT = (55, 85, 100)
_REASONS = ("", "Customer changed their mind", "Item out of stock", "Item arrived damaged", "Delivered too late")

_MEDIAN_UNITS = 600
_SPREAD = 1.1
"""The standard deviation of an amount's logarithm: about one amount in a hundred exceeds 13 times the median."""

_MIN_AMOUNT_MINOR = 100
_MAX_AMOUNT_UNITS = 99_999_999
"""The largest that fits the column."""

_HOUR_WEIGHTS = (6, 8, 9, 10, 11, 12, 13, 13, 12, 11, 11, 12, 14, 16, 17, 16, 13, 9, 5, 3, 2, 1, 1, 3)
"""Relative number of payments in each hour (UTC), modeled on India, where the day ends at 18:30 UTC."""

_HOUR_CUMULATIVE_WEIGHTS = tuple(itertools.accumulate(_HOUR_WEIGHTS))

_WEEKDAY_WEIGHTS = (10, 10, 10, 10, 12, 14, 13)
"""Relative number of payments on each weekday, from Monday."""


@dataclass(frozen=True, slots=True)
class SampleRefund:
    """A refund of a sample payment. ``is_rest`` means that it requested the whole remaining amount."""

    amount_minor: int
    is_rest: bool
    reason: str
    request_id: bytes
    create_time: datetime


@dataclass(frozen=True, slots=True)
class SamplePayment:
    """A sample payment. Amounts are in minor units of the currency, and times are in UTC."""

    order_id: int
    amount_minor: int
    method: str
    has_succeeded: bool
    reference: str
    request_id: bytes
    create_time: datetime
    refunds: tuple[SampleRefund, ...]

    @property
    def refunded_minor(self) -> int:
        """The sum of the refunds, which never exceeds the payment's amount."""
        return sum(refund.amount_minor for refund in self.refunds)


def sample_payments(
    count: int, seed: int, now: datetime, *, months: int = DEFAULT_MONTHS, minor_digits: int = 2
) -> Iterator[SamplePayment]:
    """Generate ``count`` payments in the ``months`` (of 30 days) before ``now``, oldest first.

    A naive ``now`` is in UTC. ``minor_digits`` is the number of decimals of the currency. The payments depend only on
    the arguments.
    """
    if now.tzinfo is not None:
        now = now.astimezone(UTC).replace(tzinfo=None)
    # Seeded with `now` too, so that a later run with the same seed does not repeat the references.
    rng = random.Random(f"{seed} {now.isoformat()}")  # noqa: S311
    new_order_ids = itertools.count(1)
    orders_to_retry: list[int] = []
    for create_time in _times(rng, count, now, months):
        order_id = orders_to_retry.pop() if orders_to_retry else next(new_order_ids)
        has_succeeded = rng.random() < _SUCCESS_PROBABILITY
        if not has_succeeded and rng.random() < _RETRY_PROBABILITY:
            orders_to_retry.append(order_id)
        amount_minor = _amount_minor(rng, minor_digits)
        is_refunded = has_succeeded and rng.random() < _REFUND_PROBABILITY
        yield SamplePayment(
            order_id=order_id,
            amount_minor=amount_minor,
            method=rng.choices(_METHODS, cum_weights=_METHOD_CUMULATIVE_PERCENT)[0],
            has_succeeded=has_succeeded,
            reference=f"ECI{create_time:%Y%m%d}-{rng.getrandbits(80):020X}",
            request_id=_request_id(rng),
            create_time=create_time,
            refunds=tuple(_refunds(rng, amount_minor, create_time, now)) if is_refunded else (),
        )


def _times(rng: random.Random, count: int, now: datetime, months: int) -> Iterator[datetime]:
    """Generate ``count`` times in order, distributed over days by weekday, and over each day by hour.

    Each day is a period of 24 hours, and the last one ends at ``now``.
    """
    days = months * _DAYS_PER_MONTH
    starts = [now - timedelta(days=days - number) for number in range(days)]
    weights = list(itertools.accumulate(_WEEKDAY_WEIGHTS[start.weekday()] for start in starts))
    done = 0
    for start, weight in zip(starts, weights, strict=True):
        until = count * weight // weights[-1]
        yield from sorted(_time_within_day(rng, start) for _ in range(until - done))
        done = until


def _time_within_day(rng: random.Random, start: datetime) -> datetime:
    (hour,) = rng.choices(range(24), cum_weights=_HOUR_CUMULATIVE_WEIGHTS)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    moment = midnight + timedelta(hours=hour, microseconds=rng.randrange(3_600_000_000))
    return moment if moment >= start else moment + timedelta(days=1)


def _amount_minor(rng: random.Random, minor_digits: int) -> int:
    """Draw an amount in minor units. The random float is rounded to an integer before it becomes money."""
    minor_per_unit: int = 10**minor_digits
    amount_minor = round(rng.lognormvariate(math.log(_MEDIAN_UNITS * minor_per_unit), _SPREAD))
    return min(max(amount_minor, _MIN_AMOUNT_MINOR), _MAX_AMOUNT_UNITS * minor_per_unit)


def _refunds(rng: random.Random, amount_minor: int, after: datetime, now: datetime) -> Iterator[SampleRefund]:
    """Generate the refunds of one payment, ordered by time, all between ``after`` and ``now``."""
    if rng.random() < _FULL_REFUND_PROBABILITY:
        amounts_minor = [amount_minor]
    else:
        parts = rng.randint(1, _MAX_PARTIAL_REFUNDS)
        # Each is at most 1 / (parts + 1) of the amount, so that some of the amount always remains.
        amounts_minor = [rng.randint(1, amount_minor // (parts + 1)) for _ in range(parts)]
    longest = min(_MAX_REFUND_DELAY, now - after)
    for amount, delay in zip(amounts_minor, sorted(rng.random() for _ in amounts_minor), strict=True):
        yield SampleRefund(
            amount_minor=amount,
            is_rest=amount == amount_minor,
            reason=rng.choice(_REASONS),
            request_id=_request_id(rng),
            create_time=after + longest * delay,
        )


def _request_id(rng: random.Random) -> bytes:
    return b"%032x" % rng.getrandbits(128)
