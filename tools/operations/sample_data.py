"""Fill the database with plausible payments.

Amounts are skewed as real ones are, times cover some months up to now with the rhythm of days, about two in five
payments failed, an order whose payment failed is often paid again, and some payments were refunded, wholly or in part.
The same seed and the same ``now`` give the same rows.
"""

import itertools
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import itemgetter

from pymysql.cursors import Cursor

from server.config.settings import Settings
from server.domain.events import EventKind
from server.domain.money import MINOR_DIGITS
from server.storage import outbox
from tools.database.connection import DatabaseConnection, print_line, transaction
from tools.database.empty_tables import TablesNotEmpty, require_empty_tables
from tools.database.migration_records import open_migrated

DEFAULT_COUNT = 400
DEFAULT_MONTHS = 6
DEFAULT_SEED = 1

CALLER = b"sample"
"""Who made them, in the column that names callers."""

_DAYS_PER_MONTH = 30
_BATCH_ROWS = 2_000
"""Rows a transaction: large enough that commits cost little, small enough for any ``max_allowed_packet``."""

_PROGRESS_EVERY_SECONDS = 5.0

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
"""The logarithm of an amount is spread normally with this deviation: one in a hundred is about 13 times the median."""

_MIN_AMOUNT_MINOR = 100
_MAX_AMOUNT_UNITS = 99_999_999
"""Fits the column."""

_HOUR_WEIGHTS = (6, 8, 9, 10, 11, 12, 13, 13, 12, 11, 11, 12, 14, 16, 17, 16, 13, 9, 5, 3, 2, 1, 1, 3)
"""Payments by the hour in UTC: India's days, which end at 18:30."""

_HOUR_CUMULATIVE_WEIGHTS = tuple(itertools.accumulate(_HOUR_WEIGHTS))

_WEEKDAY_WEIGHTS = (10, 10, 10, 10, 12, 14, 13)
"""Payments by the day, from Monday."""

_INSERT_PAYMENT = """
    INSERT INTO payments (order_id, amount, currency, method, status, reference, created_at, refunded, refunded_amount,
        caller, request_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_SELECT_IDS = "SELECT request_id, payment_id FROM payments WHERE caller = %s AND request_id IN %s"
_SELECT_REFUND_IDS = "SELECT request_id, refund_id FROM refunds WHERE caller = %s AND request_id IN %s"
_INSERT_REFUND = """
    INSERT INTO refunds (payment_id, amount, requested_amount, status, reason, caller, request_id, created_at)
    VALUES (%s, %s, %s, 1, %s, %s, %s, %s)
"""


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


def insert_sample_payments(  # noqa: PLR0913 - all but three have defaults, and are named
    connection: DatabaseConnection,
    count: int,
    seed: int,
    now: datetime,
    *,
    months: int = DEFAULT_MONTHS,
    currency: str = "INR",
    only_if_empty: bool = False,
    say: Callable[[str], None] = print_line,
) -> None:
    """Insert the payments that ``sample_payments`` makes, in ``currency``, and their refunds.

    Each batch of payments is one transaction with its refunds. ``say`` gets a line every five seconds.

    Raises:
        TablesNotEmpty: there are payments, live or archived, and ``only_if_empty``; nothing was inserted.
        pymysql.err.IntegrityError: the same ``seed`` and ``now`` were inserted before.
    """
    digits = MINOR_DIGITS[currency]
    payments = sample_payments(count, seed, now, months=months, minor_digits=digits)
    inserted = 0
    said_at = time.monotonic()
    while batch := list(itertools.islice(payments, _BATCH_ROWS)):
        with transaction(connection), connection.cursor() as cursor:
            if only_if_empty and not inserted:
                require_empty_tables(cursor)
            _insert_batch(cursor, batch, currency, digits)
        inserted += len(batch)
        if time.monotonic() - said_at > _PROGRESS_EVERY_SECONDS:
            say(f"{inserted:,} of {count:,} sample payments")
            said_at = time.monotonic()


def _insert_batch(cursor: Cursor, batch: list[SamplePayment], currency: str, digits: int) -> None:
    def amount(minor: int) -> Decimal:
        return Decimal(minor).scaleb(-digits)

    payments = [
        (
            payment.order_id,
            amount(payment.amount_minor),
            currency,
            payment.method,
            payment.has_succeeded,
            payment.reference,
            payment.create_time,
            payment.refunded_minor == payment.amount_minor,
            amount(payment.refunded_minor),
            CALLER,
            payment.request_id,
        )
        for payment in batch
    ]
    cursor.executemany(_INSERT_PAYMENT, payments)
    cursor.execute(_SELECT_IDS, [CALLER, [payment.request_id for payment in batch]])
    payment_ids = dict(cursor.fetchall())
    refunds = [
        (
            payment_ids[payment.request_id],
            amount(refund.amount_minor),
            None if refund.is_rest else amount(refund.amount_minor),
            refund.reason,
            CALLER,
            refund.request_id,
            refund.create_time,
        )
        for payment in batch
        for refund in payment.refunds
    ]
    refund_ids: dict[bytes, int] = {}
    if refunds:
        cursor.executemany(_INSERT_REFUND, refunds)
        request_ids = [refund.request_id for payment in batch for refund in payment.refunds]
        cursor.execute(_SELECT_REFUND_IDS, [CALLER, request_ids])
        refund_ids = dict(cursor.fetchall())
    changes = [change for payment in batch for change in _changes(payment, payment_ids, refund_ids, digits)]
    cursor.execute(outbox.TELL, [outbox.made_up(sorted(changes, key=itemgetter(-1)))])


def _changes(
    payment: SamplePayment, payment_ids: Mapping[bytes, int], refund_ids: Mapping[bytes, int], digits: int
) -> Iterator[tuple[EventKind, int, int | None, Decimal, datetime]]:
    """Return what happened to a payment, as the stream of events is told it."""
    payment_id = payment_ids[payment.request_id]
    kind = EventKind.CHARGED if payment.has_succeeded else EventKind.FAILED
    yield kind, payment_id, None, Decimal(), payment.create_time
    refunded_minor = 0
    for refund in payment.refunds:
        refunded_minor += refund.amount_minor
        refunded = Decimal(refunded_minor).scaleb(-digits)
        yield EventKind.REFUNDED, payment_id, refund_ids[refund.request_id], refunded, refund.create_time


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


def load_sample_payments(  # noqa: PLR0913 - all but the first are named
    settings: Settings,
    *,
    count: int,
    seed: int = DEFAULT_SEED,
    months: int = DEFAULT_MONTHS,
    only_if_empty: bool = False,
    say: Callable[[str], None] = print_line,
) -> None:
    """Insert ``count`` payments up to now into the database that the settings name, in their default currency.

    Raises:
        SchemaOutdated: the database is not migrated.
    """
    with open_migrated(settings, say=say) as connection:
        start = time.monotonic()
        try:
            insert_sample_payments(
                connection,
                count,
                seed,
                datetime.now(UTC),
                months=months,
                currency=settings.default_currency,
                only_if_empty=only_if_empty,
                say=say,
            )
        except TablesNotEmpty:
            say("there are payments already: no sample payments made")
        else:
            say(f"{count:,} sample payments made in {time.monotonic() - start:.1f} s")
