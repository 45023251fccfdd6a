"""Fill the database with the payments from ``sample_payments``."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
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
from tools.operations.sample_payments import DEFAULT_MONTHS, SamplePayment, sample_payments

DEFAULT_COUNT = 400
DEFAULT_SEED = 1

CALLER = b"sample"
"""The caller of the sample payments."""

_BATCH_ROWS = 2_000
"""Payments per transaction: enough to make commits cheap, and few enough for any ``max_allowed_packet``."""

_PROGRESS_INTERVAL_SECONDS = 5.0

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


def insert_sample_payments(  # noqa: PLR0913 - all but three have defaults, and are named
    connection: DatabaseConnection,
    count: int,
    seed: int,
    now: datetime,
    *,
    months: int = DEFAULT_MONTHS,
    currency: str = "INR",
    only_if_empty: bool = False,
    report: Callable[[str], None] = print_line,
) -> None:
    """Insert the payments from ``sample_payments``, in ``currency``, with their refunds.

    Each batch of payments is inserted in one transaction with its refunds. ``report`` receives a line every five
    seconds.

    Raises:
        TablesNotEmpty: ``only_if_empty``, and the database has payments, live or archived. Nothing was inserted.
        pymysql.err.IntegrityError: the same ``seed`` and ``now`` were inserted before.
    """
    digits = MINOR_DIGITS[currency]
    payments = sample_payments(count, seed, now, months=months, minor_digits=digits)
    inserted = 0
    reported_at = time.monotonic()
    while batch := list(itertools.islice(payments, _BATCH_ROWS)):
        with transaction(connection), connection.cursor() as cursor:
            if only_if_empty and not inserted:
                require_empty_tables(cursor)
            _insert_batch(cursor, batch, currency, digits)
        inserted += len(batch)
        if time.monotonic() - reported_at > _PROGRESS_INTERVAL_SECONDS:
            report(f"{inserted:,} of {count:,} sample payments")
            reported_at = time.monotonic()


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
    cursor.execute(outbox.INSERT_CHANGES, [outbox.encode_changes(sorted(changes, key=itemgetter(-1)))])


def _changes(
    payment: SamplePayment, payment_ids: Mapping[bytes, int], refund_ids: Mapping[bytes, int], digits: int
) -> Iterator[tuple[EventKind, int, int | None, Decimal, datetime]]:
    """Yield the changes of a payment, as the outbox records them for the event stream."""
    payment_id = payment_ids[payment.request_id]
    kind = EventKind.CHARGED if payment.has_succeeded else EventKind.FAILED
    yield kind, payment_id, None, Decimal(), payment.create_time
    refunded_minor = 0
    for refund in payment.refunds:
        refunded_minor += refund.amount_minor
        refunded = Decimal(refunded_minor).scaleb(-digits)
        yield EventKind.REFUNDED, payment_id, refund_ids[refund.request_id], refunded, refund.create_time


def load_sample_payments(  # noqa: PLR0913 - all but the first are named
    settings: Settings,
    *,
    count: int,
    seed: int = DEFAULT_SEED,
    months: int = DEFAULT_MONTHS,
    only_if_empty: bool = False,
    report: Callable[[str], None] = print_line,
) -> None:
    """Insert ``count`` payments with times up to now into the database in the settings, in the default currency.

    Raises:
        SchemaOutdated: the database is not migrated.
    """
    with open_migrated(settings, report=report) as connection:
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
                report=report,
            )
        except TablesNotEmpty:
            report("the database already has payments; no sample payments were added")
        else:
            report(f"added {count:,} sample payments in {time.monotonic() - start:.1f} s")
