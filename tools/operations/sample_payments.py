"""Plausible payments, made from a seed.

Amounts are skewed like real ones, and times cover some months up to now with the rhythm of days. About two in five
payments failed; the order of a failed payment is often paid again; some payments were refunded, wholly or in part. The
same seed and the same ``now`` give the same payments.
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
"""How often the order of a failed payment is paid again."""

_REFUND_PROBABILITY = 0.08
_FULL_REFUND_PROBABILITY = 0.6
_MAX_PARTIAL_REFUNDS = 3
_MAX_REFUND_DELAY = timedelta(days=14)

_METHODS = ("UPI", "CARD", "COD")
_METHOD_CUMULATIVE_PERCENT = (55, 85, 100)
_REASONS = ("", "Customer changed their mind", "Item out of stock", "Item arrived damaged", "Delivered too late")

_MEDIAN_UNITS = 600
_SPREAD = 1.1
"""The standard deviation of an amount's logarithm: one amount in a hundred is about 13 times the median."""

_MIN_AMOUNT_MINOR = 100
_MAX_AMOUNT_UNITS = 99_999_999
"""Fits the column."""

_HOUR_WEIGHTS = (6, 8, 9, 10, 11, 12, 13, 13, 12, 11, 11, 12, 14, 16, 17, 16, 13, 9, 5, 3, 2, 1, 1, 3)
"""Payments by the hour in UTC: India's days, which end at 18:30."""

_HOUR_CUMULATIVE_WEIGHTS = tuple(itertools.accumulate(_HOUR_WEIGHTS))

_WEEKDAY_WEIGHTS = (10, 10, 10, 10, 12, 14, 13)
"""Payments by the day, from Monday."""


@dataclass(frozen=True, slots=True)
class SampleRefund:
    """A refund of a sample payment. ``is_rest`` when it asked for all that remained."""

    amount_minor: int
    is_rest: bool
    reason: str
    request_id: bytes
    create_time: datetime


@dataclass(frozen=True, slots=True)
class SamplePayment:
    """A payment. Amounts are in minor units of the currency, times in UTC."""

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
        """The sum of its refunds, which never exceeds its amount."""
        return sum(refund.amount_minor for refund in self.refunds)


def sample_payments(
    count: int, seed: int, now: datetime, *, months: int = DEFAULT_MONTHS, minor_digits: int = 2
) -> Iterator[SamplePayment]:
    """Make ``count`` payments of the ``months`` (of 30 days) before ``now``, oldest first.

    ``now`` without a time zone is in UTC. ``minor_digits`` are the decimals of the currency. The payments depend on the
    arguments alone.
    """
    if now.tzinfo is not None:
        now = now.astimezone(UTC).replace(tzinfo=None)
    # With `now` mixed in, the same seed can be used again later without giving the same references once more.
    chance = random.Random(f"{seed} {now.isoformat()}")  # noqa: S311
    new_order_ids = itertools.count(1)
    orders_to_retry: list[int] = []
    for create_time in _times(chance, count, now, months):
        order_id = orders_to_retry.pop() if orders_to_retry else next(new_order_ids)
        has_succeeded = chance.random() < _SUCCESS_PROBABILITY
        if not has_succeeded and chance.random() < _RETRY_PROBABILITY:
            orders_to_retry.append(order_id)
        amount_minor = _amount_minor(chance, minor_digits)
        is_refunded = has_succeeded and chance.random() < _REFUND_PROBABILITY
        yield SamplePayment(
            order_id=order_id,
            amount_minor=amount_minor,
            method=chance.choices(_METHODS, cum_weights=_METHOD_CUMULATIVE_PERCENT)[0],
            has_succeeded=has_succeeded,
            reference=f"ECI{create_time:%Y%m%d}-{chance.getrandbits(80):020X}",
            request_id=_request_id(chance),
            create_time=create_time,
            refunds=tuple(_refunds(chance, amount_minor, create_time, now)) if is_refunded else (),
        )


def _times(chance: random.Random, count: int, now: datetime, months: int) -> Iterator[datetime]:
    """Make ``count`` times in order, spread over the days by the weekday and over each day by the hour.

    The days are those of 24 hours that end at ``now``.
    """
    days = months * _DAYS_PER_MONTH
    starts = [now - timedelta(days=days - number) for number in range(days)]
    weights = list(itertools.accumulate(_WEEKDAY_WEIGHTS[start.weekday()] for start in starts))
    done = 0
    for start, weight in zip(starts, weights, strict=True):
        until = count * weight // weights[-1]
        yield from sorted(_time_within_day(chance, start) for _ in range(until - done))
        done = until


def _time_within_day(chance: random.Random, start: datetime) -> datetime:
    (hour,) = chance.choices(range(24), cum_weights=_HOUR_CUMULATIVE_WEIGHTS)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    moment = midnight + timedelta(hours=hour, microseconds=chance.randrange(3_600_000_000))
    return moment if moment >= start else moment + timedelta(days=1)


def _amount_minor(chance: random.Random, minor_digits: int) -> int:
    """Draw an amount in minor units; what is drawn becomes an integer before it is money."""
    minor_per_unit: int = 10**minor_digits
    drawn = round(chance.lognormvariate(math.log(_MEDIAN_UNITS * minor_per_unit), _SPREAD))
    return min(max(drawn, _MIN_AMOUNT_MINOR), _MAX_AMOUNT_UNITS * minor_per_unit)


def _refunds(chance: random.Random, amount_minor: int, after: datetime, now: datetime) -> Iterator[SampleRefund]:
    """Make the refunds of one payment, in the order of their times, all between ``after`` and ``now``."""
    if chance.random() < _FULL_REFUND_PROBABILITY:
        amounts_minor = [amount_minor]
    else:
        parts = chance.randint(1, _MAX_PARTIAL_REFUNDS)
        # Each is less than an equal share would be with one part more: something always remains.
        amounts_minor = [chance.randint(1, amount_minor // (parts + 1)) for _ in range(parts)]
    longest = min(_MAX_REFUND_DELAY, now - after)
    for amount, delay in zip(amounts_minor, sorted(chance.random() for _ in amounts_minor), strict=True):
        yield SampleRefund(
            amount_minor=amount,
            is_rest=amount == amount_minor,
            reason=chance.choice(_REASONS),
            request_id=_request_id(chance),
            create_time=after + longest * delay,
        )


def _request_id(chance: random.Random) -> bytes:
    return b"%032x" % chance.getrandbits(128)
